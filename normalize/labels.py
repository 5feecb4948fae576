"""Labelled text (姓名：… 电话：… 内容：…), as web forms mail it and letters close with it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from pydantic import BaseModel, ConfigDict, Field, field_validator

from normalize.form_tail import tail
from normalize.label_marks import Mark, key_of, marks
from normalize.label_words import DEFAULT_LABELS
from normalize.person_words import closed_up

_MORE_THAN_A_GREETING, _ENOUGH, _CLOSING_LINES = 15, 3, 10
_AROUND = " \t\r\n　;；|,，"
_ABOUT_A_PERSON = frozenset({"phone", "id_no", "address", "gender", "workplace", "email"})
_ANOTHER = re.compile(r"(?:负责人|校长|园长|老师|班主任|法人|法定代表人|老板|教练|被告人?|证人)(?:姓名)?$")
_ACCUSED = re.compile(r"被.{2}人(?:姓名)?")
_NOTHING = frozenset({"无", "没有", "暂无", "空", "/", "-", "--"})
_OF_AN_OFFICE = re.compile(r"(?:举报|检举|控告)(?:电话|热线|邮箱|信箱|网址|网站|平台|渠道|方式|须知|指南|说明)")
_SPOKEN = re.compile(r"我|孩子|学校")
_SYSTEM = re.compile(
    r"(?:您|你)(?:有|收到)|收到(?:一封|新)|新的?(?:来信|邮件|信件|留言)|(?:系统|自动)(?:发送|转发|生成|提交)|以下[是为]?(?:来信|信件|邮件|留言)|提交(?:如下|的信息)"
)
_SHORT_HAN = re.compile(r"[\u4e00-\u9fff](?:[ \u3000]+[\u4e00-\u9fff]){1,2}")


class LabelRules(BaseModel):
    """Which words in front of a colon name which field."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    words: dict[str, tuple[str, ...]] = Field(
        default_factory=lambda: dict(DEFAULT_LABELS),
        description="field -> label words; a field given here replaces that field's shipped words",
    )

    @field_validator("words")
    @classmethod
    def _on_top_of_the_shipped(cls, words: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        if unknown := sorted(set(words) - set(DEFAULT_LABELS)):
            raise ValueError(f"unknown label field {unknown[0]!r}, expected one of {', '.join(DEFAULT_LABELS)}")
        return {**DEFAULT_LABELS, **words}


@dataclass(frozen=True)
class Labelled:
    """What labels tell: values by field, values under words not known, and a citizen's words outside of them."""

    values: Mapping[str, str]
    others: Mapping[str, str] = field(default_factory=dict)
    before: str = ""
    """What a citizen wrote before the first label."""
    rest: str = ""
    """What stands under the last label's value, where none names the content."""
    is_form: bool = False
    """Whether this is a form a website filled in, not a remark under a letter."""
    words: tuple[str, ...] = ()
    """Its own words for what is filled in, without an office's numbers (举报电话)."""


def read(text: str, rules: LabelRules) -> Labelled:
    """The labelled values of a text; empty ones are left out.

    Of a label given twice the first counts; telephones count all.

    A value ends at its line, or at the next label in it; under a label alone on its line stands its value. Only
    `content` reaches over everything up to the labels, rules and notices that close the text, so that a line such as
    `学校：…` within a citizen's own words stays there.
    """
    every = marks(text, _fields(tuple(rules.words.items())))
    known = [mark for mark in every if mark.field]
    opening = next((mark for mark in known if mark.field == "content"), None)
    if opening is None:
        return _read(text, every, len(text))
    head = [mark for mark in every if mark.start <= opening.start]
    closing = tail(text, opening.end, every, frozenset(mark.field for mark in head if mark.field))
    return _read(text, [*head, *(mark for mark in every if mark.start >= closing)], closing)


def closing(text: str, rules: LabelRules) -> Mapping[str, str]:
    """The values of the labelled lines that close a letter; none of whom or what it is about.

    A label within a sentence is no label, and under 投诉对象：… stands what belongs to that one.
    """
    fields = _fields(tuple(rules.words.items()))
    kept: list[str] = []
    under = False
    for line in text.rstrip().split("\n")[-_CLOSING_LINES:]:
        found = marks(line, fields)
        begins = bool(found) and not line[: found[0].start].strip()
        if begins or under:
            kept.append(line)
        under = begins and not line[found[-1].end :].strip()
    if not kept:
        return {}
    every = marks("\n".join(kept), fields)
    return _read("\n".join(kept), every, len(text), closing=True).values


def _read(text: str, every: Sequence[Mark], content_end: int, *, closing: bool = False) -> Labelled:
    values: dict[str, str] = {}
    others: dict[str, str] = {}
    words: list[str] = []
    last = 0
    accused = ""
    named_later = [mark.start for mark in every if mark.field == "name"]
    for mark, following in zip(every, [*(each.start for each in every[1:]), len(text)], strict=False):
        is_content = mark.field == "content"
        value, last = _content(text, mark, content_end) if is_content else _value(text, mark, following)
        accused = _accused(mark, accused, closing=closing)
        theirs = accused != "" and mark.field in _ABOUT_A_PERSON and _spoken_for(mark, values, named_later)
        if not value:
            continue
        if value not in _NOTHING and not _OF_AN_OFFICE.search(mark.words):
            words.append(mark.words)
        if mark.field is None or theirs:
            others.setdefault(accused + mark.words if theirs else mark.words, value)
        elif mark.field == "phone" and "phone" in values:
            values["phone"] += f" / {value}"
        else:
            values.setdefault(mark.field, value)
    if not values:
        return Labelled(values, others, rest=text[last:].strip())
    head = text[: next(mark.start for mark in every if mark.field)]
    return Labelled(values, others, _spoken(head), text[last:].strip(), _is_form(values, head), tuple(words))


def _content(text: str, mark: Mark, end: int) -> tuple[str, int]:
    return text[mark.end : end].strip(" \t\r\n　;；|"), end


def _value(text: str, mark: Mark, following: int) -> tuple[str, int]:
    """A label's value on its line, or, where nothing is there, the next line's; and where it ends."""
    end = text.find("\n", mark.end, following)
    end = following if end < 0 else end
    value = text[mark.end : end].strip(_AROUND)
    if not value and not mark.cell:
        under = re.compile(r"\s*([^\n]+)").match(text, end, following)
        if under and not re.match(r"[^:：\n]{1,12}[:：]|-{3,}|={3,}|_{3,}", under[1]):
            value, end = under[1].strip(_AROUND), under.end()
    if mark.field in {"address", "title"} and value and following < len(text):
        value, end = _continued(text, value, end, following)
    if mark.field == "subject_party":
        value = re.split("[，,。；;]", value)[0]
    return (closed_up(value) if _SHORT_HAN.fullmatch(value) else value), end


def _continued(text: str, value: str, end: int, following: int) -> tuple[str, int]:
    """An address or title with the line after it, where that is all that stands before the next label."""
    more = text[end:following].strip("\n")
    if more.strip() and "\n" not in more.strip() and len(more) <= 40 and not re.search("[:：。！？]", more):
        return value + more.strip(_AROUND), following
    return value, end


def _accused(mark: Mark, accused: str, *, closing: bool) -> str:
    """被举报人：… opens lines about him (under a letter 投诉对象：… too); they last while they are a person's."""
    if mark.field == "subject_party":
        return mark.words if closing or _ACCUSED.fullmatch(mark.words) else ""
    if mark.field is None and _ANOTHER.search(mark.words):
        return mark.words
    return accused if mark.field in (None, *_ABOUT_A_PERSON) else ""


def _spoken_for(mark: Mark, values: Mapping[str, str], names: Sequence[int]) -> bool:
    """Whether the writer's own such line comes elsewhere, so that this one is the accused's."""
    return mark.field in values or not names or mark.start < names[-1]


def _of_the_citizen(before: str) -> str:
    """The lines before a form without a website's own sentences."""
    return "\n".join(
        line for line in before.split("\n") if re.search("我(?!局)|孩子", line) or not _SYSTEM.search(line)
    ).strip()


def _spoken(before: str) -> str:
    """What a citizen wrote before a form, where it is more than a greeting."""
    text = _of_the_citizen(before)
    han = sum("\u4e00" <= character <= "\u9fff" for character in text)
    return text if han >= _MORE_THAN_A_GREETING and _SPOKEN.search(text) else ""


def _is_form(values: Mapping[str, str], before: str) -> bool:
    if "content" in values:
        return bool(values.keys() & {"name", "phone", "title", "email", "query_code", "anonymous", "address"})
    return len(values) >= _ENOUGH and not re.search("[\u4e00-\u9fff]{2}", _of_the_citizen(before))


@lru_cache(maxsize=16)
def _fields(words: tuple[tuple[str, tuple[str, ...]], ...]) -> Mapping[str, str]:
    return {key_of(word): field for field, labels in words for word in labels}
