"""What operators write: templates keep types, say what is missing, and tell nobody the case's words."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dispatch.expressions import (
    TemplateFailed,
    check_expression,
    check_template,
    failures,
    fill,
    fill_path,
    fill_text,
    holds,
    look_up,
)

NAME = "顾晓棠"
CASE: dict[str, Any] = {
    "case_no": "2026-000123",
    "title": "关于收费的疑问",
    "revision": 3,
    "anonymous": False,
    "summary": None,
    "received_at": "2026-03-02T09:14:55+08:00",
    "topics": ["fees", "after_school"],
    "petitioners": [{"name": NAME, "phones": ["13900000000"]}, {"name": "李四", "phones": []}],
}
VALUES = {"case": CASE, "receiver_id": None}


def filled(tree: Any) -> Any:
    return fill(tree, VALUES, ("body",))


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ case.revision }}", 3),
        ("  {{ case.anonymous }}\n", False),
        ("{{ case.topics }}", ["fees", "after_school"]),
        ("{{ case.summary }}", None),
        ("{{ case.petitioners[0].name }}", NAME),
        ("{{ {'no': case.case_no} }}", {"no": "2026-000123"}),
        ("{{ case.revision - 1 }}", 2),
        ("第 {{ case.revision }} 版", "第 3 版"),
        ("摘要：{{ case.summary }}", "摘要："),
        ("{{ case.anonymous }} {{ case.topics }}", 'false ["fees", "after_school"]'),
        ("{{ case.revision }}{{ case.revision }}", "33"),
        ("{{- case.revision }}", "3"),
        ("{{ case.revision -}}", "3"),
        ("{% if case.anonymous %}匿名{% else %}实名{% endif %}", "实名"),
        ("没有模板 { 也没有", "没有模板 { 也没有"),
        ("{{ '}}' }}", "}}"),
        ("{{ case.petitioners | map(attribute='name') }}", [NAME, "李四"]),
        (7, 7),
        (None, None),
    ],
)
def test_one_value_alone_keeps_its_type_and_anything_else_is_text(template: object, value: object) -> None:
    assert filled(template) == value


def test_every_text_that_cannot_be_filled_is_told_with_its_place() -> None:
    rows = {"each": "{{ case.petitioners }}", "row": ["{{ row.name }}", "{{ row.nme }}"]}
    tree = {"a": ["{{ case.no }}", {"b": "{{ case.title }}", "c": "{{ x }}"}], "rows": rows, "{{ y }}": 1}
    tree["none"] = {"each": "{{ case.title }}", "row": "{{ z }}"}

    told = [(failed.at, failed.said) for failed in failures(tree, VALUES, ("body",))]

    assert told == [
        (("body", "a", 0), "there is no no"),
        (("body", "a", 1, "c"), "there is no x"),
        (("body", "rows", "row", 1), "there is no nme"),
        (("body",), "there is no y"),
        (("body", "none", "each"), "is no list"),
    ]


def test_blocks_and_lists_are_filled_all_the_way_down() -> None:
    tree = {"a": ["{{ case.revision }}", {"{{ case.case_no }}": "{{ case.topics }}"}], "b": True}

    assert filled(tree) == {"a": [3, {"2026-000123": ["fees", "after_school"]}], "b": True}


def test_each_row_makes_one_item_of_every_value_and_knows_its_number() -> None:
    tree = {"each": "{{ case.petitioners }}", "row": {"no": "{{ number }}", "who": "{{ row.name }}"}}

    assert filled({"people": tree}) == {"people": [{"no": 1, "who": NAME}, {"no": 2, "who": "李四"}]}


def test_rows_may_stand_within_rows() -> None:
    phones = {"each": "{{ row.phones }}", "row": "{{ row }}"}

    assert filled({"each": "{{ case.petitioners }}", "row": phones}) == [["13900000000"], []]


def test_each_of_what_is_no_list_is_said_to_be_none() -> None:
    with pytest.raises(TemplateFailed, match=r"^body\.each: is no list$"):
        filled({"each": "{{ case.title }}", "row": "x"})


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ case.titel }}", "body.0: there is no titel"),
        ("x {{ case.titel }}", "body.0: there is no titel"),
        ("{{ caze }}", "body.0: there is no caze"),
        ("{{ case.titel.more }}", "body.0: there is no titel"),
        ("{{ case.petitioners[5].name }}", "body.0: there is no such value"),
        ("{{ case.petitioners[5] }}", "body.0: there is no such value"),
        ("{{ case.title + 1 }}", "body.0: TypeError"),
        ("{{ case.title | date }}", "body.0: ValueError"),
        ("{{ case.revision / 0 }}", "body.0: ZeroDivisionError"),
        ("{{ case.petitioners | map(attribute='phone') | list }}", "body.0: there is no phone"),
        ("{{ case.topics.append }}", "body.0: SecurityError"),
        ("{{ rsa }}", "body.0: is no value that JSON can say"),
    ],
)
def test_what_is_missing_is_never_sent_empty(template: str, said: str) -> None:
    with pytest.raises(TemplateFailed) as failed:
        filled([template])

    assert str(failed.value) == said


@pytest.mark.parametrize(
    "template",
    [
        "{{ case[case.title] }}",
        "{{ case[case.title].x }}",
        "{{ case.title + 1 }}",
        "{{ case.title | date }}",
        "{{ case.title.nothing }}",
        "{{ case.topics | map(case.title) | list }}",
        "{{ case.topics | map(attribute=case.title) | list }}",
        "{{ case.title | attr(case.title) }}",
        "{{ case.title() }}",
        "{{ rsa(case.title, case.title) }}",
        "{{ '%d' | format(case.title) }}",
        "{{ case.petitioners[case.title] }}",
        "{{ case.topics | sort(attribute=case.title) | list }}",
    ],
)
@pytest.mark.parametrize("around", ["{}", "x {}"])
def test_a_failure_repeats_nothing_of_the_case(template: str, around: str) -> None:
    with pytest.raises(TemplateFailed) as failed:
        filled(around.format(template))

    assert CASE["title"] not in str(failed.value)


@pytest.mark.parametrize(
    "template",
    [
        "{{ case.title.__class__ }}",
        "{{ case.title.__class__.__mro__[1].__subclasses__() }}",
        "{{ case | attr('__class__') }}",
        "{{ case['__class__'] }}",
        "{{ rsa.__globals__ }}",
        "{{ rsa.__globals__['base64'] }}",
        "{{ self.__init__.__globals__ }}",
        "{{ ''.format.__globals__ }}",
        "{{ '{0.__class__}'.format(case) }}",
        "{{ case.update({'title': 'x'}) }}",
        "{{ case.topics.append('x') }}",
        "{{ cycler.__init__.__globals__.os.popen('id') }}",
        "{{ range(10) }}",
        "{{ config }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
    ],
)
def test_a_template_reaches_nothing_but_the_case_and_changes_nothing(template: str) -> None:
    before = json.dumps(VALUES)

    with pytest.raises(TemplateFailed):
        filled(template)

    assert json.dumps(VALUES) == before


@pytest.mark.parametrize(
    "template", ["{{ case.", "{{ case | nofilter }}", "{{ }}", "{% if %}", "{{ case is nothing }}", "{# "]
)
def test_a_template_that_is_none_is_refused_before_it_is_used(template: str) -> None:
    with pytest.raises(ValueError, match="is not a usable template"):
        check_template(template)


def test_a_time_is_written_as_the_receiver_wants_it() -> None:
    assert filled("{{ case.received_at | date }}") == "2026-03-02"
    assert filled("{{ case.received_at | date('%Y年%m月%d日 %H:%M') }}") == "2026年03月02日 09:14"
    assert filled("{{ case.summary | date }}") is None


def test_json_within_text_is_json() -> None:
    assert json.loads(filled("{{ {'表': case.topics} | json }}")) == {"表": ["fees", "after_school"]}


def test_where_only_text_can_stand_nothing_is_empty_and_a_list_is_json() -> None:
    assert fill_text("{{ case.summary }}", VALUES, ("headers", "x")) == ""
    assert fill_text("{{ case.topics }}", VALUES, ("headers", "x")) == '["fees", "after_school"]'
    assert fill_text("{{ case.revision }}", VALUES, ("headers", "x")) == "3"


def test_rsa_is_what_the_holder_of_the_key_can_read() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = base64.b64encode(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()

    shown = fill("{{ rsa(spk, secrit) }}", {"spk": public, "secrit": "问"}, ("headers", "secret"))

    assert key.decrypt(base64.b64decode(shown), padding.PKCS1v15()).decode() == "问"


@pytest.mark.parametrize("spk", ["", "not base64!", base64.b64encode(b"no key").decode(), None, 7])
def test_rsa_under_what_is_no_key_is_said(spk: object) -> None:
    with pytest.raises(TemplateFailed, match="no public key") as failed:
        fill("{{ rsa(spk, secrit) }}", {"spk": spk, "secrit": "very-secret"}, ("headers", "secret"))

    assert "very-secret" not in str(failed.value)


def test_a_value_in_a_path_stays_one_step_of_it() -> None:
    values = {"number": "../a/b?c=1#d%2F 号"}

    assert fill_path("/cases/{{ number }}/x", values, ("path",)) == "/cases/..%2Fa%2Fb%3Fc%3D1%23d%252F%20%E5%8F%B7/x"
    assert fill_path("{{ number }}", {"number": 7}, ("path",)) == "7"
    for dots in (".", "..", ""):
        with pytest.raises(TemplateFailed):
            fill_path("/cases/{{ number }}/x", {"number": dots}, ("path",))


def test_json_within_an_answer_is_looked_into() -> None:
    answer = {"data": {"app_bussiness_data": '{"summaryId": "7"}', "plain": {"a": 1}, "broken": "{"}}

    assert look_up("from_json(data.app_bussiness_data).summaryId", answer) == "7"
    assert look_up("from_json(data.plain).a", answer) == 1
    assert look_up("from_json(data.broken)", answer) is None
    assert look_up("from_json(data.nothing)", answer) is None


@pytest.mark.parametrize(
    ("expression", "document"),
    [
        ("length(data)", {"data": 7}),
        ("contains(message, 'x')", {"message": None}),
        ("a.b.c", [1]),
        ("sort(@)", [1, "a"]),
        ("ceil(x)", {"x": float("inf")}),
        ("code < `400`", {"code": "503"}),
        ("contains('0 200', code)", {"code": 200}),
        ("from_json(x)", {"x": "[" * 100_000}),
        ("anything", None),
    ],
)
def test_an_answer_of_another_shape_is_nothing_found_and_no_error(expression: str, document: object) -> None:
    assert look_up(expression, document) is None
    assert holds(expression, document) is False


@pytest.mark.parametrize(
    ("document", "true"),
    [(0, True), (1, True), ("x", True), (False, False), (None, False), ("", False), ([], False), ({}, False)],
)
def test_true_is_what_jmespath_calls_true(document: object, true: bool) -> None:
    assert holds("@", document) is true


def test_an_expression_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match='"code ==" is not JMESPath'):
        check_expression("code ==")
    with pytest.raises(ValueError, match="nosuch"):
        check_expression("nosuch(@)")
