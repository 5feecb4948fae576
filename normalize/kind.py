"""What the citizen wants: the request type, from the source's own code or from the words."""

from __future__ import annotations

import math
import re
from functools import cached_property, lru_cache

from pydantic import BaseModel, ConfigDict, Field

from normalize.case import Draft, RequestType, RequestTypeCode
from normalize.kind_words import BODY, PRIOR, PURSUIT, TITLE
from normalize.own_words import acknowledges
from normalize.words import WordLists, merged

_LONG = 1500
"""What a long letter wants it has said by then, or says in its last lines."""


_BANNED = 0.3
_BANNED_AT_MOST = 8.0
_PURSUED = 1.0
_NEITHER = -2.0
_TELLING = 0.3
_SCANT = 15
"""Fewer Chinese characters than this, and no telling word among them, say nothing of what is wanted."""
_FEW_WORDS = 60
_SAYS_NOTHING = re.compile(
    r"[\W_]*(?:(?:re|回复|答复|转发|fwd?)\s*[:：]\s*)*(?:我要|我想|一封|关于|群众|市民|家长|学生|教师|网友|有|几个|一个|一些)*"
    r"(?:来信|信件|信|邮件|留言|反映|反应|问题|情况|一下|事情|诉求|信访|局长信箱|领导信箱|你好|您好|无主题|领导|局长|尊敬的|-)*[\W_]*",
    re.IGNORECASE,
)
_HAN = re.compile(r"[\u4e00-\u9fff]")


class TypeWords(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    title: dict[str, float] = Field(default_factory=dict, description="words of the title with their weight")
    body: dict[str, float] = Field(default_factory=dict, description="words of the text with their weight")


class KindRules(BaseModel):
    """Section `rules.kind`: words that tell the request type where the source does not say it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    words: dict[RequestTypeCode, TypeWords] = Field(
        default_factory=dict, description="added to the shipped words of a type; weight 0 takes a word out"
    )

    @cached_property
    def compiled(self) -> tuple[WordLists[RequestTypeCode], WordLists[RequestTypeCode]]:
        """The words of titles, and of bodies."""
        own = {code: self.words.get(code, TypeWords()) for code in PRIOR}
        return (
            WordLists.of({code: merged(TITLE[code], own[code].title) for code in PRIOR}),
            WordLists.of({code: merged(BODY[code], own[code].body) for code in PRIOR}),
        )


def request_type(draft: Draft, rules: KindRules, breach: float = 0.0) -> RequestType:
    """The source's own type where it gave one, else the likeliest by its words with a confidence.

    `breach` is the weight of the breaches of law or discipline the text names.
    """
    given = draft.request_type
    if given.code is not RequestTypeCode.OTHER or given.confidence is not None:
        return given
    code, confidence = likeliest(draft.title, draft.content or "", rules, breach)
    return RequestType(code=code, raw=given.raw, confidence=confidence)


def likeliest(title: str, body: str, rules: KindRules, breach: float = 0.0) -> tuple[RequestTypeCode, float | None]:
    """The likeliest type and how sure that is, 0 to 1 (its share among the types).

    A few characters without a telling word are `other`, and nothing is said of how sure that is.
    """
    title = _telling_title(title, body)
    told = told_by_words(title, body, rules)
    if max(told.values()) < _TELLING and breach < _TELLING and _is_scant(title, body):
        return RequestTypeCode.OTHER, None
    scores = {code: PRIOR[code] + weight for code, weight in told.items()}
    scores[RequestTypeCode.REPORT] += _as_report(title, body, breach)
    best = max(scores, key=lambda code: scores[code])
    share = 1 / sum(math.exp(score - scores[best]) for score in scores.values())
    return best, round(share, 2)


def _telling_title(title: str, body: str) -> str:
    """The title; a few words under a title that says nothing are one themselves."""
    if not _SAYS_NOTHING.fullmatch(title):
        return title
    text = without_salutation(body).strip()
    return text if len(text) <= _FEW_WORDS and not acknowledges(text) else ""


def told_by_words(title: str, body: str, rules: KindRules) -> dict[RequestTypeCode, float]:
    """The weight of each type's words."""
    text = without_salutation(body)
    if len(text) > _LONG:
        text = text[: _LONG - 300] + "\n" + text[-300:]
    of_titles, of_bodies = rules.compiled
    in_title, in_body = of_titles.weights_in(title), of_bodies.weights_in(text, within=f"{title}\n{body}")
    return {code: in_title[code] + in_body[code] for code in PRIOR}


def _as_report(title: str, body: str, breach: float) -> float:
    """A report names a banned act and wants it pursued; without either it is a complaint."""
    pursued = bool(PURSUIT.search(title) or PURSUIT.search(body))
    return _BANNED * min(breach, _BANNED_AT_MOST) + _PURSUED * pursued + _NEITHER


def _is_scant(title: str, body: str) -> bool:
    words = body if title in body else f"{title}{body}"
    return len(_HAN.findall(words[:2000])) < _SCANT


_SALUTATION = re.compile(
    r"(?:尊敬|敬爱|亲爱)的?[^，,。：:！!\n]{0,24}[，,。：:！!\n]?|[^\s，,。：:！!]{0,6}(?:书记|局长|市长|厅长|县长|区长|领导)[：:，,！!\s]*(?:您|你)们?好"
)


def without_salutation(body: str) -> str:
    """A letter's greeting names an official who is asked, not accused."""
    return _greeted(body[:120]) + body[120:]


@lru_cache(maxsize=8)
def _greeted(head: str) -> str:
    return _SALUTATION.sub(" ", head)
