"""What is measured: a Dovecot, the daemon as it ships, a receiver, each a process of its own."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.error import URLError

from bench.mails import ROOT
from bench.processes import Watched, ask, ask_text, started, until
from sandbox.ports import free_port
from tests.dovecot import PASSWORD, Dovecot

KEY = base64.b64encode(bytes(range(32))).decode()
SECRET = "whsec_" + base64.b64encode(b"a secret of the benches only....").decode()
_AT_ONCE = 100
_CONFIG = """
database: {database}
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
  {channel}:
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
class Arrival:
    """An event at the OA: seconds since its mail was stored, and the mail's Message-ID."""

    at: float
    waited: float
    mail: str


@dataclass(frozen=True)
class Oa:
    """The receiver."""

    url: str
    process: Watched

    @property
    def seen(self) -> int:
        return int(ask(f"{self.url}/seen")["seen"])

    @property
    def first(self) -> float:
        return float(ask(f"{self.url}/seen")["first"])

    @property
    def last(self) -> float:
        return float(ask(f"{self.url}/seen")["last"])

    def arrivals(self) -> list[Arrival]:
        said = ask(f"{self.url}/arrivals")
        return [Arrival(at, at - datetime.fromisoformat(stored).timestamp(), mail) for at, stored, mail in said]

    def forget(self) -> None:
        ask(f"{self.url}/forget", post=True)

    def wait_for(self, number: int, patience: float = 600) -> None:
        until(lambda: self.seen >= number, f"{number} were delivered", patience)


@contextmanager
def receiving() -> Iterator[Oa]:
    port = free_port()
    with started("bench.receiver", str(port), SECRET) as process:
        oa = Oa(f"http://127.0.0.1:{port}", process)
        until(lambda: answers(f"{oa.url}/seen"), "the receiver answers", 30)
        yield oa


@dataclass(frozen=True)
class Office:
    """A daemon at work."""

    folder: Path
    console: str
    process: Watched

    @property
    def log(self) -> Path:
        return self.folder / "daemon.log"

    def wait(self) -> None:
        """Return when it begins to poll."""
        until(lambda: self.log.exists() and b'"started"' in self.log.read_bytes(), "it starts", 60, between=0.01)

    @property
    def began(self) -> float:
        """When it began to poll."""
        lines = self.log.read_text("utf-8").splitlines()
        said: str = next(json.loads(line)["timestamp"] for line in lines if '"started"' in line)
        return datetime.fromisoformat(said).timestamp()

    def metric(self, name: str) -> float:
        text = ask_text(f"{self.console}/metrics")
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))

    @property
    def is_ready(self) -> bool:
        return answers(f"{self.console}/readyz")


@contextmanager
def at_work(
    folder: Path,
    dovecot: Dovecot,
    user: str,
    oa: Oa,
    *,
    every: str = "60s",
    channel: str = "director_mailbox",
    database: str = "sqlite",
    environment: Mapping[str, str] | None = None,
) -> Iterator[Office]:
    """The daemon on the data in `folder`/data, or in that database, reading this user's mailbox."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    config = folder / "config.yaml"
    values = {"folder": folder / "data", "port": port, "mailbox": dovecot.port, "user": user, "oa": oa.url}
    config.write_text(_CONFIG.format(**values, database=json.dumps(database), every=every, channel=channel))
    (folder / "daemon.log").unlink(missing_ok=True)
    secrets = {"XINQIAO_KEY": KEY, "MAILBOX_PASSWORD": PASSWORD, "OA_WEBHOOK_SECRET": SECRET}
    given = {**secrets, **(environment or {})}
    with started("ingest", "run", "-c", str(config), environment=given, log=folder / "daemon.log") as process:
        yield Office(folder, f"http://127.0.0.1:{port}", process)


def carry_over(folder: Path, address: str) -> None:
    """Have `xinqiao move` carry what lies in `folder`/data to that database."""
    config = folder / "move.yaml"
    config.write_text(f"data: {{folder: {json.dumps(str(folder / 'data'))}}}\nsealing: {{key: '${{XINQIAO_KEY}}'}}\n")
    command = [sys.executable, "-m", "ingest", "move", "-c", str(config), "--to", address]
    subprocess.run(
        command, cwd=ROOT, env={**os.environ, "XINQIAO_KEY": KEY}, check=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


def deposit(dovecot: Dovecot, user: str, mails: Iterable[bytes]) -> None:
    """Put mails into a mailbox."""
    with dovecot.opened(user) as client:
        waiting = list(mails)
        for start in range(0, len(waiting), _AT_ONCE):
            client.multiappend("INBOX", waiting[start : start + _AT_ONCE])


def answers(url: str) -> bool:
    try:
        ask(url)
    except (URLError, OSError):
        return False
    return True
