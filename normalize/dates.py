"""Dates and times as people and platforms in China write them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from normalize.surnames import is_person_name

CHINA = ZoneInfo("Asia/Shanghai")
_EXCEL_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001  a spreadsheet's day count has no zone of its own

_DIGITS = {
    **dict(zip("〇零一二三四五六七八九", "00123456789", strict=True)),
    **{digit: digit for digit in "0123456789"},
    **dict.fromkeys("○ＯOo", "0"),
    "元": "1",
}
_HAN = "〇零○ＯOo一二三四五六七八九十廿卅"
_WIDE = str.maketrans("０１２３４５６７８９：－／．，　", "0123456789:-/., ")

# 二0二六年: whoever writes Chinese digits may take the nought from the keyboard
_YEAR = rf"(\d{{4}}|\d{{2}}(?=\s*年)|[{_HAN}0-9]{{4}}(?=\s*年)|[{_HAN}]{{4}}|[{_HAN}]{{2}}(?=\s*年))"
_MONTH = rf"(\d{{1,2}}|[{_HAN}]{{1,3}}|元(?=\s*月))"
_DATE = re.compile(
    rf"(?<![\d{_HAN}]){_YEAR}\s*(?:[-/.、]|年)\s*{_MONTH}\s*(?:[-/.、]|月份?)\s*(\d{{1,2}}|[{_HAN}]{{1,3}})(?!\d)\s*[日号]?"
)
_COMPACT = re.compile(r"^((?:19|20)\d{2})(\d{2})(\d{2})(?:[ T]?(\d{2})(\d{2})(\d{2})?)?$")
_NO_YEAR = re.compile(rf"(?<![\d{_HAN}年-]){_MONTH}\s*月\s*(\d{{1,2}}|[{_HAN}]{{1,3}})\s*[日号]")
_LONGEST_CLOSING = 40
# What may stand behind the day a letter is signed: 星期一, 夜, 晚9点, 于常州.
_BEHIND_DAY = re.compile(
    r"\s*[(（]?(?:(?:星期|周)[一二三四五六日天])?[)）]?\s*(?:凌晨|清晨|早上?|晨|上午|中午|下午|傍晚|夜?晚上?|深?夜里?)?"
    r"\s*(?:\d{1,2}[:时点](?:\d{1,2}分?|半)?)?\s*(?:写?于[\u4e00-\u9fff]{1,8})?"
)
_CLOCK = re.compile(
    r"^[\sT,]*(?:(?:星期|周)[一二三四五六日天])?\s*(上午|下午|晚上?|中午|凌晨)?\s*(\d{1,2})(?:[:时点])\s*(\d{1,2}|半)?(?:[:分]\s*(\d{1,2}))?"
    r"(?:[.,](\d{1,9}))?\s*秒?\s*([AP]M\b)?\s*(Z|[+-]\d{2}:?\d{2}|\+\d{2}(?!\d))?",
    re.IGNORECASE,
)
_HALF_DAY = {"下午": 12, "晚": 12, "晚上": 12, "中午": 12, "PM": 12, "AM": 0, "凌晨": 0}


def parse_moment(text: str | float, tz: tzinfo = CHINA, *, excel: bool = False) -> datetime | None:
    """Read a point in time: any form of `parse_date` with or without a clock, epoch seconds or milliseconds.

    A date alone is its midnight. A zone written in the text is obeyed, otherwise it is `tz`; the answer is aware.
    With `excel`, a bare number below 300,000 is a spreadsheet's day count. None: not a time we understand.
    """
    words = str(text).strip().translate(_WIDE)
    if re.fullmatch(r"\d+(?:\.\d+)?", words) and not _COMPACT.match(words):
        return _from_number(float(words), tz, excel=excel)
    if compact := _COMPACT.match(words):
        year, month, day, hour, minute, second = (int(group or 0) for group in compact.groups())
        return _moment(_day(year, month, day), (hour, minute, second, 0), tz)
    found = _DATE.match(words)
    day_written = _written_day(found) if found else None
    if found is None or day_written is None:
        return None
    return _with_clock(day_written, words[found.end() :], tz)


def parse_date(text: str) -> date | None:
    """Read a day: 2026-03-01, 2026/3/1, 2026.3.1, 20260301, 2026年3月1日, 二〇二六年三月一日, 26年3月1日."""
    moment = parse_moment(text)
    return moment.date() if moment else None


def dates(text: str) -> tuple[date, ...]:
    """Every day written out with its year in a text, in order."""
    found = (_written_day(match) for match in _DATE.finditer(text.translate(_WIDE)))
    return tuple(day for day in found if day)


def signature_date(text: str, near: date | None = None) -> date | None:
    """The day a letter was signed: the last day in its closing lines that stands at a line's end.

    Behind it may stand the time of day or the place, or the name when the line begins with the day. A day without a
    year is taken in the year that puts it latest before `near` (None: it is passed over).
    """
    lines = [line.strip() for line in text.translate(_WIDE).splitlines() if line.strip()]
    for line in reversed(lines[-6:]):
        tail = line[-_LONGEST_CLOSING:].rstrip("。.) ）")
        if day := _closing_day(tail, near):
            return day
    return None


def full_date(line: str) -> re.Match[str] | None:
    """The day with its year a line begins with."""
    return _DATE.match(line.translate(_WIDE))


def is_closing_date(line: str) -> bool:
    """Whether a line holds a day with its year, and the name or time of day beside it, and nothing else."""
    line = line.translate(_WIDE).strip("。. ")
    found = full_date(line) if len(line) <= _LONGEST_CLOSING else None
    return found is not None and _closes(found, line)


def _closing_day(line: str, near: date | None) -> date | None:
    full = [match for match in _DATE.finditer(line) if _closes(match, line)]
    if full:
        return _written_day(full[-1])
    short = [match for match in _NO_YEAR.finditer(line) if _closes(match, line)]
    if near is None or not short:
        return None
    month, day = _number(short[-1][1]), _number(short[-1][2])
    this_year = _day(near.year, month, day)
    return this_year if this_year and this_year <= near else _day(near.year - 1, month, day)


def _closes(match: re.Match[str], line: str) -> bool:
    """Whether nothing stands behind a day but what belongs to a signature."""
    rest = line[match.end() :]
    if _BEHIND_DAY.fullmatch(rest):
        return True
    return match.start() == 0 and is_person_name(rest.strip())


def _from_number(value: float, tz: tzinfo, *, excel: bool) -> datetime | None:
    if excel and 0 < value < 300_000:
        return (_EXCEL_EPOCH + timedelta(seconds=round(value * 86400))).replace(tzinfo=tz)
    if 1e11 <= value < 4.2e12:
        value /= 1000
    # the years 1973 to 2103: a telephone number is no time
    if not 1e8 <= value < 4.2e9:
        return None
    return datetime.fromtimestamp(value, UTC).astimezone(tz)


def _with_clock(day: date, rest: str, tz: tzinfo) -> datetime | None:
    clock = _CLOCK.match(rest)
    if clock is None:
        return _moment(day, (0, 0, 0, 0), tz)
    part, hour_text, minute, second, fraction, half_day, zone = clock.groups()
    hour = _hour(int(hour_text), (half_day or part or "").upper())
    micro = int((fraction or "0")[:6].ljust(6, "0"))
    return _moment(day, (hour, 30 if minute == "半" else int(minute or 0), int(second or 0), micro), tz, zone)


def _hour(hour: int, part: str) -> int:
    """The hour of the day: 下午3点 and 3 PM are 15, 凌晨12点 and 12 AM are 0, 晚上12点 ends the day, 中午11点 stays."""
    if part not in _HALF_DAY or hour > 12 or (part == "中午" and hour >= 3):
        return hour
    ends_day = part in {"晚", "晚上"} and hour == 12
    return 24 if ends_day else hour % 12 + _HALF_DAY[part]


def _moment(day: date | None, clock: tuple[int, int, int, int], tz: tzinfo, zone: str | None = None) -> datetime | None:
    if day is None:
        return None
    hour, minute, second, micro = clock
    extra = timedelta(days=1) if hour == 24 else timedelta()
    try:
        at = datetime.combine(day, time(0 if extra else hour, minute, second, micro), tz) + extra
        # a zone written in the text says which instant is meant; `tz` only how it is shown
        return at if zone is None else datetime.fromisoformat(f"{at:%Y-%m-%dT%H:%M:%S.%f}{zone}").astimezone(tz)
    except (ValueError, OverflowError):
        return None


def _written_day(match: re.Match[str]) -> date | None:
    year = _number(match[1])
    return _day(year + 2000 if year < 100 else year, _number(match[2]), _number(match[3]))


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day) if 1900 <= year <= 2199 else None
    except ValueError:
        return None


def _number(text: str) -> int:
    """A number in digits or in Chinese, by place (二〇二六) or by tens (二十六, 廿六, 卅)."""
    if text.isdecimal():
        return int(text)
    text = text.replace("廿", "二十").replace("卅", "三十")
    if "十" in text:
        tens, _, ones = text.partition("十")
        digits = (_DIGITS.get(tens, "1") if tens else "1") + (_DIGITS.get(ones, "0") if ones else "0")
        return int(digits)
    return int("".join(_DIGITS[char] for char in text))
