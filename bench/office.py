"""What is measured: a Dovecot, the daemon as it ships, a receiver, each a process of its own."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.error import URLError

from bench.processes import Watched, ask, ask_text, started, until
from tests.dovecot import PASSWORD, Dovecot
from tests.endtoend.installation import free_port

KEY = base64.b64encode(bytes(range(32))).decode()
SECRET = "whsec_" + base64.b64encode(b"a secret of the benches only....").decode()
_CONFIG = """
data:
  folder: {folder}
sealing:
  key: ${{XINQIAO_KEY}}
listen:
  host: 127.0.0.1
  port: {port}
log:
  format: json
channels:
  director_mailbox:
    kind: mailbox
    every: {every}
    start_from: all
    host: 127.0.0.1
    port: {mailbox}
    tls: none
    username: {user}
    password: ${{MAILBOX_PASSWORD}}
targets:
  oa:
    url: {oa}/webhook
    secret: ${{OA_WEBHOOK_SECRET}}
    restricted: true
"""


@dataclass(frozen=True)
class Oa:
    """The receiver."""

    url: str
    process: Watched

    def seen(self) -> int:
        return int(ask(f"{self.url}/seen")["seen"])

    def last(self) -> float:
        return float(ask(f"{self.url}/seen")["last"])

    def waits(self) -> list[float]:
        """Of each event, seconds from when its case's mail was stored to here."""
        return [came - datetime.fromisoformat(stored).timestamp() for came, stored in ask(f"{self.url}/arrivals")]

    def forget(self) -> None:
        ask(f"{self.url}/forget", post=True)

    def wait_for(self, number: int, patience: float = 300) -> None:
        until(lambda: self.seen() >= number, f"{number} were delivered", patience)


@contextmanager
def receiving(secret: str | None = SECRET) -> Iterator[Oa]:
    port = free_port()
    with started("bench.receiver", str(port), *([secret] if secret else [])) as process:
        oa = Oa(f"http://127.0.0.1:{port}", process)
        until(lambda: _answers(f"{oa.url}/seen"), "the receiver answers", 30)
        yield oa


@dataclass(frozen=True)
class Office:
    """A daemon at work."""

    folder: Path
    console: str
    process: Watched

    def began(self) -> float:
        """When it began to poll."""
        return datetime.fromisoformat(self._said("started")).timestamp()

    def transactions(self) -> float:
        return self.metric("xinqiao_store_transactions_total")

    def metric(self, name: str) -> float:
        text = ask_text(f"{self.console}/metrics")
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))

    def is_ready(self) -> bool:
        return _answers(f"{self.console}/readyz")

    def _said(self, event: str) -> str:
        lines = (self.folder / "daemon.log").read_text("utf-8").splitlines()
        return next(json.loads(line)["timestamp"] for line in lines if f'"{event}"' in line)


@contextmanager
def at_work(
    folder: Path, dovecot: Dovecot, user: str, oa: Oa, *, every: str = "60s", environment: dict[str, str] | None = None
) -> Iterator[Office]:
    """The daemon on the data in `folder` / data."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    config = folder / "config.yaml"
    config.write_text(
        _CONFIG.format(folder=folder / "data", port=port, mailbox=dovecot.port, user=user, oa=oa.url, every=every)
    )
    log = folder / "daemon.log"
    log.unlink(missing_ok=True)
    secrets = {"XINQIAO_KEY": KEY, "MAILBOX_PASSWORD": PASSWORD, "OA_WEBHOOK_SECRET": SECRET}
    with started("ingest", "run", "-c", str(config), environment={**secrets, **(environment or {})}, log=log) as one:
        yield Office(folder, f"http://127.0.0.1:{port}", one)


def cleared(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def _answers(url: str) -> bool:
    try:
        ask(url)
    except (URLError, OSError):
        return False
    return True
