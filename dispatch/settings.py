"""What an operator says of a receiver of cases."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError
from yarl import URL

from adapters.wire import WireSettings
from dispatch.expressions import EACH, At, check_expression, check_template, holds, reads
from dispatch.payload import EventType
from dispatch.retry import RetrySettings

SECRET_PREFIX = "whsec_"  # noqa: S105 - the public prefix
NAMES = ("event", "case", "change", "deadline", "receiver_id", "row", "number")
"""What templates always know."""


def check_url(text: str) -> str:
    """Raises ValueError: it is no address we send to."""
    url = URL(text) if text.startswith(("http://", "https://")) else None
    if url is None or not url.host:
        raise ValueError("expected an address that begins with http:// or https://")
    if url.user or url.password:
        raise ValueError("expected an address without user and password; put them into headers")
    return text


def _check_secret(secret: SecretStr) -> SecretStr:
    try:
        key = signing_key(secret)
    except ValueError as error:
        raise ValueError("expected whsec_ followed by base64") from error
    if not 16 <= len(key) <= 64:
        raise ValueError(f"expected a key of 16 to 64 bytes after whsec_, in base64; this one has {len(key)}")
    return secret


def signing_key(secret: SecretStr) -> bytes:
    """The bytes that sign. Raises ValueError: it is no base64."""
    return base64.b64decode(secret.get_secret_value().removeprefix(SECRET_PREFIX), validate=True)


def _check_telling(expression: str) -> str:
    if holds(expression, None) or holds(expression, {}):
        raise ValueError(
            f'"{expression}" is true also of an answer that names nothing, such as a page or an error; expected what is'
            " true only of one that says so, such as found == `false`, or code == `40101` of a login"
        )
    return expression


def _as_list(value: object) -> object:
    if value is None:
        return []
    return value if isinstance(value, (list, tuple)) else [value]


Tokens = Annotated[tuple[SecretStr, ...], BeforeValidator(_as_list)]
Secrets = Annotated[tuple[Annotated[SecretStr, AfterValidator(_check_secret)], ...], BeforeValidator(_as_list)]
"""One, or several while one is being replaced by another."""
Expression = Annotated[str, AfterValidator(check_expression)]
"""JMESPath over what a receiver answered."""
Tell = Annotated[Expression, AfterValidator(_check_telling)]
"""One that must find in an answer what it is true of."""
Template = Annotated[str, AfterValidator(check_template)]
"""A text with {{ … }} in it."""


def _check_line(text: str) -> str:
    """What a header holds: aiohttp would refuse a line end only when it sends."""
    if not text.isprintable():
        raise ValueError(
            "has a line end or another control character, expected one line (in YAML, not |, but >- or none)"
        )
    return text


Headers = dict[Annotated[str, AfterValidator(_check_line)], Annotated[Template, AfterValidator(_check_line)]]


def _check_tree(value: Any) -> Any:  # noqa: ANN401 - whatever YAML can say
    found = [
        InitErrorDetails(type=PydanticCustomError("template", "{said}", {"said": said}), loc=at, input=None)
        for at, said in _mistakes(value, ())
    ]
    if found:
        raise ValidationError.from_exception_data("body", found)
    return value


def _mistakes(tree: object, at: At) -> Iterator[tuple[At, str]]:
    """What is wrong with the templates of a tree, each where it stands."""
    if isinstance(tree, str):
        try:
            check_template(tree)
        except ValueError as error:
            yield at, str(error)
    elif isinstance(tree, dict):
        if "each" in tree and tree.keys() != EACH:
            yield at, "has each, expected each and row and nothing else beside them"
        for key, item in tree.items():
            yield from _mistakes(key, (*at, key))
            yield from _mistakes(item, (*at, key))
    elif isinstance(tree, list):
        for number, item in enumerate(tree):
            yield from _mistakes(item, (*at, number))


def _check_given(name: str) -> str:
    if not name.isidentifier() or name in NAMES:
        raise ValueError(
            f'"{name}" is no name for templates, expected letters, digits and _, and none of {", ".join(NAMES)}'
        )
    return name


Given = Annotated[str, AfterValidator(_check_given)]
"""What a login's value is called in templates."""
Tree = Annotated[Any, AfterValidator(_check_tree)]
"""Blocks, lists and values, whose texts are templates."""


class Block(BaseModel):
    # an error must not show its input: a secret may stand beside the mistake
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class SuccessRule(Block):
    """What the answer must say for a 2xx to count, for receivers that answer 200 to everything."""

    path: Expression = Field(description="JMESPath into the answer, such as `code` or `data.status`")
    equals: str | int | bool = Field(description="the value that means success")


class RateSettings(Block):
    """How much a receiver lets itself be asked."""

    count: int = Field(ge=1, le=1_000_000, description="events")
    per: timedelta = Field(
        default=timedelta(minutes=1), ge=timedelta(seconds=1), description="in so long, evenly spaced"
    )

    @property
    def interval(self) -> timedelta:
        return self.per / self.count


class Call(Block):
    """A request of the receiver's own interface."""

    method: Literal["GET", "POST", "PUT"] = Field(default="POST", description="GET, POST or PUT")
    path: Template = Field(description="path below url; a template")
    params: dict[str, Template] = Field(default_factory=dict, description="query; templates")
    headers: Headers = Field(default_factory=dict, description="headers; templates")
    body_as: Literal["json", "form"] = Field(
        default="json", description="form: fields in which what is no text is written as JSON"
    )
    body: Tree = Field(default=None, description="what is sent: blocks, lists and templates; none: nothing")

    @field_validator("body")
    @classmethod
    def _forms_have_fields(cls, body: Any, given: ValidationInfo) -> Any:  # noqa: ANN401 - JSON
        if given.data.get("body_as") == "form" and body is not None and not isinstance(body, dict):
            raise ValueError("expected a block of fields, as body_as is form")
        return body


class EventCall(Call):
    """How an event is told."""

    repeatable: bool = Field(
        default=False,
        description="with `idempotent: false`: this one may be sent twice without harm, as when it writes over what is"
        " there; it is sent again where its outcome is unknown",
    )


class LoginCall(Call):
    """One step of logging in."""

    take: dict[Given, Expression] = Field(
        default_factory=dict, description="name -> JMESPath into the answer; templates may use the name from then on"
    )


class LoginSettings(Block):
    """What is asked before, to be let in."""

    calls: tuple[LoginCall, ...] = Field(min_length=1, description="the requests, in order")
    lasts: timedelta = Field(
        default=timedelta(minutes=10), gt=timedelta(0), description="for so long what they gave is used"
    )
    refused: Tell | None = Field(
        default=None,
        description="JMESPath: true when an answer says that the login has run out, in so many words; 401 always does",
    )


class LookupSettings(Call):
    """How to ask whether an event has arrived, when its answer was lost."""

    wait: timedelta = Field(
        default=timedelta(minutes=1), ge=timedelta(0), description="before asking: it may still be at work on it"
    )
    found: Tell = Field(description="JMESPath: true when it has arrived")
    absent: Tell = Field(description="JMESPath: true when it says that it has not; neither: asked again later")
    receiver_id: Expression | None = Field(default=None, description="JMESPath of its own number for the case")

    @property
    def asked(self) -> dict[str, Any]:
        """The templates of what is sent."""
        return self.model_dump(include={"path", "params", "headers", "body"})


class HoldingsSettings(Block):
    """How to ask a receiver which cases it has, page by page."""

    url: Annotated[str, AfterValidator(check_url)] = Field(
        description="where; asked with GET, signed as events are (over an empty body)"
    )
    params: dict[str, Template] = Field(
        default={"since": "{{ since or '' }}", "cursor": "{{ cursor or '' }}"},
        description="query; templates with `since` (a time or none) and `cursor` (of the page before, or none)",
    )
    headers: Headers = Field(default_factory=dict, description="headers; templates")
    cases: Expression = Field(default="cases", description="JMESPath of the list of cases in its answer")
    case_id: Expression = Field(default="case_id", description="JMESPath of our case_id in each")
    revision: Expression = Field(default="revision", description="JMESPath of the revision it has, in each")
    next: Expression = Field(default="next", description="JMESPath of the next page's cursor; null: the last page")


class ReportsSettings(Block):
    """What a receiver reports back."""

    secret: Secrets = Field(
        min_length=1,
        description="what its reports are signed with, `whsec_` and base64, not the key of events; two while one is"
        " being replaced by the other",
    )


class TargetSettings(WireSettings):
    """A receiver of cases."""

    url: Annotated[str, AfterValidator(check_url)] = Field(
        description="where events are posted; with `calls`, what their paths count from"
    )
    secret: Secrets = Field(
        default=(),
        description="signing key, `whsec_` and base64; two while one is being replaced by the other; needed"
        " without `calls`",
    )
    token: Tokens = Field(
        default=(),
        description="bearer token with which the target fetches attachments and asks what it should have; two while one"
        " is being replaced by the other",
    )
    enabled: bool = Field(default=True, description="false: events are kept for it, nothing is sent")
    restricted: bool | Literal["only", "numbers"] = Field(
        default=False,
        description="true: takes restricted cases as well; only: takes nothing else; numbers: of restricted cases only "
        "their number and deadlines; false: nothing of them",
    )
    channels: tuple[str, ...] = Field(
        default=(), description="only cases of these channels, also of some that are gone; empty: all"
    )
    types: tuple[str, ...] = Field(
        default=(), description="only these event types, and case.withdrawn of a case that is taken back; empty: all"
    )
    idempotent: bool = Field(
        default=True,
        description="it knows an event that comes again by its webhook-id; false: what may have arrived is never sent"
        " again before it was looked up, or a person decided, also what was tried before the key was changed: stop the"
        " daemon in order then, for an attempt that is killed leaves no trace",
    )
    success: Expression | SuccessRule | None = Field(
        default=None, description="what a 2xx answer must say to count: JMESPath that is true, or a path and a value"
    )
    again: Expression | None = Field(
        default=None, description="JMESPath: true when a 2xx without success means busy, later again"
    )
    rejected: Expression | None = Field(
        default=None,
        description="JMESPath: true when a 2xx without success means never like this: a person must look; with"
        " `idempotent: false` whatever is neither this nor `again` is then unknown",
    )
    receiver_id: Expression | None = Field(
        default=None, description="JMESPath of the receiver's own number in its answer"
    )
    error: Expression | None = Field(default=None, description="JMESPath of the receiver's words about what is wrong")
    headers: Headers = Field(
        default_factory=dict, description="further headers, such as a gateway's key; with `calls`, templates"
    )
    calls: dict[str, EventCall] = Field(
        default_factory=dict,
        description="for an OA with an interface of its own: event type -> its request; other types are not sent",
    )
    login: LoginSettings | None = Field(default=None, description="with `calls`: what is asked before, to be let in")
    lookup: LookupSettings | None = Field(
        default=None, description="how to ask whether an event has arrived; none: a person is asked"
    )
    holdings: HoldingsSettings | None = Field(
        default=None, description="how to ask which cases it has, for `xinqiao reconcile`"
    )
    reports: ReportsSettings | None = Field(
        default=None, description="for a receiver that reports what became of a case; none: its reports are refused"
    )
    inline_files: int = Field(
        default=0,
        ge=0,
        le=50_000_000,
        description="with `calls`: up to so many bytes of a case's attachments are at hand in templates, in base64",
    )
    timeout: timedelta = Field(default=timedelta(seconds=15), gt=timedelta(0), description="limit of one request")
    concurrency: int = Field(
        default=8, ge=1, le=64, description="deliveries under way at once, of each process that dispatches"
    )
    rate: RateSettings | None = Field(default=None, description="how much it lets itself be asked; none: no limit")
    retry: RetrySettings = Field(default=RetrySettings(), description="when to try again")

    @model_validator(mode="after")
    def _fits_together(self) -> TargetSettings:
        if not self.calls:
            if not self.secret:
                raise ValueError("has neither secret nor calls, expected secret: what events are signed with")
            if self.login or self.inline_files:
                raise ValueError("has login or inline_files without calls, expected calls as well")
        elif URL(self.url).query_string or URL(self.url).fragment:
            raise ValueError("url has a ? or #, expected only what the paths of calls count from")
        elif self.restricted == "numbers":
            raise ValueError("restricted: numbers does not go with calls, whose templates need the whole case")
        if self.lookup is not None and self.idempotent:
            raise ValueError("has lookup, expected idempotent: false beside it; else nothing is ever looked up")
        self._asks_for_the_event()
        return self

    def _asks_for_the_event(self) -> None:
        """That the case is there says nothing of a later event of it."""
        later = [type_ for type_ in self.doubtful if type_ is not EventType.CREATED]
        if self.lookup is None or not later or reads(self.lookup.asked, "event", "id"):
            return
        if not self.calls:
            raise ValueError(
                f"lookup asks for the case, but {later[0]} is sent as well: expected event.id in what it asks"
            )
        raise ValueError(
            f"lookup asks for the case, but {later[0]} is sent as well: expected event.id in what it asks, or"
            f" repeatable: true in the call of {later[0]}"
        )

    @property
    def doubtful(self) -> list[EventType]:
        """Of what it is sent, that which is looked up where it may have arrived."""
        told = [type_ for type_ in EventType if self.wants(type_) or self._is_told(type_)]
        return [type_ for type_ in told if not self.repeatable(type_)]

    def _is_told(self, type_: EventType) -> bool:
        """Whether it is sent it whatever it wants: that a case is taken back; with calls that needs one."""
        return type_ is EventType.WITHDRAWN and not self.calls

    def repeatable(self, type_: str) -> bool:
        """Whether an event of this type may be sent again although it may have arrived."""
        return self.idempotent or (type_ in self.calls and self.calls[type_].repeatable)

    @property
    def takes_restricted(self) -> bool:
        """It is handed restricted cases in full."""
        return self.restricted in (True, "only")

    def wants(self, type_: str) -> bool:
        """Whether it is sent events of this type."""
        return (not self.types or type_ in self.types) and (not self.calls or type_ in self.calls)

    @property
    def wants_all(self) -> bool:
        """It is sent every event of the cases it may have."""
        return not (self.types or self.calls)
