"""What an answer means to a target that does not know an event that comes again, and to one that says no with 200."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from dispatch.answer import EXCERPT_LIMIT, Response, Verdict, judge, judge_silence
from dispatch.deciding import TRIP, end_unsent, sign_of
from dispatch.recording import Health, State
from dispatch.settings import TargetSettings
from tests.dispatch.own_receiver import NOW, own_settings, parcel

ECOLOGY: dict[str, Any] = {
    "idempotent": False,
    "success": "code == 'SUCCESS' || code.name == 'SUCCESS'",
    "rejected": "contains(['PARAM_ERROR', 'NO_PERMISSION'], code)",
    "again": "code == 'BUSY'",
    "receiver_id": "data.requestid",
    "error": "errMsg",
}


def once(**more: Any) -> TargetSettings:
    return own_settings("http://oa.example", **{"idempotent": False, **more})


def often(**more: Any) -> TargetSettings:
    return own_settings("http://oa.example", **more)


def verdict(document: object, settings: TargetSettings, status: int = 200, media_type: str = "") -> Verdict:
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    return judge(Response(status, {"Content-Type": media_type}, content), settings, NOW).verdict


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, Verdict.DELIVERED), (204, Verdict.DELIVERED),
        (407, Verdict.AGAIN), (425, Verdict.AGAIN), (429, Verdict.AGAIN),
        (400, Verdict.REJECTED), (401, Verdict.REJECTED), (404, Verdict.REJECTED), (422, Verdict.REJECTED),
        (302, Verdict.UNKNOWN), (303, Verdict.UNKNOWN),
        (408, Verdict.UNKNOWN), (500, Verdict.UNKNOWN), (502, Verdict.UNKNOWN), (503, Verdict.UNKNOWN),
        (504, Verdict.UNKNOWN), (410, Verdict.GONE),
    ],
)  # fmt: skip
def test_a_status_after_which_it_may_have_arrived_is_unknown_to_who_would_not_know_it_again(
    status: int, expected: Verdict
) -> None:
    assert verdict(b"", once(), status) is expected


@pytest.mark.parametrize("status", [302, 408, 500, 502, 503, 504])
def test_who_knows_it_again_is_sent_it_again(status: int) -> None:
    assert verdict(b"", often(), status) is Verdict.AGAIN
    assert judge_silence("no answer", often(), sent=True).verdict is Verdict.AGAIN


def test_silence_is_unknown_only_if_something_was_on_its_way() -> None:
    lost, unsent = (judge_silence("reset", once(), sent=sent) for sent in (True, False))

    assert (lost.verdict, lost.reached) == (Verdict.UNKNOWN, True)
    assert (unsent.verdict, unsent.reached) == (Verdict.AGAIN, False)


def test_a_proxy_that_does_not_let_us_through_is_not_the_receiver() -> None:
    for settings in (once(), often()):
        answer = judge(Response(407, {}, b""), settings, NOW)

        assert (answer.verdict, answer.reached) == (Verdict.AGAIN, False)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"code": "SUCCESS", "data": {"requestid": 1}}, Verdict.DELIVERED),
        ({"code": {"name": "SUCCESS"}, "data": {"requestid": 1}}, Verdict.DELIVERED),
        ({"code": "SUCCESS", "data": {}}, Verdict.UNKNOWN),
        ({"code": "SUCCESS", "data": {"requestid": ""}}, Verdict.UNKNOWN),
        ({"code": "SUCCESS"}, Verdict.UNKNOWN),
        ({"code": "PARAM_ERROR", "errMsg": {"workflowId": "0"}}, Verdict.REJECTED),
        ({"code": "BUSY"}, Verdict.AGAIN),
        ({"code": "SYSTEM_INNER_ERROR"}, Verdict.UNKNOWN),
        ({}, Verdict.UNKNOWN),
        ([], Verdict.UNKNOWN),
        (b"", Verdict.UNKNOWN),
        (b"<html>login</html>", Verdict.UNKNOWN),
        (b'{"code": "SUCC', Verdict.UNKNOWN),
        (b"[" * 60_000, Verdict.UNKNOWN),
    ],
)
def test_a_200_is_success_rejection_later_or_unknown_as_the_target_says(document: object, expected: Verdict) -> None:
    assert verdict(document, once(**ECOLOGY)) is expected


def test_without_a_rule_for_rejection_whatever_says_no_is_rejected() -> None:
    rule = once(success="code == `0`")

    assert verdict({"code": 1, "message": "表单字段[编号]不存在"}, rule) is Verdict.REJECTED
    assert verdict(b"not even JSON", rule) is Verdict.UNKNOWN


def test_of_who_knows_it_again_whatever_says_no_is_for_later_unless_it_is_said_to_be_rejected() -> None:
    rule = often(success="code == `0`", rejected="code == `400`")

    assert verdict({"code": 500}, rule) is Verdict.AGAIN
    assert verdict({"code": 400}, rule) is Verdict.REJECTED
    assert verdict(b"not even JSON", rule) is Verdict.AGAIN


@pytest.mark.parametrize("rule", ["code < `400`", "contains('0 200', code)"])
def test_a_rule_that_does_not_fit_the_answer_is_not_true_of_it(rule: str) -> None:
    for code in ("503", 503):
        assert verdict({"code": code}, often(success=rule)) is Verdict.AGAIN
        assert verdict({"code": code}, once(success=rule, rejected=rule)) is Verdict.UNKNOWN


@pytest.mark.parametrize("charset", ["GBK", "gb2312", '"GB18030"', "utf-8", "ISO-8859-1", "nonsense", None])
def test_an_answer_in_gbk_is_read_whatever_it_says_it_is_written_in(charset: str | None) -> None:
    media_type = "application/json" if charset is None else f"application/json; charset={charset}"
    rule = often(success="code == `0` && msg == '登记成功，请勿重复提交'")

    assert (
        verdict('{"code":0,"msg":"登记成功，请勿重复提交"}'.encode("gb18030"), rule, media_type=media_type)
        is Verdict.DELIVERED
    )


def test_what_calls_itself_gbk_is_read_as_such_even_where_it_could_be_utf_8() -> None:
    rule = often(success="msg == '一'")

    assert verdict('{"msg":"一"}'.encode("gbk"), rule, media_type="text/json;charset=gbk") is Verdict.DELIVERED
    assert verdict('{"msg":"一"}'.encode(), rule, media_type="text/json;charset=gbk") is Verdict.DELIVERED
    assert verdict('{"msg":"一"}'.encode("utf-16"), rule) is Verdict.DELIVERED
    assert verdict('\ufeff{"msg":"一"}'.encode(), rule, media_type="text/json;charset=utf-8") is Verdict.DELIVERED


@pytest.mark.parametrize("charset", ["utf-8", "gb18030"])
@pytest.mark.parametrize("odd", ["", "x"])
def test_the_receivers_words_are_readable_in_either_charset_wherever_they_are_cut_off(charset: str, odd: str) -> None:
    for headers in ({}, {"Content-Type": f"text/plain; charset={charset}"}):
        said = judge(Response(500, headers, (odd + "系统繁忙请稍后再试" * 400).encode(charset)), often(), NOW)

        assert said.excerpt == (odd + "系统繁忙请稍后再试" * 40)[:EXCERPT_LIMIT]


def test_success_may_be_a_path_and_a_value_of_its_own_type() -> None:
    rule = once(success={"path": "code", "equals": 1})

    assert [verdict({"code": code}, rule) for code in (1, True, "1", 1.0)] == [
        Verdict.DELIVERED, Verdict.REJECTED, Verdict.REJECTED, Verdict.DELIVERED,
    ]  # fmt: skip


def test_a_call_that_may_be_repeated_is_judged_as_of_one_who_knows_it_again() -> None:
    calls = {"case.created": {"path": "/c"}, "case.updated": {"path": "/u", "repeatable": True}}
    settings = once(calls=calls)

    assert [settings.repeatable(type_) for type_ in ("case.created", "case.updated", "case.reminder")] == [
        False, True, False,
    ]  # fmt: skip


def test_the_receivers_words_are_those_about_what_is_wrong_else_the_beginning_of_its_answer() -> None:
    said = judge(
        Response(200, {}, '{"code": "PARAM_ERROR", "errMsg": {"fj": "未设置"}}'.encode()), once(**ECOLOGY), NOW
    )
    long = judge(Response(400, {}, b"x " * 2000), once(**ECOLOGY), NOW)
    secret = judge(Response(200, {}, b'{"errMsg": "s3cret"}', kept=b'{"errMsg": "***"}'), once(**ECOLOGY), NOW)

    assert said.excerpt == '{"fj": "未设置"}'
    assert said.detail == f"HTTP 200, but not {ECOLOGY['success']}"
    assert len(str(long.excerpt)) == EXCERPT_LIMIT
    assert secret.excerpt == "***"


@pytest.mark.parametrize(
    ("answer", "doubts", "health"),
    [
        (judge_silence("reset", once(), sent=True), 0, Health.DOUBTFUL),
        (judge_silence("reset", once(), sent=True), TRIP - 1, Health.TROUBLED),
        (judge_silence("refused", once(), sent=False), 0, Health.TROUBLED),
        (judge(Response(500, {}, b""), once(), NOW), 0, Health.DOUBTFUL),
        (judge(Response(429, {"Retry-After": "9"}, b""), once(), NOW), 0, Health.TROUBLED),
        (judge(Response(400, {}, b""), once(), NOW), 5, Health.GOOD),
    ],
)
def test_an_unknown_outcome_says_of_its_target_what_any_failure_does(answer: Any, doubts: int, health: Health) -> None:
    sign = sign_of(parcel(b""), answer, at=NOW, doubts=doubts, chance=0)

    assert sign is not None
    assert sign.health is health


@pytest.mark.parametrize(
    ("state", "expected"), [("waiting", State.REJECTED), ("sending", State.UNKNOWN), ("unknown", State.UNKNOWN)]
)
def test_what_cannot_be_opened_any_more_may_have_arrived_all_the_same(state: str, expected: State) -> None:
    """Laid aside as rejected it would be sent again without asking."""
    broken = parcel(b"", state=state, fault="cannot be packed: seal broken")

    assert end_unsent(broken, once(), NOW).state is expected


def test_a_503_that_may_have_arrived_still_keeps_the_target_waiting_as_it_asks() -> None:
    answer = judge(Response(503, {"Retry-After": "30"}, b""), once(), NOW)

    assert (answer.verdict, answer.wait) == (Verdict.UNKNOWN, timedelta(seconds=30))


@pytest.mark.parametrize("answer", [b"", b"<html>please log in</html>", b'{"code": 0, "erro'])
def test_no_rule_is_true_of_what_is_no_json(answer: bytes) -> None:
    """As of a gateway's page before the OA: `!error` is true of nothing, and so is `code != 'SUCCESS'`."""
    rules = {"success": "!error", "rejected": "code != 'SUCCESS'"}

    assert verdict(answer, once(**rules)) is Verdict.UNKNOWN
    assert verdict(answer, often(**rules)) is Verdict.AGAIN
    assert verdict({"code": "SUCCESS"}, once(**rules)) is Verdict.DELIVERED
