"""Whose a number in running text is: the writer's, or somebody else's he writes about."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from normalize.person_words import ADJACENT, CHILD, HAN, OTHER_KIN, ROLE, TITLE
from normalize.self_naming import Introduction
from normalize.surnames import is_person_name

_FAR = 240
"""As far back as a sentence is read for the person it speaks of."""

_ALMOST_THE_END = 12
_ENDS = re.compile(r"[。！？!?；;\n](?!\s*$)")
_LABEL = r"(?:电\s{0,2}话|手\s{0,2}机|联系方式|联系号码|号码|微信|座机|身份证?|证件|住址|地址|tel)"
_SELF = re.compile(
    rf"(?P<described>(?:我|本人)就?(?:是|系)[^，,。；;\n]{{0,30}}?{ROLE}(?=[，,、。；;：:（( 　\n]|{_LABEL}|$))|"
    rf"联系人[:：]?[^，,。；;\n]{{0,12}}|"
    rf"本人[{HAN}]某某?|想(?:要|请)?(?:问|咨询|请教|了解|反映)|请(?:致|来|回|拨)?(?:打|电)|(?:^|[，,、；;：:（(\s。]|请|但|而|以上|以下)(?:我(?![们校园班])|本人)|我(?:本人)?的?(?:联系|家庭)?{_LABEL}|(?:联系|找|给|与|和|跟|向|通知|告知|回复)(?:我(?!们[校园班])|本人)|"
    r"(?:请|盼|望|希望|恳请|如有|如需|如果|静候|期待)(?=[^，,。]{0,16}(?:联系|回复|回电|来电|致电|答复|告知|处理|解决|调查|核实|帮助|重视|查处|保密|[，,]))"
)
_KIN = re.compile(
    rf"{OTHER_KIN}|被(?:投诉|举报|反映|检举|控告|申请).{{1,2}}[:：]|(?:投诉|举报|反映)(?:对象|单位|学校)[:：]|(?<![{HAN}])[{HAN}]某[某{HAN}]?|[{HAN}]某某?"
)
_TITLE_NAME = re.compile(rf"(?P<title>{TITLE})(?:[是叫为]|名叫|姓名)?[:： ]?(?P<after>[{HAN}]{{2,4}})")
_NAME_TITLE = re.compile(rf"(?P<before>[{HAN}]{{1,3}})(?P<title>{TITLE})")
_ADJACENT = re.compile(rf"{ADJACENT}(?P<gap>[^，,。；;：:（(\n]{{0,8}}?)[（(]?{_LABEL}[^，,。；;\n]{{0,8}}$")
_DIALLED = re.compile(
    r"(?<!请)(?<!可)(?<!请拨)(?<!可拨)(?:打|拨|致电|来电显示|接到|收到|查到)(?:了|过|通)?[^，,。；;\n]{0,20}$"
)
# Surnames that hardly end another word, so that 王老师 is a person and 班主任老师 is not.
_SURNAMES = frozenset(
    "王李张刘陈杨黄赵周吴徐孙朱胡郭梁郑罗宋谢唐韩曹许邓萧冯曾程蔡彭潘袁董余苏吕魏蒋杜丁沈姜范傅钟卢汪戴崔陆廖姚邱夏谭贾邹熊孟秦"
    "薛侯雷龙郝邵史毛顾赖贺尹钱施洪龚"
)
_NAMED_BEFORE = re.compile(
    rf"(?P<run>[{HAN}]{{2,12}})[，,、：:（( 　]{{0,2}}(?:的?(?:联系|手机|家庭)?{_LABEL}[^，,。；;\n]{{0,6}})?$"
)
_LEADING = re.compile(
    r"(?:实名|请|要求|严)?(?:举报|投诉|控告|检举|揭发|反映|查处|调查|是|叫|为|找|联系|由|向|和|与|跟|经|及|有个)$"
)
_AFTERWARDS = re.compile(r"^[^，,。；;\n]{0,2}(?:是|为)(?:我|本人)的?")
_BEGINS_WITH_LABEL = re.compile(rf"^[ \t　【\[(（]*(?:其|联系|手机)?{_LABEL}")


class _Whose(Enum):
    WRITERS = "the writer's"
    ANOTHERS = "another's"
    NOT_SAID = "not said"


@dataclass(frozen=True)
class Speaking:
    """A text in the writer's own words, who he is in it, and where its signature block begins."""

    text: str
    names: Sequence[str]
    introductions: Sequence[Introduction]
    closing: int

    def is_writers(self, start: int, end: int, *, labelled: bool, childs: bool = False, said: bool = False) -> bool:
        """Whether what stands at this place (a number, an address's label) belongs to the writer.

        It belongs to the person named nearest before it in its sentence, whatever commas stand between; where the
        sentence names nobody, to the writer if it is labelled, stands in the signature block or ends the text.
        `childs`: a child has such a number too, an identity number but no telephone.
        `said`: it must be said whose it is, a label alone is not enough.
        """
        if _AFTERWARDS.match(self.text[end : end + 12]):
            return True
        begin = self._sentence(start)
        whose = self._nearest(begin, start, labelled=labelled, childs=childs)
        if whose is not _Whose.NOT_SAID:
            return whose is _Whose.WRITERS
        if _BEGINS_WITH_LABEL.match(self.text[begin:start]) and self._carried(begin) is _Whose.ANOTHERS:
            return False
        if start >= self.closing:
            return True
        return not said and (labelled or len(self.text[end:].strip(" 　\n。！!）)")) <= _ALMOST_THE_END)

    def nearest_name(self, place: int) -> str | None:
        """Which of the writers is named last before this place in its sentence."""
        before = self.text[self._sentence(place) : place]
        at, name = max(((before.rfind(name), name) for name in self.names), default=(-1, ""))
        return name if at >= 0 else None

    def _sentence(self, place: int) -> int:
        floor = max(0, place - _FAR)
        begins = [end.end() for end in _ENDS.finditer(self.text, floor, place)]
        return begins[-1] if begins else floor

    def _nearest(self, begin: int, end: int, *, labelled: bool, childs: bool) -> _Whose:
        before = self.text[begin:end]
        spans = list(self._selves(begin, before))
        people = _others(before, self.names, childs=childs)
        others = [at for at in people if not any(first <= at < last for first, last in spans)]
        last_self = max((last for _, last in spans), default=-1)
        adjacent = _ADJACENT.search(before)
        if adjacent and adjacent.start() >= last_self and not re.search("我|本人|家长|联系我", adjacent["gap"]):
            return _Whose.ANOTHERS
        if max(others, default=-1) >= last_self and others:
            return _Whose.ANOTHERS
        if _DIALLED.search(before):
            return _Whose.ANOTHERS
        if last_self < 0:
            return _Whose.NOT_SAID
        return _Whose.WRITERS if labelled or len(before) - last_self <= 8 else _Whose.NOT_SAID

    def _selves(self, begin: int, before: str) -> Iterator[tuple[int, int]]:
        """Where the writer speaks of himself, from and to."""
        for found in _SELF.finditer(before):
            yield found.span()
        for name in self.names:
            for found in re.finditer(re.escape(name), before):
                yield found.span()
        for each in self.introductions:
            if begin <= each.start < begin + len(before):
                yield each.start - begin, each.end - begin

    def _carried(self, begin: int) -> _Whose:
        """Whom the sentence before this one named, where this one begins with a bare 电话："""
        end = begin - 1
        if end <= 0:
            return _Whose.NOT_SAID
        before = self.text[self._sentence(end) : end]
        named = next(_titled(before, self.names, childs=False), None) is not None
        return _Whose.ANOTHERS if named and not any(name in before for name in self.names) else _Whose.NOT_SAID


def _others(before: str, own: Sequence[str], *, childs: bool) -> Iterator[int]:
    """Where somebody else is spoken of."""
    for found in _KIN.finditer(before):
        yield found.start()
    yield from _titled(before, own, childs=childs)
    if (named := _NAMED_BEFORE.search(before)) and _is_bare_name(named["run"], own):
        yield named.start()


def _titled(before: str, own: Sequence[str], *, childs: bool) -> Iterator[int]:
    """Where a title stands with a name beside it that is not the writer's: 校长李大明, 王老师."""
    for found in _TITLE_NAME.finditer(before):
        if not childs and re.fullmatch(CHILD, found["title"]):
            continue
        if any(is_person_name(found["after"][:size]) and found["after"][:size] not in own for size in (2, 3)):
            yield found.start()
    for found in _NAME_TITLE.finditer(before):
        name = found["before"]
        if not childs and re.fullmatch(CHILD, found["title"]):
            continue
        if name[-1] in _SURNAMES or any(is_person_name(name[-size:]) for size in (2, 3)):
            yield found.end("before")


def _is_bare_name(run: str, own: Sequence[str]) -> bool:
    """Whether a run of characters is, or after a verb ends with, the name of somebody who is not the writer."""
    for size in (3, 2, 4):
        name, leading = run[-size:], run[:-size]
        if is_person_name(name) and len(run) >= size and (not leading or _LEADING.search(leading)):
            return name not in own
    return False
