"""The names by which people name themselves in running text: 我叫…, 本人…, 我是…的家长…, 联系人：…"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from normalize.hinted import Hinted
from normalize.person_words import HAN, ROLE, VERBS
from normalize.surnames import is_person_name

_RUN = re.compile(rf"([{HAN}]{{1,8}}(?:[·•・][{HAN}]{{1,8}})+|[{HAN}]{{2,9}})")
_GOES_ON = re.compile(
    rf"{VERBS}|是|为|在|于|的|向|因|有|现|孩子|小孩|儿子|女儿|之|，|等|想|要|就|身份|同学|先生|女士|老师|今年|来自|从|也|和|与"
)
_ENDS = re.compile(rf"(?:[^{HAN}]|$|{VERBS})")
# What follows is a name if it looks like one at all.
_CALLED = Hinted(
    "我本姓联反投举检控上申诉信写来留咨求具署落家原业居村教代",
    r"(?:(?<!让)我(?:的名字|姓名)?(?:叫做?|名叫|姓名[叫是为]?)|本人(?:的?姓\s?名[叫是为]?|叫做?|名叫)|"
    r"(?<!被)(?<!学校)(?<!公司)(?<!机构)(?<!对方)(?<!单位)(?:姓\s?名|联系人|(?:反映|投诉|举报|检举|控告|上诉|申诉|信访|申请|写信|来信|留言|咨询|求助|具名|诉求)人(?:姓名)?|署名|落款|家长姓名|(?<!被)原告)"
    r"|(?P<jointly>(?:家长|业主|居民|村民|教师|联名|诉求)?代表)(?=[ \u3000]{0,4}[:：])|家长(?=[ \u3000]{0,4}[:：]))"
    r"[ \u3000]{0,4}[:：,，]?[ \u3000]{0,4}",
)
# What follows is a name only if it ends as one does, or stands after a role.
_AM = Hinted("我本", r"(?:(?<!让)(?<!像)我(?:就?是|系|乃)|本人(?:就?是|系|为|乃)?)[ \u3000]{0,2}[,，]?")
_AFTER_ROLE = re.compile(
    rf"[^，。；;！？!?\n]{{0,30}}?{ROLE}[:： \u3000]{{0,2}}(?:姓名|名叫|叫做?)?[:： \u3000]{{0,2}}([{HAN}]{{2,4}})"
    rf"(?=[，,、。；;：:（( \u3000\n\d]|{VERBS}|$)"
)


@dataclass(frozen=True)
class Introduction:
    """A name someone gives himself, and where; `called`: with words that hardly mean anything else (我叫…)."""

    start: int
    end: int
    name: str
    called: bool
    jointly: bool = False
    """As one of several who speak for more: 代表：…"""


def introductions(text: str) -> list[Introduction]:
    """Every place where the writer names himself, in order."""
    return sorted([*_called(text), *_am(text)], key=lambda each: each.start)


def _called(text: str) -> Iterator[Introduction]:
    for trigger in _CALLED.finditer(text):
        run = _RUN.match(text, trigger.end())
        if run and (name := _name_of(run[1], _GOES_ON)):
            yield Introduction(
                trigger.start(), trigger.end() + len(name), name, called=True, jointly=bool(trigger["jointly"])
            )


def _am(text: str) -> Iterator[Introduction]:
    for trigger in _AM.finditer(text):
        tail = text[trigger.end() : trigger.end() + 48]
        run = _RUN.match(tail)
        direct = _name_of(run[1], _ENDS, tail[len(run[1]) :]) if run else None
        if direct:
            yield Introduction(trigger.start(), trigger.end() + len(direct), direct, called=False)
        elif (role := _AFTER_ROLE.match(tail)) and is_person_name(role[1]):
            yield Introduction(trigger.start(), trigger.end() + role.end(1), role[1], called=False)


def _name_of(run: str, goes_on: re.Pattern[str], rest: str = "") -> str | None:
    """The name a run of characters begins with: the shortest before a word that goes on, else all of it."""
    if any(dot in run for dot in "·•・"):
        name = re.sub("[•・]", "·", run)
        return name if is_person_name(name) else None
    for size in (2, 3, 4):
        if size < len(run) and is_person_name(run[:size]) and goes_on.match(run[size:]):
            return run[:size]
    whole = is_person_name(run) and (not rest or goes_on.match(rest))
    return run if whole else None
