"""Persons in running text: their telephone numbers, identity numbers, names, addresses and wishes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from normalize.surnames import is_person_name

_WIDE = str.maketrans("０１２３４５６７８９（）＋－—–‐　：Ｘｘ", "0123456789()+---- :Xx")
_LOOKALIKE = str.maketrans("OoＯ〇○IlｌＩ×✕╳хХⅩｘＸx", "00000" + "1111" + "XXXXXXXXX")

_MOBILE = r"(?:(?:\+|00)?86[\s-]*)?(1[3-9]\d(?:[ -]?\d{4}){2})"
_LANDLINE = r"(?:(?:\+|00)?86[\s-]*)?\(?(0(?:10|2\d|[3-9]\d{2}))\)?[\s-]*([2-8]\d{3}[ -]?\d{3,4})"
_SERVICE = r"([48]00)[ -]?(\d(?:[ -]?\d){6})"
_EXTENSION = r"(?:\s*(?:转|分机|ext\.?|-)\s*:?\s*(\d{1,6}))?"
_PHONE = re.compile(rf"(?<![\dA-Za-z.-])(?:{_MOBILE}|{_LANDLINE}{_EXTENSION}|{_SERVICE})(?![\d])", re.IGNORECASE)
_LOCAL = re.compile(r"(?<![\d-])([2-8]\d{3}[ -]?\d{3,4})(?![\d-])")
_TWO_RUN_TOGETHER = re.compile(r"(?<!\d)(1[3-9]\d{9})(1[3-9]\d{9})(?!\d)")

_ID18 = re.compile(r"(?<![0-9A-Za-z])(?:[0-9OoIlＯ〇○][ \-]?){17}[0-9OoIlXxхХ×✕╳Ⅹ〇○](?![0-9A-Za-z])")
_ID15 = re.compile(r"(?<![0-9A-Za-z.-])[1-8]\d{14}(?![0-9A-Za-z.-])")
_PROVINCES = re.compile("1[1-5]|2[123]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[123]")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


@dataclass(frozen=True)
class IdentityNumber:
    """A resident identity number (GB 11643) found in a text.

    `number` is what is written, lookalike letters corrected; `canonical` its eighteen-digit form, the one to look a
    person up by. `valid`: province, birthday and check digit (eighteen digits only) fit.
    """

    number: str
    canonical: str
    valid: bool
    birth: date | None
    gender: str | None


def phones(text: str, *, field: bool = False) -> tuple[str, ...]:
    """The telephone numbers in a text, in order, each once.

    Mobile as eleven digits, landline as `0519-81234567` (extension: `0519-81234567-801`), service numbers as
    `4001234567`. With `field` the text is a telephone field, where seven or eight bare digits are a local number.
    """
    words = _TWO_RUN_TOGETHER.sub(r"\1 \2", text.translate(_WIDE))
    found = [(match.start(), _phone(match)) for match in _PHONE.finditer(words)]
    if field:
        rest = _PHONE.sub(lambda match: "#" * len(match[0]), words)
        found += [(match.start(), _bare(match[1])) for match in _LOCAL.finditer(rest)]
    return tuple(dict.fromkeys(number for _, number in sorted(found)))


def identity_numbers(text: str, *, field: bool = False) -> tuple[IdentityNumber, ...]:
    """The identity numbers in a text, each once; with `field` (an identity field) also those that do not check out.

    Letters read or typed for digits (O, I, l, ×) are corrected, spaces dropped, full-width digits read.
    """
    words = text.translate(_WIDE)
    written = [match[0] for match in _ID18.finditer(words)] + [match[0] for match in _ID15.finditer(words)]
    numbers = (identity_number(each) for each in written)
    return tuple({each.canonical: each for each in numbers if each.valid or field}.values())


def identity_number(written: str) -> IdentityNumber:
    """Judge one identity number as written."""
    number = re.sub(r"[\s-]", "", written.translate(_WIDE)).translate(_LOOKALIKE).upper()
    canonical = _upgraded(number) if len(number) == 15 and number.isdecimal() else number
    well_formed = re.fullmatch(r"\d{17}[\dX]", canonical) is not None
    birth = _birth(canonical) if well_formed else None
    valid = birth is not None and bool(_PROVINCES.match(canonical)) and _check_digit(canonical[:17]) == canonical[17]
    gender = (("女", "男")[int(canonical[16]) % 2]) if valid else None
    return IdentityNumber(number, canonical, valid, birth, gender)


_NAME = r"([\u4e00-\u9fff]{1,8}(?:[·•・][\u4e00-\u9fff]{1,8})+|[\u4e00-\u9fff]{2,9})"
_GOES_ON = re.compile(
    r"(?:是|系|为|在|于|的|向|因|有|现|家住|住|反映|反应|投诉|举报|实名|咨询|求助|建议|申请|孩子|小孩|儿子|女儿|之|，|男|女|等|想|要|就|联系|电话|手机|身份|同学|先生|女士|老师)"
)
_INTRODUCED = re.compile(
    r"(?:本人(?:姓名|叫|系|是|名叫)?|我(?:的名字)?(?:叫|名叫|姓名[叫是]?)|(?<!校长)(?<!老师)(?:姓\s*名|联系人|反映人|投诉人|举报人|信访人|申请人|署名|落款|写信人|来信人|留言人|咨询人|求助人|家长姓名|家长))"
    rf"\s*[:：,，]?\s*{_NAME}"
)
_SIGNER = r"(?:(?:反映|投诉|举报|信访|申请|写信|来信|建议|求助|咨询)人|学生家长|家长代表|家长|业主|群众|教师|签名|署名)"
_SIGNATURE = re.compile(
    rf"^(?:一[位名个])?(?:{_SIGNER}\s*[:：]?\s*)?(.+?)\s*(?:敬上|谨上|敬启|上|呈|启|谨启|亲笔)?\s*(?:\(.*\)|（.*）)?$"
)
_NAME_SEPARATOR = re.compile(r"[、,，\s/;；和]+")


def names(text: str) -> tuple[str, ...]:
    """Persons who name themselves in a text (本人张三, 我叫…, 联系人：…, the signature), in order, each once."""
    introduced = (_trimmed_name(match[1]) for match in _INTRODUCED.finditer(text))
    return tuple(dict.fromkeys([name for name in introduced if name] + list(signatures(text))))


def signatures(text: str) -> tuple[str, ...]:
    """The names under a letter: in its last lines, a line of names alone, perhaps with 家长：before or 敬上 after."""
    lines = [line.strip() for line in text[-1000:].splitlines() if line.strip()]
    for line in reversed(lines[-5:] if len(text) > 1000 else lines[1:][-5:]):
        if len(line) > 60:
            continue
        signed = _SIGNATURE.match(_without_tail(line))
        if signed and (found := _all_names(_NAME_SEPARATOR.split(signed[1]))):
            return found
    return ()


_ADDRESS_LABELLED = re.compile(
    r"(?:家庭住址|家庭地址|通讯地址|联系地址|现住址|详细地址|户籍地|家住|现住|住在|居住[在于]|住址|地址)(?:是|为|在)?\s*[:：]?\s*([^，。,;；！!？?\n]{4,60})"
)
_ADDRESS_TAIL = re.compile(
    r"^.*(?:\d+|[一二三四五六七八九十甲乙丙丁])\s*(?:号楼|号|栋|幢|单元|室|弄|组|楼|户)|^.*?(?:小区|花园|新村|家园|公寓|村|苑|庭|镇|街道)"
)
_ADDRESS_FREE = re.compile(
    r"[\u4e00-\u9fff]{2,8}?(?:省|市|区|县)[\u4e00-\u9fffA-Za-z0-9]{2,30}?(?:路|街|巷|大道|小区|花园|新村|村|苑|庭|公寓)"
    r"[\u4e00-\u9fffA-Za-z]{0,12}?\d{1,5}(?:-\d{1,4}){0,3}\s*(?:号|栋|幢|单元|室|弄|组)(?:[\dA-Za-z甲乙丙丁-]{1,6}(?:号楼|号|栋|幢|单元|室|楼|户))*"
)


def addresses(text: str) -> tuple[str, ...]:
    """Where people say they live: after 家住, 住址 and the like, or a district with street and number."""
    found = []
    for match in _ADDRESS_LABELLED.finditer(text):
        tail = _ADDRESS_TAIL.match(match[1])
        if tail or re.match(r".*[省市区县]", match[1]):
            found.append((tail[0] if tail else match[1]).strip())
    if not found:
        found = [match[0] for match in _ADDRESS_FREE.finditer(text)]
    return tuple(dict.fromkeys(found))


_ANONYMOUS = re.compile(
    r"(?<!不)(?<!非)匿名(?:举报|反映|投诉|来信|信访|写信|留言|信)|(?:请|只能|选择|恕)(?:允许)?(?:我们?)?匿名|恕(?:我)?不(?:能|便)?(?:署名|具名|留名|实名)|不(?:愿|想|敢|便|方便)(?:透露|留下?|公开|署)(?:真实)?(?:姓名|名字|名)|^匿名$",
    re.MULTILINE,
)
_CONFIDENTIAL = re.compile(
    r"(?:请|望|希望|恳请|要求|务必|一定要?|能否|麻烦)[^。！？\n]{0,16}(?<!不)保密|(?:请|希望|恳请|千万|务必)?(?:不要|勿|别|不得)(?:对外)?(?:公开|泄露|透露|泄漏)(?:我|本人|举报人|投诉人|家长|学生|孩子|个人)|为[我本][^。\n]{0,6}保密"
)
_NOT_PUBLIC = re.compile(r"(?:不同意|不愿意?|请不要|请勿|不要|不希望)(?:对外|网上|在网上)?公开")


def asks_anonymity(text: str) -> bool:
    """Whether the writer says that he writes without his name."""
    return _ANONYMOUS.search(text) is not None


def asks_confidentiality(text: str) -> bool:
    """Whether the writer asks that who he is be kept secret."""
    return _CONFIDENTIAL.search(text) is not None


def refuses_publication(text: str) -> bool:
    """Whether the writer does not want the matter or its answer published."""
    return _NOT_PUBLIC.search(text) is not None


_JOINT_COUNT = re.compile(
    r"(?<![\d.])(\d{1,5})\s*[多余]?[名位个]?(?:家长|业主|学生家长|教师|老师|群众|居民|村民|人)(?:的?(?:联名|集体|共同|签名))|等\s*(\d{1,5})\s*[名位]?(?:人|家长)"
)


def joint_count(text: str) -> int | None:
    """How many people say they sign together (32名家长联名, 张三等15人); None: nobody says."""
    found = _JOINT_COUNT.search(text)
    return int(found[1] or found[2]) if found else None


def _phone(match: re.Match[str]) -> str:
    mobile, area, local, extension, service, rest = match.groups()
    if mobile:
        return _bare(mobile)
    if service:
        return _bare(service + rest)
    return f"{area}-{_bare(local)}" + (f"-{extension}" if extension else "")


def _bare(number: str) -> str:
    return re.sub(r"[^\d]", "", number)


def _upgraded(number: str) -> str:
    body = f"{number[:6]}19{number[6:]}"
    return body + _check_digit(body)


def _check_digit(body: str) -> str:
    return "10X98765432"[sum(int(d) * w for d, w in zip(body, _WEIGHTS, strict=True)) % 11]


def _birth(number: str) -> date | None:
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return None
    return born if 1880 <= born.year <= 2100 else None


def _trimmed_name(written: str) -> str | None:
    """The name a run of characters begins with: all of it, or as much as stands before a word that goes on."""
    if any(dot in written for dot in "·•・"):
        name = re.sub("[•・]", "·", written)
        return name if is_person_name(name) else None
    if is_person_name(written):
        return written
    sizes = (size for size in (2, 3, 4) if _GOES_ON.match(written[size:]))
    return next((written[:size] for size in sizes if is_person_name(written[:size])), None)


def _all_names(candidates: Iterable[str]) -> tuple[str, ...]:
    """The candidates if every one of them is a person's name, else nothing."""
    found = [each for each in candidates if each]
    return tuple(found) if found and all(is_person_name(each) for each in found) else ()


def _without_tail(line: str) -> str:
    """A signature line without the date, telephone number and flourish it may end in."""
    line = re.sub(r"\s*(?:\d{4}|[〇零○一二三四五六七八九]{4})\s*[年./-].*$", "", line.translate(_WIDE))
    line = re.sub(r"[\s,，]*(?:(?:联系)?电话|手机|Tel)?\s*:?\s*[+\d][\d\s()-]{6,}$", "", line)
    return line.strip(" 。.，,：:")
