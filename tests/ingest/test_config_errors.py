from __future__ import annotations

from pathlib import Path

import pytest

from ingest.config import ConfigErrors, load
from ingest.config_errors import Problem
from tests.ingest.config_files import ENVIRONMENT, MAILBOX, SEALING, TARGETS, loaded, refused, write

DATABASE = "expected sqlite or postgresql+psycopg://user:${PG_PASSWORD}@host/name"


def test_everything_wrong_is_said_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    said = refused(
        tmp_path,
        """\
        service:
          time_zone: Asia/Shangai
        sealing:
          key: ${NOWHERE}
        listen:
          port: 99999
        log:
          format: xml
        channels:
          box:
            kind: mailbox
            host: mail.example
            pasword: x
            every: 5 minutes
        """,
    )

    assert said == [
        'config.yaml:2:14: service.time_zone: "Asia/Shangai" is not a known time zone,'
        " expected a name such as Asia/Shanghai",
        "config.yaml:4:8: sealing.key: ${NOWHERE}: environment variable NOWHERE is not set",
        "config.yaml:6:9: listen.port: is 99999, expected less than or equal to 65535",
        "config.yaml:8:11: log.format: is \"xml\", expected 'console' or 'json'",
        "config.yaml:10:3: channels.box.username: missing, this block needs it",
        "config.yaml:10:3: channels.box.password: missing, this block needs it",
        'config.yaml:13:5: channels.box.pasword: unknown key, did you mean "password"?',
        'config.yaml:14:12: channels.box.every: "5 minutes" is not a duration,'
        " expected a number and its unit such as 30s, 5m, 2h or 1d",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("servise: {}\n", 'config.yaml:2:1: servise: unknown key, did you mean "service"?'),
        ("service: {nam: x}\n", 'config.yaml:2:11: service.nam: unknown key, did you mean "name"?'),
        ("log: {zzz: 1}\n", "config.yaml:2:7: log.zzz: unknown key, expected one of: format, level"),
        (
            "channels: {box: {kind: mailbox, evry: 5s}}\n",
            'config.yaml:2:33: channels.box.evry: unknown key, did you mean "every"?',
        ),
        (
            "channels: {xf: {kind: sunshine, base_url: http://x.example, listing: {recrods: a}}}\n",
            'config.yaml:2:71: channels.xf.listing.recrods: unknown key, did you mean "records"?',
        ),
    ],
)
def test_an_unknown_key_is_told_what_it_may_have_meant(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in refused(tmp_path, SEALING + text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("listen: {port: abc}\n", 'config.yaml:2:16: listen.port: is "abc", expected a whole number'),
        ("listen: [1]\n", "config.yaml:2:1: listen: is a list, expected a block of keys"),
        ("channels: 5\n", "config.yaml:2:11: channels: is 5, expected a block of keys"),
        ("channels: {box: 5}\n", "config.yaml:2:17: channels.box: expected a block of keys, kind first"),
        ("channels: {box: {host: h}}\n", "config.yaml:2:12: channels.box.kind: missing, this block needs it"),
        (
            "channels: {box: {kind: fax}}\n",
            'config.yaml:2:24: channels.box.kind: is "fax",'
            " expected 'sunshine', 'hotline', 'mailbox', 'letters' or 'feed'",
        ),
        (
            "targets: {oa: {url: http://oa.example, secret: '${SECRET}', restricted: maybe}}\n",
            "config.yaml:2:73: targets.oa.restricted: is \"maybe\", expected true or false or 'only' or 'numbers'",
        ),
        (
            "targets: {oa: {url: oa.example, secret: '${SECRET}'}}\n",
            "config.yaml:2:21: targets.oa.url: expected an address that begins with http:// or https://",
        ),
        (
            "targets: {oa: {url: http://oa.example, secret: []}}\n",
            "config.yaml:2:11: targets.oa: has neither secret nor calls, expected secret: what events are signed with",
        ),
        (
            "service: {public_url: 'ftp://x'}\n",
            'config.yaml:2:23: service.public_url: "ftp://x" is not usable,'
            " expected an address such as https://xinqiao.example, without path or parameters",
        ),
        (
            "listen: {metrics_from: [127.0.0.1, upstairs]}\n",
            'config.yaml:2:36: listen.metrics_from.1: "upstairs" is not a network,'
            " expected an address such as 10.1.2.3 or 10.1.0.0/16",
        ),
        (
            "channels: {Chef Box: {kind: mailbox, host: h, username: u, password: '${PASSWORD}'}}\n",
            "config.yaml:2:12: channels.Chef Box: not a usable name,"
            " expected small letters, digits, _ and -, a letter first; `title` is free",
        ),
        (
            "database: mysql://u:geheim@db/x\n",
            f"config.yaml:2:11: database: is not a database this version knows, {DATABASE}",
        ),
        (
            "database: postgresql://u:geheim@db/x\n",
            f"config.yaml:2:11: database: is not a database this version knows, {DATABASE}",
        ),
        (
            "database: postgresql+psycopg://u:geheim@db:x/y\n",
            f"config.yaml:2:11: database: is not an address, {DATABASE}",
        ),
        (
            "database: postgresql+psycopg://u:geheim@db\n",
            f"config.yaml:2:11: database: names no database, {DATABASE}",
        ),
        (
            "database: postgresql+psycopg://u:ge@heim@db/x\n",
            'config.yaml:2:11: database: has several "@"; one in the password is written %40',
        ),
        (
            "database: postgresql+psycopg://h/db?user=u&password=geheim&sslpassword=geheim\n",
            'config.yaml:2:11: database: has password, sslpassword after "?"; no secret may stand there:'
            " the password is written before the host, a key file has none",
        ),
    ],
)
def test_a_wrong_value_is_told_what_was_expected(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in refused(tmp_path, SEALING + text)


def test_a_missing_block_is_said_at_the_top(tmp_path: Path) -> None:
    assert refused(tmp_path, "log: {level: info}\n") == [
        "config.yaml:1:1: sealing: missing, every installation needs it"
    ]


def test_a_key_given_twice_is_refused_with_both_lines(tmp_path: Path) -> None:
    text = SEALING + "log:\n  level: info\n  level: debug\nlisten: {port: 1, port: 2}\n"

    assert refused(tmp_path, text) == [
        "config.yaml:4:3: log.level: given twice, first in line 3; keep one",
        "config.yaml:5:19: listen.port: given twice, first in line 5; keep one",
    ]


NO_PAIR = 'not YAML: expected "key: value", with a colon and a space'
HERE = "mapping values are not allowed here"
WIDE_COLON = "the line has a full-width colon (：), write : and a space"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"log:\n\tlevel: info\n", "config.yaml:2:1: not YAML: "),
        (b"log: [1\nlisten: 2\n", "config.yaml:2:7: not YAML: "),
        (b"a: *b\n", "config.yaml:1:4: not YAML: found undefined alias 'b'"),
        (b"a: &a [*a]\n", "config.yaml:1:1: an anchor (&name) contains itself"),
        (b"a: 1\nb: \xb9\xfa\n", "config.yaml:2:1: not UTF-8 text; save the file as UTF-8"),
        (b"a: 1\nb: \x07\n", "config.yaml:1:1: not YAML: "),
        (b"- a\n", "config.yaml:1:1: expected a block of keys (key: value)"),
        (b"a: 1\n---\nb: 1\n", "config.yaml:2:1: not YAML: "),
        ("log:\n  level：info\n  x: 1\n".encode(), f"config.yaml:2:8: not YAML: {HERE}; {WIDE_COLON}"),
        ("log：\n  level: info\n".encode(), f"config.yaml:1:4: not YAML: {HERE}; {WIDE_COLON}"),
        ("log:\n  level: info\nlisten：\n\nx: 1\n".encode(), f"config.yaml:3:7: {NO_PAIR}; {WIDE_COLON}"),
        (b"log:\n  level: info\nport:18650\nx: 1\n", f"config.yaml:3:1: {NO_PAIR}"),
    ],
)
def test_what_is_no_yaml_is_said_where_it_breaks(tmp_path: Path, text: bytes, expected: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(text)

    with pytest.raises(ConfigErrors) as caught:
        load(path, ENVIRONMENT)

    assert str(caught.value).removeprefix(f"{tmp_path}/").startswith(expected)


def test_a_full_width_indent_is_named(tmp_path: Path) -> None:
    """To YAML it is a part of the key."""
    said = refused(tmp_path, f"{SEALING}log:\n  level: info\n\u3000x: 1\n")

    assert said == ["config.yaml:4:1: the line has a full-width space, write plain ones"]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match=r"nowhere\.yaml: cannot be read: No such file or directory"):
        load(tmp_path / "nowhere.yaml", ENVIRONMENT)


def test_a_tab_is_told_to_become_spaces(tmp_path: Path) -> None:
    (said,) = refused(tmp_path, "log:\n\tlevel: info\n")

    assert said.endswith("indent with spaces, not tabs")


def test_a_problem_in_a_merged_block_points_at_where_it_is_written(tmp_path: Path) -> None:
    text = SEALING + (
        "channels:\n"
        "  one: &box {kind: mailbox, host: h, username: a, password: '${PASSWORD}', batch: 9999}\n"
        "  two: {<<: *box, username: b, batch: 50}\n"
        "  three: {<<: *box, username: c}\n"
    )

    assert refused(tmp_path, text) == [
        "config.yaml:3:83: channels.one.batch: is 9999, expected less than or equal to 200",
        "config.yaml:3:83: channels.three.batch: is 9999, expected less than or equal to 200",
    ]


def test_the_calendar_file_is_part_of_the_check(tmp_path: Path) -> None:
    (tmp_path / "days.yaml").write_text("2027:\n  holydays: []\n")

    assert refused(tmp_path, SEALING + "calendar: days.yaml\n") == [
        'days.yaml:2:3: 2027.holydays: unknown key, did you mean "holidays"?'
    ]
    assert refused(tmp_path, SEALING + "calendar: nights.yaml\n") == [
        f"config.yaml:2:11: calendar: {tmp_path}/nights.yaml: cannot be read: No such file or directory"
    ]


def test_an_empty_block_is_its_defaults(tmp_path: Path) -> None:
    config = loaded(tmp_path, SEALING + TARGETS + f"channels: {{box: {MAILBOX}}}\nlog:\nlisten:\nrules:\n")

    assert (config.log.level, config.listen.port) == ("info", 8650)
    assert config.warnings == ()


def test_a_problem_reads_as_file_line_column_key_text() -> None:
    assert str(Problem(3, 5, "log.level", "is 1", "x.yaml")) == "x.yaml:3:5: log.level: is 1"
    assert str(Problem(0, 0, "", "cannot be read", "x.yaml")) == "x.yaml: cannot be read"


def test_problems_are_data_for_programs(tmp_path: Path) -> None:
    path = write(tmp_path, SEALING + "log: {level: loud}\n")

    with pytest.raises(ConfigErrors) as caught:
        load(path, ENVIRONMENT)

    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.key, problem.file) == (2, 14, "log.level", str(path))


@pytest.mark.parametrize(
    ("written", "warned"),
    [("u:geheim@db/x", True), ("u:${PASSWORD}@db/x", False), ("u@db/x", False), ("/x?host=/run/postgresql", False)],
)
def test_a_databases_password_in_the_file_is_warned_of(tmp_path: Path, written: str, warned: bool) -> None:
    config = load(write(tmp_path, SEALING + f"database: postgresql+psycopg://{written}\n"), ENVIRONMENT)

    said = [one.text for one in config.warnings if "the password" in one.text]
    assert said == ["the password stands in the file itself; write ${NAME} in its place"] * warned
    assert config.shared
