"""A Debian server of our own without any network: an empty root file system, booted with systemd in a container."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SUITE = "bookworm"
PACKAGES = "systemd,systemd-sysv,python3,passwd"
"""A server as an office has it: no pip, no compiler, not even curl."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def debian(root: Path, architecture: str = "amd64") -> None:
    """Make the empty root file system, from where this machine has its own packages."""
    said = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)", "Created-By: Packages"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    mirror = next(line.split()[1] for line in said.splitlines() if line.split()[0] == SUITE)
    command = ["debootstrap", f"--arch={architecture}", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(root)]
    done = subprocess.run([*command, mirror], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


class Machine:
    """The booted container; only its loopback is there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root.with_name(f"{root.name}.log")
        with self.log.open("wb") as output:
            command = ["systemd-nspawn", "--quiet", f"--directory={root}", "--private-network", "--boot"]
            self._nspawn = subprocess.Popen(
                [*command, "--register=no", "--keep-unit", f"--machine=xq-{os.getpid()}"],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        self._init = self._first_process()
        self.wait("systemctl is-system-running --wait | grep -E 'running|degraded'", "the machine runs")

    def run(self, command: str, *, status: int = 0) -> str:
        """What a shell command said, as root there; it must end with this status."""
        done = self._started(command)
        assert done.returncode == status, f"{command}\n{done.stdout}"
        return done.stdout.strip()

    def wait(self, command: str, what: str, patience: float = 120) -> str:
        """Until the command succeeds; what it said."""
        latest = time.monotonic() + patience
        while (done := self._started(command)).returncode != 0:
            assert time.monotonic() < latest, f"while waiting that {what}: {done.stdout}"
            time.sleep(0.5)  # the state is another machine's
        return done.stdout.strip()

    def path(self, name: str) -> Path:
        """A file there, as seen from here."""
        return self.root / name.lstrip("/")

    def stop(self) -> None:
        if self._nspawn.poll() is None:
            self._nspawn.send_signal(signal.SIGTERM)
            try:
                self._nspawn.wait(60)
            except subprocess.TimeoutExpired:
                self._nspawn.kill()
                self._nspawn.wait()

    def _started(self, command: str) -> subprocess.CompletedProcess[str]:
        inside = ["nsenter", f"--target={self._init}", "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd"]
        environment = ["env", "-i", f"PATH={PATH}", "HOME=/root", "LANG=C.UTF-8"]
        return subprocess.run(
            [*inside, "--", *environment, "sh", "-c", command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip

    def _first_process(self) -> int:
        """Its init, seen from here; nspawn starts it a moment after itself."""
        latest = time.monotonic() + 60
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children")
        while time.monotonic() < latest:
            assert self._nspawn.poll() is None, self.log.read_text("utf-8", "replace")
            for child in children.read_text().split():
                if Path(f"/proc/{child}/comm").read_text().strip() in {"systemd", "(sd-stubinit)", "init"}:
                    return int(child)
            time.sleep(0.1)
        raise AssertionError(f"no first process: {self.log.read_text('utf-8', 'replace')}")


@contextmanager
def machine(root: Path) -> Iterator[Machine]:
    booted = Machine(root)
    try:
        yield booted
    finally:
        booted.stop()


def missing_programs() -> list[str]:
    """What this machine lacks to make another one."""
    path = f"{os.environ['PATH']}:/usr/sbin"
    return [name for name in ("debootstrap", "systemd-nspawn", "nsenter") if not shutil.which(name, path=path)]
