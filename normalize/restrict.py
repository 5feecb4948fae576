"""Which cases the accused must never see: withheld from everyone but those who may."""

from __future__ import annotations

from functools import cached_property

from pydantic import BaseModel, ConfigDict, Field

from normalize.accusation import AccusationRules, accuses
from normalize.case import Draft, PurposeCode, RequestTypeCode
from normalize.words import Weights, Words, merged, weighted

CONFIDENTIAL: Weights = weighted("""
    1: 请保密 请求保密 要求保密 替我保密 为我保密 给我保密 帮我保密 予以保密 信息保密 身份保密 注意保密 严格保密
    1: 保密处理 保护我的隐私 保护隐私 不要透露 请勿透露 不要泄露 请勿泄露 不要泄漏 请勿泄漏 不得泄露 勿公开 不要公开
    1: 请勿公开 不愿透露姓名 不想透露姓名 不敢署名 不敢留名 不敢实名 怕被报复 怕报复 怕遭报复 怕遭到报复 担心报复
    1: 担心被报复 打击报复 保护举报人 怕给孩子穿小鞋 怕孩子被穿小鞋 怕被穿小鞋 怕老师穿小鞋
""")
"""How a citizen asks that nobody learns who he is."""

TERMS: Weights = weighted("""
    1: 检举 控告 实名举报 匿名举报 举报信 举报材料 性侵 猥亵 性骚扰 受贿 行贿 索贿 贪污 以权谋私 滥用职权 买官卖官
    1: 权钱交易 利益输送 中饱私囊 吃空饷 玩忽职守 纪检监察 纪委监委
""")
"""Words that withhold a case whatever it is called."""


class RestrictRules(BaseModel):
    """Section `rules.restrict`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    terms: tuple[str, ...] = Field(
        default=(), description="a case with one of these words is restricted; added to the shipped ones"
    )
    without: tuple[str, ...] = Field(default=(), description="shipped words taken out again")
    confidential: tuple[str, ...] = Field(
        default=(), description="words by which a citizen asks for confidentiality, added to the shipped ones"
    )

    @cached_property
    def compiled(self) -> tuple[Words, Words]:
        out = dict.fromkeys(self.without, 0.0)
        terms = merged(TERMS, {**dict.fromkeys(self.terms, 1.0), **out})
        return Words.of(terms), Words.of(merged(CONFIDENTIAL, {**dict.fromkeys(self.confidential, 1.0), **out}))


def asks_confidentiality(draft: Draft, rules: RestrictRules) -> bool:
    return bool(rules.compiled[1].found_in(_text(draft)))


def restriction(draft: Draft, rules: RestrictRules, accusation: AccusationRules) -> str | None:
    """Why the case is restricted; None: it is not. Expects type and purpose to be understood already.

    The reason names the rule, never the text: it may be shown where the case may not.
    """
    if draft.restricted:
        return draft.restricted_reason or "restricted by the source"
    reasons = (
        ("purpose accusation", draft.purpose.code is PurposeCode.ACCUSATION),
        ("type report", draft.request_type.code is RequestTypeCode.REPORT),
        ("confidentiality requested", draft.confidential_requested),
        ("text accuses someone", accuses(draft, accusation)),
        ("configured term", rules.compiled[0].found_in(_text(draft))),
    )
    return next((reason for reason, applies in reasons if applies), None)


def _text(draft: Draft) -> str:
    return f"{draft.title}\n{draft.content or ''}"
