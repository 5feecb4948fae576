from __future__ import annotations

from pathlib import Path

import pytest

from ingest.alarms.settings import WebhookSink
from ingest.config import ConfigErrors, load
from ingest.secrets import SecretMissing, expand
from tests.ingest.config_files import ENVIRONMENT, KEY, MAILBOX, SEALING, SECRET, TARGETS, loaded, refused, write

PASSWORD = ENVIRONMENT["PASSWORD"]


def _secret_file(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text, "utf-8")
    path.chmod(mode)
    return path


def test_a_secret_comes_from_the_environment_or_from_a_file_beside_the_configuration(tmp_path: Path) -> None:
    _secret_file(tmp_path / "key", f"{KEY}\n")
    text = f"sealing: {{key: 'file:key'}}\nchannels: {{box: {MAILBOX}}}\n" + TARGETS

    config = loaded(tmp_path, text)

    assert config.sealing.master() == b"k" * 32
    assert config.channels["box"].adapter.password.get_secret_value() == PASSWORD  # type: ignore[attr-defined]
    assert config.targets["oa"].secret[0].get_secret_value() == SECRET
    assert config.warnings == ()


def test_one_signing_key_may_stand_where_a_list_may(tmp_path: Path) -> None:
    _secret_file(tmp_path / "signing", SECRET)
    text = SEALING + "targets: {oa: {url: http://oa.example, secret: 'file:signing', restricted: true}}\n"

    assert loaded(tmp_path, text).targets["oa"].secret[0].get_secret_value() == SECRET


def test_a_secret_being_replaced_is_a_list(tmp_path: Path) -> None:
    text = SEALING + "targets: {oa: {url: http://oa.example, secret: ['${SECRET}', '${OLD}'], restricted: true}}\n"

    config = loaded(tmp_path, text, {**ENVIRONMENT, "OLD": SECRET.swapcase().replace("WHSEC", "whsec")})

    assert len(config.targets["oa"].secret) == 2


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("${NOWHERE}", "${NOWHERE}: environment variable NOWHERE is not set"),
        ("${BLANK}", "${BLANK}: environment variable BLANK is empty"),
        ("file:nowhere", "file:{folder}/nowhere: cannot be read: No such file or directory"),
        ("file:blank", "file:{folder}/blank: is empty"),
        ("file:folder", "file:{folder}/folder: cannot be read: Is a directory"),
        ("file:binary", "file:{folder}/binary: is not text; write binary keys in base64"),
        ("too short", "is not base64, expected 32 random bytes in base64 (openssl rand -base64 32)"),
        ("c2hvcnQ=", "has 5 bytes, expected 32 random bytes in base64 (openssl rand -base64 32)"),
    ],
)
def test_a_secret_that_cannot_be_had_is_said_once(tmp_path: Path, value: str, expected: str) -> None:
    _secret_file(tmp_path / "blank", "\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "folder").mkdir()

    said = refused(tmp_path, f"sealing:\n  key: {value}\n", {"BLANK": ""})

    assert said == [f"config.yaml:2:8: sealing.key: {expected.replace('{folder}', str(tmp_path))}"]


def test_a_missing_secret_of_each_block_is_said(tmp_path: Path) -> None:
    text = SEALING + f"channels: {{box: {MAILBOX}}}\n" + TARGETS

    assert refused(tmp_path, text, {}) == [
        "config.yaml:1:16: sealing.key: ${KEY}: environment variable KEY is not set",
        "config.yaml:2:82: channels.box.password: ${PASSWORD}: environment variable PASSWORD is not set",
        "config.yaml:3:51: targets.oa.secret: ${SECRET}: environment variable SECRET is not set",
    ]


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602])
def test_a_secret_file_open_to_all_is_warned_of(tmp_path: Path, mode: int) -> None:
    _secret_file(tmp_path / "key", KEY, mode)

    config = loaded(tmp_path, f"sealing: {{key: 'file:key'}}\nchannels: {{box: {MAILBOX}}}\n" + TARGETS)

    (warning,) = config.warnings
    assert warning.key == "sealing.key"
    assert "every user of this machine may read it" in warning.text


def test_a_secret_in_the_file_itself_is_warned_of_without_repeating_it(tmp_path: Path) -> None:
    config = loaded(tmp_path, f"sealing: {{key: {KEY}}}\nchannels: {{box: {MAILBOX}}}\n" + TARGETS)

    (warning,) = config.warnings
    assert str(warning).endswith(
        "config.yaml:1:16: sealing.key: the secret stands in the file itself; write ${NAME} or file:/path/to/it instead"
    )


def test_no_secret_appears_in_the_configuration_printed(tmp_path: Path) -> None:
    config = loaded(tmp_path, SEALING + f"channels: {{box: {MAILBOX}}}\n" + TARGETS)

    printed = repr(config) + str(config) + config.model_dump_json(exclude={"channels"})

    assert not [secret for secret in (KEY, SECRET, PASSWORD) if secret in printed]


@pytest.mark.parametrize(
    "text",
    [
        "sealing: {key: geheim-geheim}",
        "sealing: {key: '${KEY}'}\ntargets: {oa: {url: http://x, secret: geheim-geheim}}",
        "sealing: {key: '${KEY}'}\ntargets: {oa: {url: http://x, secret: [geheim-geheim, {a: geheim-geheim}]}}",
        "sealing: {key: '${KEY}'}\ntargets: {oa: {url: http://x, secret: '${SECRET}', token: geheim-geheim}}\nzz: 1",
        "sealing: {key: '${KEY}'}\ntargets: {oa: {url: '${HIDDEN}', secret: '${SECRET}'}}",
        "sealing: {key: '${KEY}'}\nlog: {level: '${HIDDEN}'}",
        "sealing: {key: '${KEY}'}\nservice: {time_zone: '${HIDDEN}'}",
        "sealing: {key: '${KEY}'}\nlisten: {port: '${HIDDEN}'}",
        "sealing: {key: '${KEY}'}\nlisten: {metrics_from: ['${HIDDEN}']}",
        "sealing: {key: 98765432}",
        "sealing: {key: [geheim-geheim]}",
        "sealing: {key: '${KEY}'}\nchannels: {xf: {kind: sunshine, base_url: 1, app_secret: [geheim-geheim]}}",
        "sealing: {key: '${KEY}'}\nchannels: {box: {kind: mailbox, every: '${HIDDEN}'}}",
        "sealing: {key: '${KEY}'}\ncalendar: '${HIDDEN}'",
        "database: mysql://root:geheim-geheim@db/x",
        "database: postgresql+psycopg://root:geheim-geheim@db:x/x",
        "database: postgresql+psycopg://root:geheim-geheim@x@db/x",
    ],
)
def test_no_error_repeats_a_secret(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load(write(tmp_path, text), {**ENVIRONMENT, "HIDDEN": "geheim-geheim"})

    said = str(caught.value) + repr(caught.value) + repr(caught.value.warnings)
    assert "geheim" not in said
    assert "98765432" not in said


def test_what_the_environment_says_may_stand_within_a_text(tmp_path: Path) -> None:
    text = SEALING + "targets: {oa: {url: 'http://${HOST}:${PORT}/w', secret: '${SECRET}', restricted: true}}\n"

    config = loaded(tmp_path, text, {**ENVIRONMENT, "HOST": "oa.example", "PORT": "8080"})

    assert config.targets["oa"].url == "http://oa.example:8080/w"


def test_what_a_file_says_may_stand_within_a_text_and_is_as_secret(tmp_path: Path) -> None:
    _secret_file(tmp_path / "robot", "geheim-geheim\n")
    robot = "alarms: {sinks: {robot: {kind: webhook, url: 'https://x.example/send?key=${file:robot}', %s}}}\n"
    text = SEALING + TARGETS + robot

    config = loaded(tmp_path, text % "params: {sign: '${file:robot}!'}")
    said = refused(tmp_path, text % "success: '${file:robot}('")

    (sink,) = config.alarms.sinks.values()
    assert isinstance(sink, WebhookSink)
    assert sink.url.get_secret_value() == "https://x.example/send?key=geheim-geheim"
    assert sink.params == {"sign": "geheim-geheim!"}
    assert tmp_path / "robot" in config.seen.marks
    assert len(said) == 1
    assert "geheim" not in said[0]


def test_a_file_within_a_text_that_is_not_there_or_open_to_all_is_said(tmp_path: Path) -> None:
    _secret_file(tmp_path / "open", "oa.example", mode=0o644)
    text = SEALING + "targets: {oa: {url: 'http://${file:%s}/w', secret: '${SECRET}', restricted: true}}\n"

    (missing,) = refused(tmp_path, text % "nowhere")
    warned = loaded(tmp_path, text % "open").warnings

    assert missing.endswith(f"targets.oa.url: file:{tmp_path / 'nowhere'}: cannot be read: No such file or directory")
    assert [one.text for one in warned if one.key == "targets.oa.url"] == [
        f"file:{tmp_path / 'open'}: every user of this machine may read it; chmod 600 it"
    ]


def test_a_doubled_dollar_and_a_bare_one_are_no_reference() -> None:
    assert expand("$${NAME} $${file:x} $${a-b} $NAME", {}, Path()) == "${NAME} ${file:x} ${a-b} $NAME"
    for name in ("NAME", "name"):
        with pytest.raises(SecretMissing, match=f"{name} is not set"):
            expand(f"${{{name}}}", {}, Path())


@pytest.mark.parametrize("text", ["${mail-pass}", "${ NAME }", "${NOPE", "${file:secrets/x", "${}", "${1ST}"])
def test_what_looks_like_a_reference_is_one_or_is_refused(tmp_path: Path, text: str) -> None:
    """Taken as it stands it would be a secret that anybody can read in the example."""
    (said,) = refused(tmp_path, SEALING + f"targets: {{oa: {{url: 'http://oa.example', secret: '{text}'}}}}\n")

    assert "targets.oa.secret: ${ begins no reference here, expected ${NAME}" in said


def test_a_value_from_the_environment_is_not_expanded_again() -> None:
    assert expand("${A}", {"A": "${B}"}, Path()) == "${B}"
