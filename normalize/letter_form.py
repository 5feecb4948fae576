"""The form of a letter: what is printed over it, its heading, whom it addresses, and its words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from normalize.salutation import salutation

_LONGEST_HEADING = 50
_LABELLED = re.compile(r"^[^：:]{1,8}[：:]")
_CLOSING = re.compile(r"^(?:此致|敬礼|致敬|谢谢|落款)")
_ONE_WORD = re.compile("举报|投诉|控告|检举|信访|求助|建议|表扬|感谢|申诉|上访|反映|咨询|申请|报告|诉求|请求|来信")
_PRINTED_NAME = re.compile(
    r"[\u4e00-\u9fff（）()]{2,16}(?:小学|中学|大学|学校|学院|幼儿园|局|厅|委员会|政府|公司|集团|医院|银行)"
)
_ASKS = re.compile("关于|请|求|投诉|举报|反映|控告|质疑|建议|咨询|申请|要求|希望|感谢|表扬")


@dataclass(frozen=True)
class Form:
    """`letterhead` is what stands above the heading; `body` begins with the salutation, if there is one."""

    letterhead: tuple[str, ...]
    heading: str | None
    addressee: str | None
    body: tuple[str, ...]


def letter_form(paragraphs: Sequence[str]) -> Form:
    """Take a letter's paragraphs apart.

    The heading is a short paragraph that neither greets, labels nor ends as a sentence does, with more after it: the
    one before the salutation (a printed letterhead may stand over it), else the first that is no printed name, else
    what is asked for on the line under the salutation.
    """
    greeting = _greeting(paragraphs)
    place = greeting - 1 if greeting else _first_heading(paragraphs)
    greets = salutation(paragraphs[greeting]) if greeting is not None else None
    addressee = greets.who if greets else None
    if greeting == 0:
        place = 1 if len(paragraphs) > 2 and _ASKS.match(paragraphs[1]) else -1
    if not (0 <= place < len(paragraphs) - 1 and _is_heading(paragraphs[place])):
        return Form((), None, addressee, tuple(paragraphs))
    heading = paragraphs[place].strip(" 　《》【】")
    return Form(tuple(paragraphs[:place]), heading, addressee, tuple(paragraphs[place + 1 :]))


def begins_letter(paragraphs: Sequence[str]) -> bool:
    """Whether a page begins as a letter does: a heading and a salutation under it."""
    return any(
        _is_heading(paragraphs[place - 1]) and (greets := salutation(paragraphs[place])) is not None and greets.marked
        for place in range(1, min(4, len(paragraphs)))
    )


def _greeting(paragraphs: Sequence[str]) -> int | None:
    """Where the letter greets: under its heading, on its first line, or later if it says so in as many words."""
    told = {place: found for place, text in enumerate(paragraphs[:4]) if (found := salutation(text))}
    under_heading = (place for place in told if place and _is_heading(paragraphs[place - 1]))
    marked = (place for place, found in told.items() if found.marked or place == 0)
    return next(under_heading, next(marked, None))


def _first_heading(paragraphs: Sequence[str]) -> int:
    """The first paragraph, or the second if the first is the printed name of an institution."""
    printed = len(paragraphs) > 2 and _PRINTED_NAME.fullmatch(paragraphs[0].strip()) and not _ASKS.match(paragraphs[0])
    return 1 if printed and _is_heading(paragraphs[1]) else 0


def _is_heading(text: str) -> bool:
    text = text.strip()
    if _ONE_WORD.fullmatch(text):
        return True
    if not 3 <= len(text) <= _LONGEST_HEADING or re.search(r"[：:。，,；;、.]$", text) or "。" in text:
        return False
    return not (
        salutation(text) or _LABELLED.match(text) or _CLOSING.match(text) or re.search(r"(?:您|你|大家)好", text)
    )
