"""The installer's ways back, over a systemd and releases that are stand-ins: which version runs in the end, on what."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.test_parts import DEPLOY
from tests.missing import missing

SYSTEMCTL = """#!/bin/sh
# Knows one service: its state lies in a file, and a version that is named in `broken` never becomes ready.
cd "${0%/*}/.."
verb=$1
case $verb in
    --version) echo "systemd 252 (252)" ;;
    stop) echo inactive >state ;;
    start)
        echo "start $(readlink opt/current)" >>log
        if grep -qx "$(readlink opt/current)" broken; then echo activating >state; exit 1; fi
        echo active >state
        ;;
    show) case "$*" in *ActiveState*) cat state ;; *) echo 0 ;; esac ;;
    is-active) [ "$(cat state)" = active ] ;;
    is-enabled) [ -e enabled ] ;;
esac
"""
AS_ANYBODY = """#!/bin/sh
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
"""
INSTALL = """#!/bin/sh
for one; do
    shift
    case $one in -o | -g) skip=yes ;; *) if [ "${skip:-no}" = yes ]; then skip=no; else set -- "$@" "$one"; fi ;; esac
done
exec /usr/bin/install "$@"
"""
RELEASE_PYTHON = """#!/bin/sh
case $2 in *shared*) exit 1 ;; *folder*) echo "$PLACE/data" ;; esac
"""
RELEASE = """#!/bin/sh
# Its data are one line, which a backup copies.
verb=$1
while [ $# -gt 0 ]; do case $1 in --to) to=$2 ;; --from) from=$2 ;; esac; shift; done
case $verb in
    backup) mkdir "$to" && cp "$PLACE/data/xinqiao.db" "$to/" && touch "$to/manifest.json" ;;
    restore)
        if [ -e "$PLACE/no-room" ]; then echo "$to: No space left on device" >&2; exit 1; fi
        mkdir "$to" && cp "$from/xinqiao.db" "$to/"
        ;;
esac
"""


@dataclass
class Server:
    """A machine whose folders lie below one."""

    place: Path

    def release(self, version: str, *, broken: bool = False) -> None:
        """A version that lies complete below /opt, and its bundle."""
        home, bundle = self.place / "opt" / version, self.place / "bundles" / version
        for folder in (home / "bin", home / "share", bundle / "wheels"):
            folder.mkdir(parents=True)
        for name in ("config.yaml", "calendar.yaml", "config.example.yaml", "xinqiao.service"):
            (home / "share" / name).write_text(f"# of {version}\n")
        (home / ".complete").touch()
        self._program(home / "bin" / "python", RELEASE_PYTHON)
        self._program(home / "bin" / "xinqiao", RELEASE)
        text = (DEPLOY / "install.sh").read_text("utf-8")
        for ours, here in (
            ("/opt/xinqiao\n", f"{self.place}/opt\n"),
            ("/etc/xinqiao\n", f"{self.place}/etc\n"),
            ("/etc/systemd/system\n", f"{self.place}/units\n"),
            ("LINK=/usr/bin/xinqiao", f"LINK={self.place}/link"),
            ("/var/backups/xinqiao\n", f"{self.place}/backups\n"),
            ("/var/lib/xinqiao ", f"{self.place}/data "),
            ("SETTLED=10", "SETTLED=0"),
            ("ROOM=1500", "ROOM=1"),
            ("/run/systemd/system", str(self.place)),
        ):
            assert ours in text
            text = text.replace(ours, here)
        (bundle / "install.sh").write_text(text, "utf-8")
        (bundle / "RELEASE").write_text(f"{version}\n")
        tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
        (bundle / "wheels" / f"x-{tag}-{platform.machine()}.whl").touch()
        said = subprocess.run(["sha256sum", "RELEASE"], cwd=bundle, capture_output=True, check=True)
        (bundle / "SHA256SUMS").write_bytes(said.stdout)
        if broken:
            with (self.place / "broken").open("a") as file:
                file.write(f"{version}\n")

    def install(self, version: str, *arguments: str) -> str:
        """What the installer says; its last line is whether it ended well."""
        path = f"{self.place}/bin:{os.environ['PATH']}"
        done = subprocess.run(
            ["sh", str(self.place / "bundles" / version / "install.sh"), *arguments],
            capture_output=True, text=True, check=False, timeout=60,
            env={"PATH": path, "PLACE": str(self.place), "PYTHON": sys.executable},
        )  # fmt: skip
        return f"{done.stdout}{done.stderr}{done.returncode}"

    def write(self, data: str) -> None:
        (self.place / "data" / "xinqiao.db").write_text(data)

    def became(self, state: str) -> None:
        (self.place / "state").write_text(f"{state}\n")

    @property
    def data(self) -> str:
        return (self.place / "data" / "xinqiao.db").read_text()

    @property
    def in_force(self) -> str:
        return str((self.place / "opt" / "current").readlink())

    @property
    def state(self) -> str:
        return (self.place / "state").read_text().strip()

    def _program(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)


@pytest.fixture
def server(tmp_path: Path) -> Server:
    """Version 1 is installed and runs."""
    server = Server(tmp_path)
    for name in ("units", "etc/secrets", "data", "backups"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "broken").touch()
    for name, text in (("systemctl", SYSTEMCTL), ("runuser", AS_ANYBODY), ("install", INSTALL)):
        server._program(tmp_path / "bin" / name, text)
    for name in ("journalctl", "useradd"):
        server._program(tmp_path / "bin" / name, "#!/bin/sh\n")
    server.release("1")
    (tmp_path / "opt" / "current").symlink_to("1")
    server.write("of 1")
    server.became("active")
    return server


@pytest.fixture(autouse=True)
def _needed() -> None:
    if os.geteuid() != 0:
        pytest.skip("the installer works as root only")  # which no script of ours can become
    if shutil.which("sha256sum") is None:
        missing("sha256sum", "apt-get install coreutils")


def test_back_by_hand_from_a_version_that_is_started_again_and_again_the_old_one_runs(server: Server) -> None:
    server.release("2")
    assert server.install("2", "--upgrade").endswith("0")
    server.write("of 2")
    server.became("activating")  # as systemd says of what died and is to be started again

    said = server.install("2", "--rollback")

    assert said.endswith("\nxinqiao: 1 is in force again\n0")
    assert (server.in_force, server.state, server.data) == ("1", "active", "of 1")


@pytest.mark.parametrize(
    ("state", "enabled", "then"),
    [
        ("active", False, "active"),
        ("deactivating", False, "active"),
        ("failed", True, "active"),
        ("failed", False, "inactive"),
        ("inactive", True, "inactive"),
    ],
)
@pytest.mark.parametrize("act", ["--upgrade", "--rollback"])
def test_what_a_person_has_stopped_stays_so_and_is_said(
    server: Server, state: str, enabled: bool, then: str, act: str
) -> None:
    server.release("2")
    if act == "--rollback":
        server.install("2", "--upgrade")
    server.became(state)
    if enabled:
        (server.place / "enabled").touch()

    said = server.install("2", act)

    assert said.endswith("0")
    assert server.state == then
    assert ("not started, since" in said) == (then == "inactive")


def test_an_upgrade_that_undid_itself_leaves_no_way_back_to_before_it(server: Server) -> None:
    server.release("2", broken=True)

    undone = server.install("2", "--upgrade")
    server.write("since then")
    said = server.install("2", "--rollback")

    assert "1 is in force again, with the data as they were" in undone
    assert said == "xinqiao: no upgrade is known that could be undone\n1"
    assert (server.in_force, server.state, server.data) == ("1", "active", "since then")


def test_an_upgrade_that_undid_itself_leaves_the_way_back_of_the_one_before(server: Server) -> None:
    server.release("2")
    server.release("3", broken=True)
    server.install("2", "--upgrade")
    server.write("of 2")

    undone = server.install("3", "--upgrade")
    assert "2 is in force again, with the data as they were" in undone
    assert (server.in_force, server.data) == ("2", "of 2")
    (aside,) = server.place.glob("data/set-aside-*")
    shutil.rmtree(aside)  # another within the same second would have its name

    assert server.install("3", "--rollback").endswith("\nxinqiao: 1 is in force again\n0")
    assert (server.in_force, server.state, server.data) == ("1", "active", "of 1")


def test_no_data_are_put_back_for_a_version_that_is_in_force(server: Server) -> None:
    """As after an installer that was cut off before it had changed anything, or one of before this was known."""
    server.release("2")
    server.install("2", "--upgrade")
    server.install("2", "--rollback")
    server.write("since then")
    (server.place / "opt" / "last-upgrade").write_text(f"1\n{server.place}/data/backups/before-2\n")

    said = server.install("2", "--rollback")

    assert said == "xinqiao: 1 is in force already: nothing was changed, the data are as they are\n1"
    assert (server.in_force, server.state, server.data) == ("1", "active", "since then")


def test_without_the_backup_the_way_back_stops_nothing_and_says_so(server: Server) -> None:
    server.release("2")
    server.install("2", "--upgrade")
    server.write("of 2")
    (made,) = server.place.glob("data/backups/before-2-*")
    aside = made.rename(server.place / made.name)

    said = server.install("2", "--rollback")
    left = (server.in_force, server.state, server.data)
    aside.rename(made)

    assert f"xinqiao: {made} is not there" in said
    assert said.endswith("2 stays in force and is running\n1")
    assert left == ("2", "active", "of 2")
    assert server.install("2", "--rollback").endswith("1 is in force again\n0")
    assert (server.in_force, server.state, server.data) == ("1", "active", "of 1")


def test_a_backup_that_cannot_be_restored_stops_nothing_and_the_way_back_stays(server: Server) -> None:
    server.release("2")
    server.install("2", "--upgrade")
    server.write("of 2")
    (server.place / "no-room").touch()

    said = server.install("2", "--rollback")
    left = (server.in_force, server.state, server.data)
    (server.place / "no-room").unlink()

    assert "No space left on device" in said
    assert said.endswith("2 stays in force and is running\n1")
    assert left == ("2", "active", "of 2")
    assert server.install("2", "--rollback").endswith("1 is in force again\n0")


def test_an_upgrade_that_cannot_undo_itself_says_what_stands_and_can_be_undone_later(server: Server) -> None:
    server.release("2", broken=True)
    (server.place / "no-room").touch()

    said = server.install("2", "--upgrade")
    (backup,) = server.place.glob("data/backups/before-2-*")
    left = (server.in_force, server.state)
    (server.place / "no-room").unlink()

    assert "No space left on device" in said
    assert f"the data before the upgrade lie in {backup}" in said
    assert said.endswith("2 stays in force and is not running\n1")
    assert left == ("2", "inactive")
    assert "1 is in force again\n" in server.install("2", "--rollback")
    assert (server.in_force, server.data) == ("1", "of 1")


def test_no_upgrade_begins_without_room_for_the_way_back(server: Server) -> None:
    server.release("2")
    server._program(server.place / "bin" / "du", "#!/bin/sh\necho '9999999 total'\n")

    said = server.install("2", "--upgrade")

    assert f"needs 19999998 MB free in {server.place}/data" in said
    assert (server.in_force, server.state, server.data) == ("1", "active", "of 1")
