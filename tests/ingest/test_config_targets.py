from __future__ import annotations

import base64
from pathlib import Path

import pytest

from ingest.app import console_settings
from tests.ingest.config_files import ENVIRONMENT, MAILBOX, SEALING, TARGETS, loaded, refused

CHANNELS = f"channels: {{box: {MAILBOX}}}\n"
PUBLIC = "service: {public_url: 'https://xinqiao.example'}\n"
OA = "{url: http://oa.example, secret: '${SECRET}', token: '${TOKEN}'%s}"

NOT_REACHED = (
    "fetches attachments, but service.public_url is not set: their addresses begin with {}, where it finds nobody"
)


def _warned(folder: Path, text: str) -> list[str]:
    return [f"{warning.key}: {warning.text}" for warning in loaded(folder, text).warnings]


@pytest.mark.parametrize("more", ["", ", restricted: numbers", ", restricted: true, enabled: false"])
def test_restricted_cases_without_a_receiver_are_warned_of(tmp_path: Path, more: str) -> None:
    assert _warned(tmp_path, SEALING + PUBLIC + CHANNELS + f"targets: {{oa: {OA % more}}}\n") == [
        "targets: no target takes restricted cases (restricted: true); they are held here until one does"
    ]


def test_a_channel_whose_restricted_cases_nobody_takes_is_warned_of(tmp_path: Path) -> None:
    channels = f"channels: {{box: {MAILBOX}, other: {MAILBOX[:-1]}, folder: other}}}}\n"
    targets = (
        f"targets: {{oa: {OA % ''}, line: {OA.replace('TOKEN', 'PASSWORD') % ', restricted: only, channels: [box]'}}}\n"
    )

    assert _warned(tmp_path, SEALING + PUBLIC + channels + targets) == [
        "targets: no target takes restricted cases of other; they are held here until one does"
    ]


def test_a_configuration_without_channel_or_target_is_usable_and_warned_of(tmp_path: Path) -> None:
    assert _warned(tmp_path, SEALING) == [
        "channels: no channel is configured; nothing will be fetched",
        "targets: no target is configured; cases are kept here and sent nowhere",
    ]
    assert _warned(tmp_path, SEALING + CHANNELS + TARGETS) == []


def test_a_mistyped_channel_is_refused(tmp_path: Path) -> None:
    text = SEALING + CHANNELS + f"targets: {{oa: {OA % ', restricted: true, channels: [bx]'}}}\n"

    assert [said.partition(": ")[2] for said in refused(tmp_path, text)] == [
        'targets.oa.channels.0: "bx" is not a channel, did you mean "box"? If it was renamed, expected both names'
    ]


@pytest.mark.parametrize("gone", ["bx", "hotline"])
def test_a_channel_that_was_renamed_or_removed_may_stay_in_a_filter(tmp_path: Path, gone: str) -> None:
    text = SEALING + PUBLIC + CHANNELS + f"targets: {{oa: {OA % f', restricted: true, channels: [box, {gone}]'}}}\n"

    assert _warned(tmp_path, text) == [
        f'targets.oa.channels.1: "{gone}" is not a channel (any more): only old cases come by it;'
        " keep it until they are closed"
    ]


@pytest.mark.parametrize("headers", ['{x-key: "a\\n"}', '{"x\\tkey": a}'])
def test_a_header_is_one_line(tmp_path: Path, headers: str) -> None:
    """As YAML's | would not have it: nothing could be sent."""
    (said,) = refused(tmp_path, SEALING + CHANNELS + f"targets: {{oa: {OA % f', headers: {headers}'}}}\n")

    assert "has a line end or another control character, expected one line" in said


def test_a_target_may_only_ask_for_event_types_there_are(tmp_path: Path) -> None:
    text = SEALING + CHANNELS + f"targets: {{oa: {OA % ', restricted: true, types: [case.created, case.update]'}}}\n"

    assert [said.partition(": ")[2] for said in refused(tmp_path, text)] == [
        'targets.oa.types.1: "case.update" is not an event type, did you mean "case.updated"?'
    ]


def test_a_token_too_short_to_be_secret_is_refused(tmp_path: Path) -> None:
    text = SEALING + CHANNELS + f"targets: {{oa: {OA % ', restricted: true'}}}\n"

    (said,) = refused(tmp_path, text.replace("${TOKEN}", "${SHORT}"), {**ENVIRONMENT, "SHORT": "abc"})

    assert "targets.oa.token.0: has 3 characters, expected 16 or more; openssl" in said


@pytest.mark.parametrize(
    ("first", "second", "at"), [("'${TOKEN}'", "'${TOKEN}'", 0), ("'${TOKEN}'", "['${OTHER}', '${TOKEN}']", 1)]
)
def test_two_targets_with_the_same_token_are_refused(tmp_path: Path, first: str, second: str, at: int) -> None:
    targets = ", ".join(
        f"{name}: {OA.replace(repr('${TOKEN}'), token) % ', restricted: true'}"
        for name, token in [("oa", first), ("ob", second)]
    )
    text = SEALING + CHANNELS + f"targets: {{{targets}}}\n"

    (said,) = refused(tmp_path, text, {**ENVIRONMENT, "OTHER": "another-token-of-this"})

    assert said.endswith(f"targets.ob.token.{at}: is the token of target oa, expected one of its own")


def test_a_target_has_two_tokens_while_one_replaces_the_other(tmp_path: Path) -> None:
    text = SEALING + CHANNELS + f"targets: {{oa: {OA % ', restricted: true'}}}\n"
    environment = {**ENVIRONMENT, "NEW": "another-token-of-this"}

    settings = console_settings(loaded(tmp_path, text.replace("'${TOKEN}'", "['${NEW}', '${TOKEN}']"), environment))

    assert settings.targets["oa"].tokens == ("another-token-of-this", ENVIRONMENT["TOKEN"])


@pytest.mark.parametrize(
    ("more", "warned"),
    [
        ("", "http://127.0.0.1:8650"),
        ("listen: {host: 0.0.0.0, port: 80}\n", "http://0.0.0.0:80"),
        ("listen: {host: 10.1.0.7}\n", None),
        ("service: {public_url: 'https://xinqiao.example'}\n", None),
    ],
)
def test_a_target_elsewhere_that_would_fetch_attachments_here_is_warned_of(
    tmp_path: Path, more: str, warned: str | None
) -> None:
    elsewhere, here = (
        f"{SEALING}{CHANNELS}{more}targets: {{oa: {OA.replace('oa.example', host) % ', restricted: true'}}}\n"
        for host in ("oa.example", "127.0.0.1:8651")
    )

    said = [line for line in _warned(tmp_path, elsewhere) if "public_url" in line]
    assert said == ([] if warned is None else [f"targets.oa.token: {NOT_REACHED.format(warned)}"])
    assert _warned(tmp_path, here) == []


def test_the_embedded_database_lies_in_the_data_folder(tmp_path: Path) -> None:
    place = f"sqlite:///{tmp_path}/data/xinqiao.db"

    assert loaded(tmp_path, SEALING + f"database: {place}\n").database == place
    assert refused(tmp_path, SEALING + "database: sqlite:////elsewhere/x.db\n") == [
        "config.yaml:2:11: database: the database lies in the data folder; leave this key out, or write " + place
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "http://127.0.0.1:8650"),
        ("listen: {host: '::1', port: 80}\n", "http://[::1]:80"),
        ("service: {public_url: 'https://xinqiao.example/'}\n", "https://xinqiao.example"),
    ],
)
def test_the_public_address_is_the_configured_one_or_where_it_listens(tmp_path: Path, text: str, expected: str) -> None:
    assert loaded(tmp_path, SEALING + text).public_url == expected


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (
            "oa: {url: http://oa.example, secret: '${SECRET}', restricted: true, reports: {secret: '${SECRET}'}}",
            "targets.oa.reports.secret.0: is the key that signs the events of target oa, expected one of its own",
        ),
        (
            "oa: {url: http://oa.example, secret: '${SECRET}', restricted: true, reports: {secret: '${OTHER}'}}, "
            "ob: {url: http://ob.example, secret: '${SECRET}', reports: {secret: ['${OTHER}']}}",
            "targets.ob.reports.secret.0: is the key that signs the reports of target oa, expected one of its own",
        ),
        (
            "oa: {url: http://oa.example, secret: '${SECRET}', restricted: true, reports: {secret: []}}",
            "targets.oa.reports.secret",
        ),
    ],
)
def test_reports_are_known_by_a_key_that_nobody_else_has(tmp_path: Path, targets: str, expected: str) -> None:
    other = "whsec_" + base64.b64encode(b"o" * 32).decode()
    text = SEALING + CHANNELS + f"targets: {{{targets}}}\n"

    (said,) = refused(tmp_path, text, {**ENVIRONMENT, "OTHER": other})

    assert expected in said
    assert other not in said
