"""A target with an interface of its own: what is wrong with its block is said where it stands."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent

import pytest

from dispatch.settings import TargetSettings
from tests.ingest.config_files import MAILBOX, SEALING, loaded, refused

HEAD = f"{SEALING}channels: {{box: {MAILBOX}}}\ntargets:\n  oa:\n    url: http://oa.example\n    restricted: true\n"
LINES = HEAD.count("\n")
CREATE = """\
calls:
  case.created:
    path: /create
    body: {no: "{{ case.case_no }}"}
"""


def text(block: str) -> str:
    return HEAD + indent(block, "    ")


def said(folder: Path, block: str) -> list[str]:
    """What is refused, with line and column counted within the target's own lines."""
    return [_counted(line) for line in refused(folder, text(block))]


def warned(folder: Path, block: str) -> list[str]:
    return [_counted(str(one).removeprefix(f"{folder}/")) for one in loaded(folder, text(block)).warnings]


def _counted(line: str) -> str:
    _, row, column, rest = line.split(":", 3)
    return f"{int(row) - LINES}:{int(column) - 4}:{rest.replace('targets.oa.', '', 1)}"


def test_a_whole_block_can_be_used(tmp_path: Path) -> None:
    block = (
        CREATE
        + """\
idempotent: false
success: "code == 'SUCCESS'"
login:
  lasts: 25m
  refused: "status == `false`"
  calls:
    - {path: /regist, headers: {appid: xinqiao, cpk: "123"}, take: {spk: spk, secrit: secrit}}
    - {path: /token, headers: {appid: xinqiao, secret: "{{ rsa(spk, secrit) }}"}, take: {token: token}}
lookup:
  method: GET
  path: /find/{{ case.case_no }}
  wait: 2m
  found: total > `0`
  absent: total == `0`
headers: {token: "{{ token }}"}
"""
    )

    target: TargetSettings = loaded(tmp_path, text(block)).targets["oa"]

    assert warned(tmp_path, block) == []
    assert target.calls["case.created"].path == "/create"
    assert target.lookup is not None
    assert target.lookup.wait.total_seconds() == 120


@pytest.mark.parametrize(
    ("block", "complaint"),
    [
        ("calls: {}\n", "has neither secret nor calls, expected secret: what events are signed with"),
        (CREATE + "again: 'code =='\n", '5:8: again: "code ==" is not JMESPath: '),
        (
            CREATE + "success: nosuch(code)\n",
            '5:10: success: "nosuch(code)" is not JMESPath: there is no function nosuch()',
        ),
        (
            CREATE.replace("case_no }}", "case_no }"),
            "4:16: calls.case.created.body.no: is not a usable template: ",
        ),
        (
            'calls: {case.created: {path: /c, body: {rows: [{each: "{{ case.topics }}", rows: 1}]}}}\n',
            "1:48: calls.case.created.body.rows.0: has each, expected each and row and nothing else beside them",
        ),
        (
            'calls: {case.created: {path: "/c/{{", body: {}}}\n',
            "1:30: calls.case.created.path: is not a usable template: ",
        ),
        (
            "calls: {case.created: {path: /c, body_as: form, body: [1]}}\n",
            "1:49: calls.case.created.body: expected a block of fields, as body_as is form",
        ),
        ("calls: {case.create: {path: /c}}\n", 'case.create" is not an event type, did you mean "case.created"?'),
        ("calls: {case.created: {pth: /c}}\n", 'calls.case.created.pth: unknown key, did you mean "path"?'),
        ("calls: {case.created: {path: /c, method: DELETE}}\n", 'calls.case.created.method: is "DELETE", expected'),
        (CREATE + "login: {calls: []}\n", "login.calls: has 0, expected at least 1"),
        (
            CREATE + "login: {calls: [{path: /l, take: {case: id}}]}\n",
            '"case" is no name for templates, expected letters, digits and _, and none of event, case,',
        ),
        (
            CREATE + "login: {calls: [{path: /l, take: {to-ken: id}}]}\n",
            '"to-ken" is no name for templates',
        ),
        (
            CREATE + "lookup: {path: /f, found: a, absent: b}\n",
            "has lookup, expected idempotent: false beside it",
        ),
        (
            CREATE + "idempotent: false\nlookup: {path: /f, found: a}\n",
            "6:1: lookup.absent: missing, this block needs it",
        ),
        ("secret: '${SECRET}'\nlogin: {calls: [{path: /l}]}\n", "has login or inline_files without calls"),
        ("secret: '${SECRET}'\ninline_files: 5\n", "has login or inline_files without calls"),
        (CREATE + "inline_files: 60000000\n", "inline_files: is 60000000, expected less than or equal to 50000000"),
    ],
)
def test_a_mistake_is_said_where_it_stands(tmp_path: Path, block: str, complaint: str) -> None:
    assert [line for line in said(tmp_path, block) if complaint in line]


@pytest.mark.parametrize("said", ["id == null", "!id", "rows[0] == null", "code != '0'", "length(rows || `[]`) == `0`"])
@pytest.mark.parametrize("key", ["found", "absent"])
def test_what_a_login_page_would_say_as_well_tells_nothing_of_an_event(tmp_path: Path, key: str, said: str) -> None:
    """Or an error that comes with HTTP 200: taken for a no, the case is sent twice; taken for a yes, never."""
    told = {"found": "total > `0`", "absent": "total == `0`", key: said}
    block = f"{CREATE}idempotent: false\nlookup: {{path: /f, found: '', absent: ''}}\n"
    for name, expression in told.items():
        block = block.replace(f"{name}: ''", f'{name}: "{expression}"')

    (line,) = refused(tmp_path, text(block))

    assert f'lookup.{key}: "{said}" is true also of an answer that names nothing' in line


@pytest.mark.parametrize("said", ["code != 'SUCCESS'", "!id"])
def test_what_is_true_of_a_page_as_well_refuses_no_login(tmp_path: Path, said: str) -> None:
    """What was entered and answered by a gateway's error would be sent anew at once."""
    block = f'{CREATE}login: {{calls: [{{path: /l}}], refused: "{said}"}}\n'

    (line,) = refused(tmp_path, text(block))

    assert f'login.refused: "{said}" is true also of an answer that names nothing' in line


def test_an_address_with_a_query_and_numbers_only_do_not_go_with_calls(tmp_path: Path) -> None:
    query = refused(tmp_path, text(CREATE).replace("http://oa.example", "http://oa.example/?a=1"))
    numbers = refused(tmp_path, text(CREATE).replace("restricted: true", "restricted: numbers"))

    assert "url has a ? or #, expected only what the paths of calls count from" in query[0]
    assert "restricted: numbers does not go with calls, whose templates need the whole case" in numbers[0]


def test_a_lookup_for_the_case_cannot_tell_of_its_later_events(tmp_path: Path) -> None:
    update = "  case.updated: {path: /update%s}\n"
    lookup = "idempotent: false\nlookup: {path: /f, params: {no: '{{ %s }}'}, found: a, absent: b}\n"
    by_case, by_event = lookup % "case.case_no", lookup % "event.id"

    (line,) = said(tmp_path, CREATE + update % "" + by_case)

    assert "lookup asks for the case, but case.updated is sent as well: expected event.id in what it asks, or" in line
    assert warned(tmp_path, CREATE + update % ", repeatable: true" + by_case) == []
    assert warned(tmp_path, CREATE + update % "" + by_event) == []


@pytest.mark.parametrize(
    ("more", "first"), [("", "case.updated"), ("types: [case.created]\n", "case.withdrawn")], ids=["all", "new ones"]
)
@pytest.mark.parametrize(
    "lookup",
    [
        "params: {no: '{{ case.case_no }}'}, found: id",
        "params: {no: '{{ case.case_no }}'}, found: event.id",
        "params: {no: '{{ case.case_no }}', of: '{{ event.type }}', event.id: x}, found: id",
    ],
)
def test_a_webhook_is_looked_up_by_the_event_whatever_it_is_sent(
    tmp_path: Path, lookup: str, more: str, first: str
) -> None:
    """Also one for new cases only: it is told when one of them is taken back."""
    block = f"secret: '${{SECRET}}'\nidempotent: false\n{more}lookup: {{path: /f, absent: b, {lookup}}}\n"

    (line,) = said(tmp_path, block)

    assert line.endswith(f"lookup asks for the case, but {first} is sent as well: expected event.id in what it asks")
    assert warned(tmp_path, block.replace("case.case_no", 'event["id"]')) == []


def test_a_webhooks_lookup_is_filled_as_well_also_of_a_case_that_is_taken_back(tmp_path: Path) -> None:
    asked = "{of: '{{ event.id }}', n: '{{ case.nonsense }}', t: '{{ case.title }}', i: '{{ case.case_id }}'}"
    block = f"secret: '${{SECRET}}'\nidempotent: false\nlookup: {{path: /f, params: {asked}, found: a, absent: b}}\n"

    assert [line.partition("lookup.")[2] for line in warned(tmp_path, block)] == [
        "params.n: cannot be filled from a petition: there is no nonsense",
        "params.t: cannot be filled from a case that became restricted, of which only numbers are told: there is no"
        " title",
    ]


def test_what_cannot_be_filled_is_said_before_a_citizens_case_is_laid_aside_for_it(tmp_path: Path) -> None:
    block = """\
calls:
  case.created:
    path: /create/{{ case.case_number }}
    params: {t: "{{ case.title }}"}
    body:
      who: "{{ case.petitioners[0].name }}"
      rows: {each: "{{ case.petitioners }}", row: {a: "{{ row.name }}", b: "{{ row.nme }}"}}
      from: "{{ case.source_fields.whatever }}"
      due: "{{ case.source_deadline_at | date }}"
  case.withdrawn:
    path: /withdraw/{{ receiver_id }}
    params: {no: "{{ case.case_no }}", why: "{{ case.source_status.raw }}"}
headers: {token: "{{ tokn }}"}
login:
  calls:
    - {path: /login, params: {early: "{{ token }}"}, take: {token: id}}
    - {path: /more, params: {late: "{{ rsa(token, 'x') }}"}}
"""

    assert warned(tmp_path, block) == [
        "3:11: calls.case.created.path: cannot be filled from a petition: there is no case_number",
        "6:12: calls.case.created.body.who: cannot be filled from a petition of which little is known: there is no such"
        " value",
        "7:76: calls.case.created.body.rows.row.b: cannot be filled from a petition: there is no nme",
        "12:45: calls.case.withdrawn.params.why: cannot be filled from a case that became restricted, of which only"
        " numbers are told: there is no source_status",
        "13:18: headers.token: cannot be filled from a petition: there is no tokn",
        "16:38: login.calls.0.params.early: cannot be filled from what the steps before gave: there is no token",
    ]
