"""A real PostgreSQL of our own: Debian's programs, started in a temporary folder, gone afterwards."""

from __future__ import annotations

import itertools
import os
import pwd
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from sqlalchemy import create_engine, make_url

from sandbox.ports import free_port
from store.migrate import upgrade
from tests.missing import missing
from tests.orphans import dying_with_us

ROOT = Path(__file__).resolve().parents[1]
WAIT = 60.0
SETTINGS = {
    "listen_addresses": "''",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "log_min_messages": "fatal",
    "dynamic_shared_memory_type": "mmap",  # in its folder: a server that is killed leaves nothing behind
}
_DATA_IN_THE_MANUAL = "/var/lib/postgresql/15/main"
CARELESS = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}
"""Quicker; a server that is killed with SIGKILL keeps its data all the same, a machine would not."""


@dataclass
class Server:
    """A cluster of databases on a socket of its own; its superuser is `postgres`, without a password."""

    programs: Path
    folder: Path
    port: int
    account: Sequence[str]
    """The command that puts another account before a command: PostgreSQL does not run as root."""
    settings: dict[str, str]
    _process: subprocess.Popen[bytes] | None = None
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def make(self) -> None:
        options = ("-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
        self.run_here(("initdb", *options))
        lines = [f"{name} = {value}\n" for name, value in self.settings.items()]
        with (self.folder / "data" / "postgresql.conf").open("a") as file:
            file.writelines(lines)

    def start(self) -> None:
        options = ("-D", self.data, "-p", str(self.port), "-k", str(self.folder))
        with (self.folder / "log").open("ab") as log:
            command = [*self.account, *dying_with_us(signal.SIGQUIT), str(self.programs / "postgres"), *options]
            self._process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        self._wait(self._answers)

    def stop(self, mode: str = "fast") -> None:
        """`fast` ends connections in order; `immediate` is a crash."""
        if self._process is not None:
            self._process.send_signal({"fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode])
            self._process.wait(WAIT)
            self._process = None

    def kill(self) -> None:
        """As when the machine's power goes: every process of it is gone at once."""
        assert self._process is not None
        main = self._process.pid  # setpriv has become it
        others = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        for pid in (main, *map(int, others)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(WAIT)
        self._process = None

    def follow(self, primary: Server) -> None:
        """Become its standby by the manual's own commands: a commit of the primary is on its disk before it is
        acknowledged.
        """
        at_first, here, from_now_on = _chapter_on_a_standby()
        for command in at_first:
            primary.run_here(command)
        (copying,) = [command for command in here if command[0] == "pg_basebackup"]
        there = f"host={primary.folder} port={primary.port}"
        self.run_here(
            [each.replace("host=db1.example", there).replace(_DATA_IN_THE_MANUAL, self.data) for each in copying]
        )
        self.start()
        *commands, look = from_now_on
        for command in commands:
            primary.run_here(command)
        self._wait(lambda: primary.run_here(look).splitlines()[-1:] == ["standby1|streaming|sync"])

    def promote(self) -> None:
        """A standby becomes the primary."""
        self.say("SELECT pg_promote()")

    def restart(self, mode: str) -> None:
        self.stop(mode)
        self.start()

    def database(self, template: str = "template0") -> str:
        """The address of a new database."""
        name = f"xinqiao_{next(self._numbers)}_{secrets.token_hex(2)}"
        self.say(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.address(name)

    def migrated(self) -> str:
        """The address of a new database with our tables, empty."""
        if "made" not in self.__dict__:
            self.say("CREATE DATABASE made TEMPLATE template0")
            engine = create_engine(self.address("made"))
            upgrade(engine)
            engine.dispose()
            self.__dict__["made"] = True
        return self.database("made")

    def drop(self, address: str) -> None:
        """Remove a database, whoever uses it."""
        self.say(f"DROP DATABASE {name_of(address)} WITH (FORCE)")

    def address(self, name: str) -> str:
        return f"postgresql+psycopg://postgres@/{name}?host={self.folder}&port={self.port}"

    def say(self, statement: str) -> None:
        """Execute something as the superuser."""
        with psycopg.connect(host=str(self.folder), port=self.port, user="postgres", autocommit=True) as conn:
            conn.execute(statement.encode())

    def ask(self, statement: str) -> object:
        """The first value of an answer; None for none."""
        with psycopg.connect(host=str(self.folder), port=self.port, user="postgres", autocommit=True) as conn:
            row = conn.execute(statement.encode()).fetchone()
        return None if row is None else row[0]

    @property
    def pid(self) -> int:
        """Of the server's first process, the father of the others."""
        if self._process is None:
            raise RuntimeError("postgres: does not run")
        return self._process.pid

    def processes(self) -> list[int]:
        """The server and all that it has started."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text("ascii")
        return [self.pid, *map(int, children.split())]

    @property
    def data(self) -> str:
        return str(self.folder / "data")

    def _wait(self, holds: Callable[[], bool]) -> None:
        latest = time.monotonic() + WAIT
        while not holds():
            if self._process is None or self._process.poll() is not None or time.monotonic() > latest:
                raise RuntimeError(f"postgres: {(self.folder / 'log').read_text()}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            self.say("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def run_here(self, command: Sequence[str]) -> str:
        """Run one of PostgreSQL's programs as if on this server's machine; what it says."""
        program, *arguments = command
        here = {"PGHOST": str(self.folder), "PGPORT": str(self.port), "PGUSER": "postgres"}
        ended = subprocess.run(
            [*self.account, str(self.programs / program), *arguments],
            cwd=self.folder, env={**os.environ, **here}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if ended.returncode != 0:
            raise RuntimeError(f"{command}: {ended.stdout}{ended.stderr}")
        return ended.stdout


@contextmanager
def running_postgres(*, careful: bool = False) -> Iterator[Server]:
    """Start PostgreSQL and wait until it answers; skip where it is not installed (in CI: fail)."""
    with _place(careful=careful) as server:
        server.make()
        server.start()
        yield server


@contextmanager
def running_pair() -> Iterator[tuple[Server, Server]]:
    """A primary, and a standby that has everything that was acknowledged."""
    with running_postgres() as primary, _place(careful=False) as standby:
        standby.follow(primary)
        yield primary, standby


def _chapter_on_a_standby() -> list[list[list[str]]]:
    """Its commands as a shell takes them apart: on the primary, on the standby, on the primary from then on."""
    manual = (ROOT / "docs" / "deployment.md").read_text("utf-8")
    chapter = manual.partition("\n## PostgreSQL with a standby\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", chapter, re.DOTALL)
    return [[shlex.split(line, comments=True) for line in block.splitlines()] for block in blocks[:3]]


def address_of_both(pair: tuple[Server, Server], address: str) -> str:
    """An address that leads to whichever of the two takes writes."""
    hosts, ports = ",".join(str(one.folder) for one in pair), ",".join(str(one.port) for one in pair)
    return f"postgresql+psycopg://postgres@/{name_of(address)}?host={hosts}&port={ports}"


@contextmanager
def _place(*, careful: bool) -> Iterator[Server]:
    """Where a server can be made; it is stopped and gone at the end."""
    programs = _programs()
    if programs is None:
        missing("PostgreSQL")
    folder = Path(tempfile.mkdtemp(prefix="xq-pg-", dir=None if careful else _quick_folder()))
    server = Server(programs, folder, free_port(), _account(folder), SETTINGS | ({} if careful else CARELESS))
    try:
        yield server
    finally:
        server.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def frozen(processes: Sequence[int]) -> Iterator[None]:
    """Stopped meanwhile, all of them; one may have ended by itself before."""
    for one in processes:
        _signal(one, signal.SIGSTOP)
    try:
        yield
    finally:
        for one in processes:
            _signal(one, signal.SIGCONT)


def name_of(address: str) -> str:
    return str(make_url(address).database)


def throw_out(server: Server, address: str, *, but: int = 0) -> None:
    """Break every connection, but perhaps one."""
    ours = f"datname = '{name_of(address)}' AND pid <> {but}"
    server.say(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}")


@contextmanager
def shut(server: Server, address: str) -> Iterator[None]:
    """Nobody gets in, and who is in is thrown out."""
    name = name_of(address)
    server.say(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
    throw_out(server, address)
    try:
        yield
    finally:
        server.say(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")


def _signal(process: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, number)


def _programs() -> Path | None:
    """Debian keeps the server's programs of each version in a folder of their own; the newest."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    elsewhere = shutil.which("initdb")
    return Path(elsewhere).resolve().parent if elsewhere else None


def _quick_folder() -> str | None:
    """In memory where there is plenty: every test makes a database of its own."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > 4 * 2**30 else None


def _account(folder: Path) -> tuple[str, ...]:
    if os.geteuid() != 0:
        return ()
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        user = pwd.getpwnam("nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
