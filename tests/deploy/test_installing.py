"""The bundle on a server that has only its operating system and no network: `make bundle-test`, minutes long.

One server's life, told in order: an older release is installed and works, is upgraded, goes back, meets a release that
does not work.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.machine import Machine, debian, machine, missing_programs
from tests.deploy.releases import broken, older, unpacked
from tests.missing import missing

pytestmark = [pytest.mark.bundle, pytest.mark.timeout(1800)]
SECRETS = "set -a; test ! -e /srv/town/sandbox.env || . /srv/town/sandbox.env"
X = f"runuser -u xinqiao -- sh -c 'cd /; {SECRETS}; exec xinqiao \"$@\"' xinqiao"
C = "-c /etc/xinqiao/config.yaml"
ANSWERS = f"{X} status {C} --json | grep -q doors"
TOWN = "sunshine=5,hotline=5,letters=2"
MAILS = 3
ALL = 5 + 5 + 2


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty Debian with three bundles in /srv; XINQIAO_DEBIAN names one that was made before."""
    if os.geteuid() != 0 or platform.machine() != "x86_64" or missing_programs():
        missing(f"root on x86_64, or {missing_programs()},", "sh scripts/servers.sh bundle installs them as root")
    place = tmp_path_factory.mktemp("server")
    made = os.environ.get("XINQIAO_DEBIAN")
    if made:
        subprocess.run(["cp", "-a", made, str(place / "root")], check=True)
    else:
        debian(place / "root")
    srv = place / "root" / "srv"
    older(srv)
    broken(unpacked("HEAD", srv, "newer"), "broken")
    return place / "root"


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[Machine]:
    with machine(root) as booted:
        yield booted


def release(server: Machine, name: str) -> str:
    return server.path(f"/srv/{name}/RELEASE").read_text("utf-8").strip()


def in_force(server: Machine) -> str:
    return str(server.path("/opt/xinqiao/current").readlink())


def key(server: Machine) -> bytes:
    return server.path("/etc/xinqiao/secrets/key").read_bytes()


def oa(server: Machine, what: str) -> Any:
    """What the stand-in of the OA has."""
    ask = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:8651/api/{what}').read().decode())"
    return json.loads(server.run(f'python3 -c "{ask}"'))


def cases(server: Machine) -> dict[str, Any]:
    """Every case the OA and the discipline line have, by its id."""
    found = [*oa(server, "cases?route="), *oa(server, "cases?route=discipline")]
    assert len({one["case_id"] for one in found}) == len(found)
    return {one["case_id"]: one["case"] for one in found}


def arrive(server: Machine, door: str, count: int) -> None:
    body = json.dumps({"door": door, "count": count}).replace('"', '\\"')
    post = (
        "import urllib.request as u; u.urlopen(u.Request('http://127.0.0.1:8652/arrivals', "
        f"b'{body}', {{'content-type': 'application/json'}}))"
    )
    server.run(f'python3 -c "{post}"')


def delivered(server: Machine, count: int) -> dict[str, Any]:
    """The cases, once there are so many."""
    latest = time.monotonic() + 240
    while len(found := cases(server)) < count and time.monotonic() < latest:
        time.sleep(1)  # the state is another machine's
    assert len(found) == count, server.run("journalctl -u xinqiao -n 30 --no-pager -o cat")
    return found


def migration(server: Machine) -> str:
    ask = "import sqlite3; print(sqlite3.connect('/var/lib/xinqiao/xinqiao.db').execute('SELECT version_num FROM alembic_version').fetchone()[0])"  # noqa: E501
    return server.run(f'python3 -c "{ask}"')


def test_the_server_has_no_way_out(server: Machine) -> None:
    assert server.run("ls /sys/class/net") == "lo"
    assert server.run("command -v pip pip3 curl wget gcc || true") == ""


def test_a_damaged_bundle_is_refused(server: Machine) -> None:
    server.run("cp -a /srv/newer /srv/damaged && printf x >> /srv/damaged/share/config.yaml")

    assert "this bundle is damaged" in server.run("sh /srv/damaged/install.sh", status=1)
    assert not server.path("/opt/xinqiao").exists()


def test_an_older_release_is_installed(server: Machine) -> None:
    server.run("sh /srv/older/install.sh --check")
    said = server.run("cd / && sh /srv/older/install.sh")

    assert "What to do next" in said
    assert in_force(server) == release(server, "older")
    assert server.run("stat -c '%a %U %G' /etc/xinqiao/secrets/key /var/lib/xinqiao") == (
        "640 root xinqiao\n700 xinqiao xinqiao"
    )
    assert server.run("xinqiao --version") == f"xinqiao {release(server, 'older')}"


def test_installing_again_changes_nothing_of_the_site(server: Machine) -> None:
    before = key(server)
    server.run("printf '\\n# ours\\n' >> /etc/xinqiao/config.yaml && rm /etc/systemd/system/xinqiao.service")

    assert "What to do next" not in server.run("sh /srv/older/install.sh")
    assert key(server) == before
    assert server.path("/etc/xinqiao/config.yaml").read_text("utf-8").endswith("# ours\n")
    assert server.path("/etc/systemd/system/xinqiao.service").exists()


def test_it_starts_as_it_was_installed(server: Machine) -> None:
    server.run("systemctl start xinqiao")
    server.wait(ANSWERS, "it answers")
    server.run("systemctl stop xinqiao")


def test_the_sandbox_shows_everything_with_invented_data(server: Machine) -> None:
    server.run("install -d -o xinqiao -g xinqiao /srv/trial")
    shows = "xinqiao sandbox --run --rate 0 --preload sunshine=1,hotline=1,letters=1 --data /srv/trial"
    server.run(f"systemd-run --unit=trial --uid=xinqiao --gid=xinqiao {shows} -c /etc/xinqiao/config.example.yaml")
    server.wait("grep -q '\"addresses\"' /srv/trial/sandbox.json", "the stand-ins stand")

    found = delivered(server, 3)

    server.run("systemctl stop trial")
    assert {one["channel_kind"] for one in found.values()} == {"sunshine", "hotline", "letter"}


def test_four_doors_bring_cases_and_scans_are_read_without_any_network(server: Machine) -> None:
    town = f"xinqiao sandbox --data /srv/town --rate 0 --preload {TOWN}"
    server.run("install -d -o xinqiao -g xinqiao /srv/town")
    server.run(f"systemd-run --unit=town --uid=xinqiao --gid=xinqiao --working-directory=/srv/town {town}")
    server.wait("test -e /srv/town/sandbox.json", "the stand-ins stand")
    example = server.path("/etc/xinqiao/config.example.yaml").read_text("utf-8")
    config = (
        example.replace("folder: sandbox-data/xinqiao", "folder: /var/lib/xinqiao")
        .replace("key: ${XINQIAO_KEY}", "key: file:/etc/xinqiao/secrets/key")
        .replace("sandbox-data", "/srv/town")
    )
    server.path("/etc/xinqiao/config.yaml").write_text(config, "utf-8")
    server.run("install -m 0600 /srv/town/sandbox.env /etc/xinqiao/environment")
    server.run("mkdir -p /etc/systemd/system/xinqiao.service.d")
    site = "[Service]\nReadWritePaths=/srv/town\n"
    server.path("/etc/systemd/system/xinqiao.service.d/site.conf").write_text(site, "utf-8")
    server.run(f"systemctl daemon-reload && {X} check {C} && systemctl start xinqiao")
    arrive(server, "mailbox", MAILS)

    found = delivered(server, ALL + MAILS)

    letters = [one for one in found.values() if one["channel_kind"] == "letter"]
    assert len(letters) == 2
    assert {one["reading"]["method"] for one in letters} == {"ocr"}
    assert all(len(one["content"]) > 50 for one in letters)


def test_an_upgrade_brings_the_tables_up_to_date_and_goes_on(server: Machine) -> None:
    before, was = cases(server), key(server)
    assert migration(server) == "0005"
    said = server.run("sh /srv/newer/install.sh --upgrade")
    arrive(server, "mailbox", 1)
    arrive(server, "letters", 1)

    found = delivered(server, len(before) + 2)

    assert f"{release(server, 'newer')} is in force" in said
    assert in_force(server) == release(server, "newer")
    assert migration(server) > "0005"
    assert key(server) == was
    assert set(before) < set(found)
    assert oa(server, "stats")["duplicates"] == 0
    assert "notify" in server.run("systemctl show xinqiao -p Type")


def test_the_daemon_runs_confined(server: Machine) -> None:
    pid = server.run("systemctl show xinqiao -p MainPID --value")
    status = dict(line.split(":\t", 1) for line in server.run(f"cat /proc/{pid}/status").splitlines() if ":\t" in line)

    assert (status["Seccomp"].strip(), status["NoNewPrivs"].strip(), status["CapEff"].strip()) == ("2", "1", "0" * 16)
    exposure = server.run("systemd-analyze security xinqiao --no-pager | tail -1")
    assert float(exposure.partition("xinqiao.service: ")[2].split()[0]) <= 2.0


def test_a_daemon_that_hangs_is_killed_and_started_again(server: Machine) -> None:
    quick = server.path("/etc/systemd/system/xinqiao.service.d/quick.conf")
    quick.write_text("[Service]\nWatchdogSec=9\n", "utf-8")
    server.run("systemctl daemon-reload && systemctl restart xinqiao")
    first = server.run("systemctl show xinqiao -p MainPID --value")
    server.run(f"sleep 12 && kill -0 {first} && kill -STOP {first}")

    server.wait(
        f'test "$(systemctl show xinqiao -p MainPID --value)" != {first} && systemctl is-active xinqiao',
        "it runs again",
    )

    assert "Watchdog timeout" in server.run("journalctl -u xinqiao --no-pager -o cat")
    quick.unlink()
    server.run("systemctl daemon-reload && systemctl restart xinqiao")


def test_a_nightly_backup_is_made_and_can_be_restored(server: Machine) -> None:
    server.run("systemctl start xinqiao-backup.service")
    made = server.run("ls -d /var/backups/xinqiao/20*")
    there = json.loads(server.path(f"{made}/manifest.json").read_text("utf-8"))

    server.run(f"cd {made} && sha256sum --check --quiet SHA256SUMS")
    said = server.run(f"{X} restore {C} --from {made} --to /var/backups/xinqiao/elsewhere")

    assert there["rows"]["cases"] == len(cases(server))
    assert f"{there['rows']['cases']} 件" in said
    assert server.run(f"find {made}/blobs -type f -links +1")  # linked, not copied
    assert "***" not in server.path(f"{made}/config/config.yaml").read_text("utf-8")
    assert not list(server.path(made).rglob("key"))


def test_by_hand_it_goes_back_to_the_data_before_the_upgrade_and_on_from_there(server: Machine) -> None:
    since = cases(server)
    said = server.run("sh /srv/newer/install.sh --rollback")
    server.wait(ANSWERS, "the old one answers")

    assert "the data are as they were at the backup" in said
    assert in_force(server) == release(server, "older")
    assert migration(server) == "0005"
    # What came after the backup: the mail is fetched again; it is a new case, of which the OA had the earlier one.
    found = delivered(server, len(since) + 1)
    assert set(since) < set(found)
    assert len(list(server.path("/var/lib/xinqiao").glob("set-aside-*/xinqiao.db"))) == 1


def test_a_release_that_does_not_become_ready_is_left_by_itself(server: Machine) -> None:
    before = cases(server)
    said = server.run("sh /srv/broken/install.sh --upgrade", status=1)
    server.wait(ANSWERS, "the old one answers")

    assert "broken does not become ready" in said
    assert f"{release(server, 'older')} is in force again" in said
    assert in_force(server) == release(server, "older")
    assert migration(server) == "0005"
    arrive(server, "sunshine", 1)
    found = delivered(server, len(before) + 1)
    assert set(before) < set(found)


def test_a_configuration_the_new_release_does_not_take_stops_nothing(server: Machine) -> None:
    pid = server.run("systemctl show xinqiao -p MainPID --value")
    config = server.path("/etc/xinqiao/config.yaml")
    good = config.read_text("utf-8")
    config.write_text(good + "\nnonsense: true\n", "utf-8")

    said = server.run("sh /srv/newer/install.sh --upgrade", status=1)

    assert "nothing was changed" in said
    assert server.run("systemctl show xinqiao -p MainPID --value") == pid
    config.write_text(good, "utf-8")


def test_after_all_that_the_upgrade_works(server: Machine) -> None:
    before = cases(server)

    server.run("sh /srv/newer/install.sh --upgrade")
    arrive(server, "hotline", 1)

    assert set(before) < set(delivered(server, len(before) + 1))
    assert oa(server, "stats")["bad_signatures"] == 0
