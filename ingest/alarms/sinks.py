"""The ways to tell people: a mail, or a POST to a robot. One protocol; each raises Untold when it could not."""

from __future__ import annotations

import asyncio
import json
import smtplib
import ssl
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Any, Protocol

import aiohttp
from yarl import URL

from adapters.tls_words import tls_trouble
from adapters.wire import TrustBroken, open_session
from dispatch.expressions import TemplateFailed, fill, fill_text, holds
from ingest.alarms.settings import MailSink, Sink, WebhookSink

PATIENCE = timedelta(seconds=30)
ANSWER_LIMIT = 64 * 1024


class Untold(Exception):
    """It could not be told; the message says why, without secrets."""


@dataclass(frozen=True)
class Message:
    """What is told; of citizens it knows numbers of cases at most."""

    kind: str
    state: str
    """raised, still, over or digest."""
    title: str
    """One line, whatever the errors are like that it tells of: a mail has it as its subject."""
    text: str
    since: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "title", " ".join(self.title.split()))


class Teller(Protocol):
    async def tell(self, message: Message, now: datetime) -> None:
        """Raises Untold."""
        ...


def teller_of(settings: Sink) -> Teller:
    return Mailer(settings) if isinstance(settings, MailSink) else Robot(settings)


class Mailer:
    """Sends a mail; blocking, hence in a thread."""

    def __init__(self, settings: MailSink) -> None:
        self._settings = settings
        # Its own: what holds up other threads may be what it is to tell of.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="alarm-mail")

    async def tell(self, message: Message, now: datetime) -> None:
        mail = self._written(message, now)
        await self._having(lambda server: server.send_message(mail))

    async def greet(self) -> str:
        """Log in and out, and say what was seen. Raises Untold."""
        await self._having(lambda server: server.noop())
        settings = self._settings
        who = f"lets {settings.username} in" if settings.username is not None else "lets us in without a name"
        return f"mail server {settings.host}:{settings.port} {who}"

    async def _having(self, act: Callable[[smtplib.SMTP], object]) -> None:
        """Do something once logged in. Raises Untold."""
        host, place = self._settings.host, f"{self._settings.host}:{self._settings.port}"
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._logged_in, act)
        except smtplib.SMTPAuthenticationError as error:
            raise Untold(f"{host} answers {error.smtp_code}: it refuses username and password") from error
        except smtplib.SMTPResponseException as error:
            raise Untold(f"{host} answers {error.smtp_code}") from error
        except smtplib.SMTPNotSupportedError as error:
            raise Untold(f"{place}: {error}; look at tls: {self._settings.tls}") from error
        except (smtplib.SMTPException, OSError) as error:
            said = tls_trouble(error) or getattr(error, "strerror", None) or type(error).__name__
            raise Untold(f"{place}: {said}") from error

    def _written(self, message: Message, now: datetime) -> EmailMessage:
        mail = EmailMessage()
        mail["From"] = self._settings.sender
        mail["To"] = ", ".join(self._settings.to)
        mail["Subject"] = message.title
        mail["Date"] = format_datetime(now)
        mail["Message-ID"] = make_msgid(domain=self._settings.sender.rpartition("@")[2])
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text)
        return mail

    def _logged_in(self, act: Callable[[smtplib.SMTP], object]) -> None:
        settings, seconds = self._settings, PATIENCE.total_seconds()
        context = ssl.create_default_context(cafile=str(settings.ca_file) if settings.ca_file else None)
        place = (settings.host, settings.port)
        server: smtplib.SMTP
        if settings.tls == "tls":
            server = smtplib.SMTP_SSL(*place, timeout=seconds, context=context)
        else:
            server = smtplib.SMTP(*place, timeout=seconds)
        with server:
            if settings.tls == "starttls":
                server.starttls(context=context)
            if settings.username is not None and settings.password is not None:
                server.login(settings.username, settings.password.get_secret_value())
            act(server)


class Robot:
    """Posts JSON."""

    def __init__(self, settings: WebhookSink) -> None:
        self._settings = settings

    async def tell(self, message: Message, now: datetime) -> None:
        settings = self._settings
        values: Mapping[str, Any] = {**asdict(message), "now_ms": int(now.timestamp() * 1000)}
        try:
            params = {name: fill_text(text, values, ("params", name)) for name, text in settings.params.items()}
            headers = {name: fill_text(text, values, ("headers", name)) for name, text in settings.headers.items()}
            body = json.dumps(fill(settings.body, values, ("body",)), ensure_ascii=False).encode()
            headers = {"content-type": "application/json; charset=utf-8", **headers}
            url = URL(settings.url.get_secret_value())
            async with (
                open_session(settings, timeout=PATIENCE) as session,
                session.post(
                    url.update_query(params) if params else url, data=body, headers=headers, allow_redirects=False
                ) as answer,
            ):
                content = await answer.content.read(ANSWER_LIMIT)
                status = answer.status
        except (TemplateFailed, TrustBroken) as error:
            raise Untold(str(error)) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Untold(f"{URL(settings.url.get_secret_value()).host}: {type(error).__name__}") from error
        self._judge(status, content)

    def _judge(self, status: int, content: bytes) -> None:
        if not 200 <= status < 300:
            raise Untold(f"it answers HTTP {status}")
        if self._settings.success is None:
            return
        try:
            document = json.loads(content)
        except ValueError:
            document = None
        if not holds(self._settings.success, document):
            raise Untold(f"it answers HTTP {status}, but not {self._settings.success}")
