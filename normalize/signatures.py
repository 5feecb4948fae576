"""The names under a letter or mail, each with the telephone number on its own line."""

from __future__ import annotations

import re
from dataclasses import dataclass

from normalize.person_words import HAN, ROLE, closed_up
from normalize.phones import LABEL, narrowed, phones
from normalize.surnames import is_person_name

_LINES, _LONGEST, _LONGEST_ROLE = 8, 80, 40
_DATE = re.compile(r"\s*(?:\d{4}|[〇零○一二三四五六七八九]{4})\s*[年./-].*$")
_PHONE_TAIL = re.compile(
    rf"[\s,，、]*[(（]?\s*(?:(?:联系)?{LABEL}(?:号码?)?)?\s*[:：]?\s*[+\d][\d ()-]{{6,40}}[)）]?\s*$", re.IGNORECASE
)
# Ways to be reached behind a name, but no sentence.
_REACHED = re.compile(
    rf"(?<=[{HAN})）])[\s,，、(（]*(?:(?:联系|我的)?{LABEL}|(?:通信|通讯|联系|家庭)(?:地址|住址)|QQ|微信|邮箱|e-?mail|身份证|住址|地址|邮编)"
    r"(?:号码?)?\s*[:：\d](?:(?![请问想望。]).)*$",
    re.IGNORECASE,
)
_LAST_SENTENCE = re.compile(r"[。！？!?；;][^。！？!?；;]{2,40}$")
_PARENTHESES = re.compile(r"[(（][^()（）]{0,30}[)）]\s*$")
_FLOURISH = re.compile(r"\s*(?:敬上|谨上|敬启|谨启|拜上|叩首|亲笔|(?<=\s)[上呈启])$")
_SOME = re.compile(r"等\s*\d{0,5}\s*[名位]?(?:人|户|家长|业主)?$")
_DATED = re.compile(r"[年./-]")
_NUMBERED, _CLOSED = re.compile(r"[\d ()）-]\s*$"), re.compile(r"[)）]\s*$")
_ENDINGS = (
    (_REACHED, re.compile("电|手|联系|座机|固话|tel|phone|mobile|址|QQ|微信|邮|mail|身份证", re.IGNORECASE)),
    (_PHONE_TAIL, _NUMBERED),
    (_PARENTHESES, _CLOSED),
    (_PHONE_TAIL, _NUMBERED),
    (_FLOURISH, re.compile("[上启首笔呈]$")),
    (_SOME, re.compile("等")),
)
"""What a signature may end in, and what every such ending shows."""
_SEPARATOR = re.compile(r"[、,，\s/;；和]+")
_SIGNER = re.compile(
    rf"(?<!被)(?:(?:反映|投诉|举报|检举|控告|信访|申请|写信|来信|上访|上诉|建议|求助|咨询|联名|具名|署名|签名|落款|留言|诉求|申诉)人?|{ROLE})"
    r"(?:们|代表)?(?:姓名)?$"
)
_UNIT = re.compile(
    rf"(?!请|举报|投诉|反映|关于)[{HAN}]{{2,20}}(?:中学|小学|学校|幼儿园|大学|学院|公司|街道|社区|小区|[村镇县市区厂局班])$"
)
_GAP = re.compile(r"[:：]\s*|\s+")
_GLUED = re.compile(rf"(?:一[位名个])?([{HAN}]{{0,12}}?{ROLE})([{HAN}]{{2,4}})")
_NAME_END = re.compile(rf"[{HAN}][、,，/;；和\s]*$")
_APART = re.compile(r"[\s和]")
"""Where none of these is, pieces between commas are the pieces between any separators."""
_PUPIL = re.compile(r"(?:学生|考生|孩子|学员)$")


@dataclass(frozen=True)
class Signer:
    """One who signs: his name, the numbers on his line, the line's place in the text."""

    name: str
    phones: tuple[str, ...]
    start: int
    end: int


@dataclass(frozen=True)
class _Line:
    text: str
    start: int


def signatures(text: str) -> tuple[str, ...]:
    """The names under a letter, in order, each once."""
    return tuple(dict.fromkeys(each.name for each in signers(text)))


def signers(text: str) -> list[Signer]:
    """Who signs, in the closing lines: a line of names alone, perhaps with 家长：before or a number after it.

    Lines of one kind that stand together are signatures together. A pupil's line counts only where nobody else signs.
    """
    lines = _closing(text)
    found: list[list[Signer]] = [_on(line) for line in lines]
    told = [place for place, signed in enumerate(found) if signed]
    grown = [place for place in told if not _PUPIL.search(_before(lines[place].text))]
    if not (chosen := grown or told):
        return []
    last = first = chosen[-1]
    while first - 1 in chosen and _alike(lines[first - 1], lines[last]):
        first -= 1
    return [signer for place in range(first, last + 1) for signer in found[place]]


def _closing(text: str) -> list[_Line]:
    """The last lines with something on them; the first line of a text is a signature only where it is long."""
    begin = max(0, len(text) - 1000)
    lines, position = [], begin
    for line in text[begin:].split("\n"):
        if line.strip():
            lines.append(_Line(line, position))
        position += len(line) + 1
    written = (lines if begin else lines[1:])[-_LINES:]
    # who writes in one go signs behind his last sentence
    if lines and (last := _LAST_SENTENCE.search(lines[-1].text.rstrip())):
        written.append(_Line(lines[-1].text[last.start() + 1 :], lines[-1].start + last.start() + 1))
    return written


def _on(line: _Line) -> list[Signer]:
    text = narrowed(line.text).strip(" \t")
    if len(text) > _LONGEST:
        return []
    names = _names(_bare(text))
    own = phones(text, field=True) if names else ()
    place = (line.start, line.start + len(line.text))
    return [Signer(name, own if number == 0 else (), *place) for number, name in enumerate(names)]


def _bare(line: str) -> str:
    """A signature without the date, telephone number, parentheses and flourish it may end in."""
    line = _DATE.sub("", line) if _DATED.search(line) else line
    for ending, sign in _ENDINGS:
        line = line.rstrip(" 。.，,：:、")
        if sign.search(line):
            line = ending.sub("", line)
    return line.strip(" 。.，,：:、")


def _names(line: str) -> tuple[str, ...]:
    """The names a signature gives: the whole line, or what stands behind a role, a unit or 署名."""
    if not _NAME_END.search(line):
        return ()
    if names := _all_names(line):
        return names
    for gap in reversed([*_GAP.finditer(line)]):
        if (names := _all_names(line[gap.end() :])) and _signs(line[: gap.start()]):
            return names
    glued = _GLUED.fullmatch(line)
    return (glued[2],) if glued and is_person_name(glued[2]) and not _PUPIL.search(glued[1]) else ()


def _signs(before: str) -> bool:
    """Whether a signature's words before the name are a role, a unit with a role, or a label."""
    before = before.rstrip(" :：")
    signs = _SIGNER.search(before) or _UNIT.fullmatch(before)
    return len(before) <= _LONGEST_ROLE and signs is not None and "。" not in before


def _all_names(text: str) -> tuple[str, ...]:
    """The names if there is nothing else; 刘 洋 is one, 刘洋 王芳 are two."""
    pieces = [piece for piece in _SEPARATOR.split(text) if piece]
    if pieces and all(is_person_name(piece) for piece in pieces):
        return tuple(pieces)
    if not _APART.search(text):
        return ()
    pieces = [piece for piece in re.split(r"[、,，/;；]+", closed_up(text)) if piece]
    return tuple(pieces) if pieces and all(is_person_name(piece) for piece in pieces) else ()


def _before(line: str) -> str:
    return re.split(r"[:：]|\s(?=\S+$)", line.strip(), maxsplit=1)[0]


def _alike(one: _Line, other: _Line) -> bool:
    """Whether two signed lines are of one kind: both bare, or both behind the same words."""
    return _kind(one.text) == _kind(other.text)


def _kind(line: str) -> str:
    signed = _SIGNER.search(_before(line))
    return signed[0] if signed else ""
