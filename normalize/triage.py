"""What an office does first with a case: how urgent, what to know, whose desk."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cached_property

from pydantic import BaseModel, ConfigDict, Field

from normalize.case import Draft, Flag, PurposeCode, RequestTypeCode, Triage, Unit, Urgency
from normalize.own_words import acknowledges
from normalize.topic_words import OTHER
from normalize.triage_words import DANGER, FLAGS, HASTE, IMPORTANT
from normalize.words import Words, merged

_NAMED = re.compile(
    r"[^\W_](?<![的们我你他该个这那本各全所在去到读上和与是有家每某哪些从对向给让被因于大中小高初专])"
    r"(?:学校|中学|小学|幼儿园|大学|学院|高中|初中|职校|职高|技校|附中|附小|职院|驾校|中专|[一二三四五六七八九十\d]中|校区|机构|公司|教育局|厅)"
    r"|[^\W_](?<![城农地全本我各都每社小校学片辖郊跨出入外])(?:[市县区镇乡村省]|街道|小区|社区)"
)
"""A place or institution with a name, not just "我们学校" or "全市"."""

UNITS: Mapping[str, str] = {
    "admission": "基础教育处",
    "transfer": "基础教育处",
    "exam": "教育考试院",
    "fees": "财务审计处",
    "workload": "基础教育处",
    "teacher_conduct": "教师工作处",
    "teaching_aids": "基础教育处",
    "after_school": "基础教育处",
    "recruitment": "组织人事处",
    "teacher_pay_title": "组织人事处",
    "safety": "学校安全管理处",
    "catering": "学校安全管理处",
    "facilities": "发展规划处",
    "school_operation": "基础教育处",
    "training": "校外教育培训监管处",
    "records": "学籍管理中心",
    "aid": "学生资助管理中心",
    "culture_sport": "体育卫生艺术处",
}


class TriageRules(BaseModel):
    """Section `rules.triage`: words for danger, haste and flags, and what makes a matter one for a leader."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    danger: dict[str, float] = Field(
        default_factory=dict, description="words of danger, added to the shipped ones; 0 removes"
    )
    haste: dict[str, float] = Field(
        default_factory=dict, description="words of haste, added to the shipped ones; 0 removes"
    )
    urgent_from: float = Field(default=2.5, gt=0, description="from this weight of danger and haste a case is urgent")
    critical_from: float = Field(default=6.0, gt=0, description="from this weight a case is critical")
    flags: dict[Flag, dict[str, float]] = Field(
        default_factory=dict, description="words that set a flag, added to the shipped ones; 0 removes"
    )
    leader_terms: dict[str, float] = Field(
        default_factory=dict, description="words that put a case before a leader, added to the shipped ones; 0 removes"
    )
    leader_count: int = Field(default=5, ge=2, description="from so many petitioners on a case goes before a leader")
    short: int = Field(default=25, ge=0, description="a text shorter than this is too little to act on")

    @cached_property
    def compiled_urgency(self) -> tuple[Words, Words]:
        return Words.of(merged(DANGER, self.danger)), Words.of(merged(HASTE, self.haste))

    @cached_property
    def compiled_flags(self) -> tuple[tuple[Flag, Words], ...]:
        codes = [*FLAGS, *(flag for flag in self.flags if flag not in FLAGS)]
        return tuple((flag, Words.of(merged(FLAGS.get(flag, {}), self.flags.get(flag, {})))) for flag in codes)

    @cached_property
    def compiled_leader(self) -> Words:
        return Words.of(merged(IMPORTANT, self.leader_terms))


class UnitRules(BaseModel):
    """Section `rules.units`: who handles what here. Without one of its own a topic has the shipped unit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    topics: dict[str, str] = Field(default_factory=dict, description="topic code: unit; empty text: no suggestion")
    discipline: str = Field(
        default="纪检监察组", description="the discipline line, for accusations; never the named unit"
    )


def urgency(draft: Draft, rules: TriageRules) -> Urgency:
    """The higher of what the source says and what the words say."""
    danger, haste = (words.weight_in(_text(draft)) for words in rules.compiled_urgency)
    weight = danger + haste
    read = Urgency.NORMAL
    if weight >= rules.urgent_from:
        read = Urgency.CRITICAL if danger >= rules.critical_from else Urgency.URGENT
    order = list(Urgency)
    return max(draft.urgency, read, key=order.index)


def flags(draft: Draft, rules: TriageRules) -> tuple[Flag, ...]:
    """The source's flags and those the words set, in the contract's order."""
    text = _text(draft)
    read = {flag for flag, words in rules.compiled_flags if words.weight_in(text) > 0}
    return tuple(flag for flag in Flag if flag in read or flag in draft.flags)


def triage(draft: Draft, rules: TriageRules) -> Triage:
    """What to do first. Expects type, purpose, urgency and flags to be understood already."""
    if draft.purpose.code is PurposeCode.ACCUSATION:
        return Triage.DISCIPLINE
    if needs_contact(draft, rules):
        return Triage.NEED_CONTACT
    if _is_for_a_leader(draft, rules):
        return Triage.LEADER_REVIEW
    if draft.request_type.code is RequestTypeCode.CONSULT:
        return Triage.DIRECT_REPLY
    return Triage.NORMAL


def needs_contact(draft: Draft, rules: TriageRules) -> bool:
    """Too little to route it: hardly any text, or a request about an unnamed place.

    A question about a known topic can be answered wherever it is about, and thanks ask for nothing.
    """
    text = _text(draft)
    is_clear = draft.request_type.code is RequestTypeCode.CONSULT and draft.topics[:1] not in {(), (OTHER,)}
    if is_clear or acknowledges(draft.content or ""):
        return False
    if len(text.strip()) < rules.short and not draft.subject_party:
        return True
    general = draft.request_type.code in {RequestTypeCode.SUGGESTION, RequestTypeCode.PRAISE}
    named = draft.subject_party or draft.region.code or draft.region.name or _NAMED.search(text)
    return not general and not named


def suggested_unit(draft: Draft, rules: UnitRules) -> Unit | None:
    """The unit for the main topic, with the reason; an accusation goes to the discipline line."""
    if draft.triage is Triage.DISCIPLINE:
        return Unit(name=rules.discipline, reason="accusation") if rules.discipline else None
    for topic in draft.topics[:1]:
        name = rules.topics.get(topic, UNITS.get(topic))
        return Unit(name=name, reason=f"topic {topic}") if name else None
    return None


def unknown_topics(rules: UnitRules, known: Iterable[str]) -> tuple[str, ...]:
    """Topics with a unit that no topic words lead to: a slip in the configuration."""
    return tuple(sorted(set(rules.topics) - set(known)))


def _is_for_a_leader(draft: Draft, rules: TriageRules) -> bool:
    return (
        draft.urgency is Urgency.CRITICAL
        or Flag.THREAT in draft.flags
        or Flag.MEDIA_HOT in draft.flags
        or bool(draft.joint)
        or (draft.petitioner_count or 0) >= rules.leader_count
        or rules.compiled_leader.weight_in(_text(draft)) > 0
    )


def _text(draft: Draft) -> str:
    return f"{draft.title}\n{draft.content or ''}"
