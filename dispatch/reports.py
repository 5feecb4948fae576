"""What an OA reports back: read and verified; how far a case has come by its reports, pure."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import reduce
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails

from dispatch.webhook import sign
from normalize.clocks import Progress

TOLERANCE = timedelta(minutes=5)
"""A report signed longer ago, or in the future, may be a recording."""
LONGEST = 20_000
Moment = Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC))]
"""Any time a case of ours can have to do with."""


class ReportType(StrEnum):
    ACCEPTED = "accepted"
    NOT_OURS = "not_ours"
    ASSIGNED = "assigned"
    EXTENDED = "extended"
    ANSWERED = "answered"
    CLOSED = "closed"
    REOPENED = "reopened"
    REVIEWED = "reviewed"
    RATED = "rated"


class Report(BaseModel):
    """One thing that became of a case in the OA."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    case_id: str = Field(pattern="^[0-9A-Za-z]{1,64}$")
    type: ReportType
    at: Moment = Field(description="when it happened; not in the future")
    unit: str | None = Field(default=None, max_length=200, description="which unit acted, or was assigned")
    by: str | None = Field(default=None, max_length=200, description="who")
    text: str | None = Field(default=None, max_length=LONGEST, description="internal words")
    public_text: str | None = Field(default=None, max_length=LONGEST, description="the answer to the citizen")
    until: Moment | None = Field(default=None, description="with extended: the new limit")
    rating: Any = Field(default=None, description="with rated: how the citizen judges it")

    @model_validator(mode="after")
    def _extended_until(self) -> Report:
        if self.type is ReportType.EXTENDED and self.until is None:
            raise ValueError("extended needs until, the new limit")
        return self


class NotGenuine(Exception):
    """The signature or its time is not good; the message says which."""


class NotAReport(Exception):
    """The body is none; the message says what was expected where, and repeats nothing."""


class NotJson(NotAReport):
    """Nor is it JSON."""


class OutOfOrder(Exception):
    """A report that cannot follow those before it; the message says what was expected."""


def verify(secrets: Sequence[SecretStr], headers: Mapping[str, str], body: bytes, now: datetime) -> str:
    """The report's webhook-id, if one of the secrets signed these bytes within the last minutes. Raises NotGenuine."""
    try:
        report_id, sent, given = (headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    except KeyError as missing:
        raise NotGenuine(f"header {missing.args[0]} is missing") from missing
    if (
        not (sent.isascii() and sent.isdigit() and len(sent) < 12)
        or abs(now.timestamp() - int(sent)) > TOLERANCE.total_seconds()
    ):
        raise NotGenuine("webhook-timestamp is not within five minutes of now; are both clocks right?")
    if not 0 < len(report_id) <= 200 or not (report_id.isascii() and report_id.isprintable()):
        raise NotGenuine("webhook-id is empty, longer than 200 or not ASCII")
    at = datetime.fromtimestamp(int(sent), now.tzinfo)
    ours = sign(secrets, report_id, at, body)["webhook-signature"].split()
    if not given.isascii() or not any(hmac.compare_digest(one, other) for one in given.split() for other in ours):
        raise NotGenuine("no signature matches the body")
    return report_id


def verify_any(
    secrets: Mapping[str, Sequence[SecretStr]], headers: Mapping[str, str], body: bytes, now: datetime
) -> tuple[str, str]:
    """Whose secret signed it, and the report's webhook-id. Raises NotGenuine."""
    refused = NotGenuine("no target has a secret for reports")
    for name, own in secrets.items():
        try:
            return name, verify(own, headers, body, now)
        except NotGenuine as error:
            refused = error
    raise refused


def read_report(body: bytes, now: datetime) -> Report:
    """Raises NotAReport, NotJson."""
    try:
        report = Report.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise (NotJson if first["type"] == "json_invalid" else NotAReport)(_said(first)) from error
    if report.at > now + TOLERANCE:
        raise NotAReport("at: lies in the future, expected when it happened")
    return report


def _said(error: ErrorDetails) -> str:
    """What is wrong where, and what was expected."""
    match error["type"], ".".join(map(str, error["loc"])):
        case "json_invalid", _:
            return "body: is not JSON, expected an object"
        case "extra_forbidden", place:
            return f"{place}: no such field, expected one of: {', '.join(Report.model_fields)}"
        case "value_error", "":
            return "until: missing, expected with extended the new limit"
        case _, "":
            return "body: is no object, expected one with case_id, type and at"
        case "missing", place:
            return f"{place}: missing, expected {_EXPECTED[place]}"
        case _, place:
            return f"{place}: expected {_EXPECTED[place]}"


_TIME = "a time with its zone such as 2026-03-02T09:00:00+08:00"
_EXPECTED = {
    "case_id": "the case_id of the event, letters and digits",
    "type": f"one of: {', '.join(ReportType)}",
    "at": _TIME,
    "until": f"{_TIME}, or null",
    **dict.fromkeys(("unit", "by"), "a text of at most 200 characters, or null"),
    **dict.fromkeys(("text", "public_text"), f"a text of at most {LONGEST} characters, or null"),
}


def progress_of(reports: Sequence[Report], returned_at: datetime | None = None) -> Progress:
    """How far a case has come by these reports, in the order in which they were taken; they could follow then.

    What was decided or extended before the source had it done again (`returned_at`) counts no more, but for what has to
    be done once.
    """
    if returned_at is None:
        return reduce(_moved, reports, Progress())
    before = reduce(_moved, (one for one in reports if one.at < returned_at), Progress())
    settled_at = before.answered_at or before.closed_at
    fresh = Progress(assigned_at=before.assigned_at, accepted_at=before.accepted_at)
    again = replace(fresh, returned_at=returned_at, settled_at=settled_at)
    return reduce(_moved, (one for one in reports if one.at >= returned_at), again)


def after(before: Progress, report: Report) -> Progress:
    """Raises OutOfOrder: the report cannot follow."""
    expected = expected_after(before)
    if report.type not in expected:
        raise OutOfOrder(f"case {report.case_id}: {report.type} cannot follow now; expected {', '.join(expected)}")
    return _moved(before, report)


def expected_after(before: Progress) -> tuple[ReportType, ...]:
    """The types that can follow. A matter is extended once (信访工作条例 第三十四条: by 30 days at most, which is the
    office's to keep: the same report also moves limits of local rules).
    """
    kind = ReportType
    if before.over:
        rest = (kind.REVIEWED, kind.RATED) if before.closed_at or before.answered_at else ()
        return (kind.REOPENED, *rest)
    if before.answered_at is not None:
        return (kind.ANSWERED, kind.CLOSED, kind.REOPENED, kind.REVIEWED, kind.RATED, kind.ASSIGNED)
    opening = () if before.accepted_at is not None else (kind.ACCEPTED,)
    extending = () if before.extended_until is not None else (kind.EXTENDED,)
    # what its source returned runs already: who says so too says nothing wrong
    again = () if before.returned_at is None else (kind.REOPENED,)
    return (*opening, kind.NOT_OURS, kind.ASSIGNED, *extending, kind.ANSWERED, kind.CLOSED, *again)


def _moved(before: Progress, report: Report) -> Progress:
    at = report.at
    changes: Mapping[ReportType, dict[str, Any]] = {
        ReportType.ASSIGNED: {"assigned_at": before.assigned_at or at},
        ReportType.ACCEPTED: {"accepted_at": at},
        ReportType.NOT_OURS: {"refused_at": at},
        ReportType.EXTENDED: {"extended_until": report.until},
        ReportType.ANSWERED: {"answered_at": before.answered_at or at},
        ReportType.CLOSED: {"closed_at": at},
        ReportType.REOPENED: {"refused_at": None, "answered_at": None, "closed_at": None},
    }
    return replace(before, **changes.get(report.type, {}))
