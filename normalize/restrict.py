"""Which cases the accused must never see: withheld from everyone but those who may."""

from __future__ import annotations

import re
from functools import cached_property

from pydantic import BaseModel, ConfigDict, Field

from normalize import confidential
from normalize.accusation import Suspicion
from normalize.case import Draft, Purpose, PurposeCode, RequestType, RequestTypeCode
from normalize.sentences import statements
from normalize.words import Weights, Words, merged, weighted

ACCUSES, SECRECY = "text accuses someone", "confidentiality requested"
TERM, WORD = "configured term", "word of an accusation"
"""One of the office's own words; one of the shipped ones."""
CALLED, UNREADABLE = "called an accusation by its source", "confidentiality or purpose unreadable"
"""Called so by its category or the form it came on; what its source fills in there says nothing to us."""

TERMS: Weights = weighted("""
    1: 检举 控告 实名举报 匿名举报 举报信 举报材料 性侵 猥亵 性骚扰 受贿 行贿 索贿 贪污 以权谋私 滥用职权 买官卖官
    1: 权钱交易 利益输送 中饱私囊 吃空饷 玩忽职守 纪检监察 纪委监委 揭发
""")
"""Words that withhold a case whatever it is called, unless it only asks about them or suggests something."""

NAMES: Weights = {**TERMS, **weighted("1: 举报 纪检 纪委 监委 违纪违法 违法违纪 渎职")}
"""What nothing is called, as its type, purpose, category, or by its form, without being one."""
_ANY_COMPLAINT = re.compile(r"投诉\s*[、/和及与或（(]?\s*举报")
"""What hotlines call every complaint, and websites the form for all."""


class RestrictRules(BaseModel):
    """Section `rules.restrict`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    terms: tuple[str, ...] = Field(
        default=(),
        description="a case with one of these words is restricted, wherever it stands, in what is attached to a mail as"
        " well; added to the shipped ones, which are looked for in title, content, summary and names of files",
    )
    without: tuple[str, ...] = Field(
        default=(), description="shipped words taken out again, also where the source calls a case by them"
    )
    confidential: tuple[str, ...] = Field(
        default=(), description="words by which a citizen asks for confidentiality, added to the shipped ones"
    )

    @cached_property
    def compiled(self) -> tuple[Words, Words, Words]:
        """The shipped terms, the office's own, and the shipped names."""
        out = dict.fromkeys(self.without, 0.0)
        own = Words.of(dict.fromkeys(self.terms, 1.0))
        return Words.of(merged(TERMS, out)), own, Words.of(merged(NAMES, out))


def asks_confidentiality(draft: Draft, rules: RestrictRules) -> bool:
    text = _text(draft)
    return any(word in text for word in rules.confidential) or confidential.asks_confidentiality(text, rules.without)


def as_called(draft: Draft, rules: RestrictRules) -> Draft:
    """The draft as a report, or an accusation, where its source calls it one in a word that no code is known for."""
    kind, purpose = draft.request_type, draft.purpose
    unknown = kind.code is RequestTypeCode.OTHER and kind.confidence is None
    if unknown and is_a_name(kind.raw, rules):
        kind = RequestType(code=RequestTypeCode.REPORT, raw=kind.raw, confidence=1.0)
    accuses = kind.code is RequestTypeCode.REPORT and bool(rules.compiled[0].found_in(kind.raw or ""))
    if purpose.code is None and (accuses or is_a_name(purpose.raw, rules)):
        purpose = Purpose(code=PurposeCode.ACCUSATION, raw=purpose.raw)
    return draft.model_copy(update={"request_type": kind, "purpose": purpose})


def is_a_name(called: str | None, rules: RestrictRules) -> bool:
    """Whether a source that calls a matter so calls it an accusation or a report; 投诉举报 is any complaint."""
    return bool(called and rules.compiled[2].found_in(_ANY_COMPLAINT.sub("投诉", called)))


def restriction(draft: Draft, rules: RestrictRules, found: Suspicion) -> str | None:
    """Why the case is restricted; None: it is not. Expects type and purpose to be understood already.

    The reason names the rule, never the text: it may be shown where the case may not.
    """
    said = [text for text in (_text(draft), draft.summary) if text]
    reasons = (
        ("purpose accusation", draft.purpose.code is PurposeCode.ACCUSATION),
        ("type report", draft.request_type.code is RequestTypeCode.REPORT),
        (SECRECY, draft.confidential_requested),
        (ACCUSES, found.accuses),
        (TERM, any(has_an_own_term(text, rules) for text in said)),
        (WORD, any(has_a_term(text, rules) for text in said)),
        (CALLED, any(is_a_name(level, rules) for level in draft.category.path)),
        (draft.restricted_reason or "restricted by the source", draft.restricted),
    )
    return next((reason for reason, applies in reasons if applies), None)


def has_a_term(text: str, rules: RestrictRules) -> bool:
    """Whether a word that withholds a case stands in a text that states something with it."""
    if has_an_own_term(text, rules):
        return True
    shipped = rules.compiled[0]
    return bool(shipped.found_in(text)) and any(shipped.found_in(stated) for stated in statements(text))


def has_an_own_term(text: str, rules: RestrictRules) -> bool:
    """Whether one of the office's own words stands anywhere in a text."""
    own = rules.compiled[1]
    return bool(own.words and own.found_in(text))


def _text(draft: Draft) -> str:
    return f"{draft.title}\n{draft.content or ''}"
