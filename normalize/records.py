"""A record as the field map sees it: values asked for by path, and what nobody asked for or could use."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time

from adapters.base import Json
from adapters.document import at_path, fit
from adapters.fieldmap import FieldMap
from normalize.case import Warning_
from normalize.dates import CHINA, parse_moment

_COUNT = re.compile(r"(\d{1,9})(?:\.0+)?\s*[人名位户]?")
_HOUR = re.compile(r"[:：时点]|^\d+\.0*[1-9]\d*$|^\d{9,}(?:\.\d+)?$")
"""A clock, a spreadsheet's part of a day, or seconds since 1970."""
_WHOLE = re.compile(r"(\d+)\.0+")
_ENDS_DAY = re.compile(r"24\s*[:：时点]|晚")
"""A midnight that ends the day it names."""
_EARLIEST = datetime(1970, 1, 2, tzinfo=CHINA)  # 1900-01-01 and 1970-01-01 are how databases write "no date"


def plain(value: Json) -> Json:
    """The same in texts that are fit to be kept, and without NaN as a number, which no JSON receiver takes."""
    if isinstance(value, str):
        return fit(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, list):
        return [plain(one) for one in value]
    return {fit(k): plain(one) for k, one in value.items()} if isinstance(value, dict) else value


class Record:
    """One record (or an item of a list within it), read by path.

    Every question takes several paths; the first that is filled in answers. An answer that cannot be used is None,
    leaves the value in `left_over` and says so in `warnings`.
    """

    def __init__(self, fields: Mapping[str, Json], field_map: FieldMap, warnings: list[Warning_]) -> None:
        self._fields = dict(fields)
        self._map = field_map
        self._used: set[str] = set()
        self._put_back: set[str] = set()
        self._parts: dict[str, list[Record]] = {}
        self.warnings = warnings

    def text(self, *paths: str) -> str | None:
        """The value as trimmed text; numbers as they are written, 3.0 as 3."""
        return self._found(paths)[1]

    def texts(self, paths: tuple[str, ...]) -> list[str]:
        """What all the paths hold."""
        return [found for found in (self.text(path) for path in paths) if found]

    def code(self, paths: tuple[str, ...], codes: Mapping[str, str], *, keep: bool = False) -> str | None:
        """The code of the word; `keep` a word without code in `left_over`, for nothing else shows it."""
        path, word = self._found(paths)
        if path is None or word is None:
            return None
        code = codes.get(word) or codes.get(word.removesuffix("类"))
        if code is None and codes:
            self.warn("code_unknown", f"{path}：“{word}”不在字段对照表中")
            if keep:
                self.put_back(path)
        return code

    def flag(self, paths: tuple[str, ...], own: Callable[[str], bool | None] | None = None) -> bool | None:
        """A yes or no, also in words that are the flag's `own`."""
        path, word = self._found(paths)
        if path is None or word is None:
            return None
        if own is not None and (told := own(word)) is not None:
            return told
        plain = _WHOLE.sub(r"\1", word.lower())
        if plain in self._map.yes:
            return True
        if plain in self._map.no:
            return False
        self._unusable(path, "flag_unreadable", f"“{word}”既不是“是”也不是“否”")
        return None

    def count(self, paths: tuple[str, ...]) -> int | None:
        path, word = self._found(paths)
        if path is None or word is None:
            return None
        if number := _COUNT.fullmatch(word):
            return int(number[1])
        self._unusable(path, "number_unreadable", f"“{word}”不是数字")
        return None

    def moment(
        self, paths: tuple[str, ...], *, ends_day: bool = False, latest: datetime | None = None
    ) -> datetime | None:
        """A time, in China's zone unless it names another; with `ends_day` a day without clock means its last second,
        and so does its midnight: many platforms know days only and write them as such.

        A time after `latest` is not believed.
        """
        path, word = self._found(paths)
        if path is None or word is None:
            return None
        at = parse_moment(word, CHINA, excel=self._map.excel_dates)
        if at is None or at < _EARLIEST:
            self._unusable(path, "date_unreadable", f"“{word}”不是日期")
            return None
        if latest is not None and at > latest:
            self._unusable(path, "date_in_future", f"“{word}”晚于取得记录的时间")
            return None
        return _end_of_day(at, word) if ends_day else at

    def day(self, paths: tuple[str, ...]) -> date | None:
        at = self.moment(paths)
        return at.astimezone(CHINA).date() if at else None

    def value(self, *paths: str) -> tuple[str | None, Json]:
        """The first value that is filled in, whatever it is, with its path; it counts as used."""
        winner: tuple[str | None, Json] = (None, None)
        for path in paths:
            value = at_path(self._fields, path)
            if self._is_blank(value):
                self._used.add(path)
            elif winner[0] is None:
                winner = (path, value)
                self._used.add(path)
        return winner

    def items(self, paths: tuple[str, ...]) -> list[Record]:
        """The objects of a list, each a record; what they leave over stays at its place in ours."""
        path, value = self.value(*paths)
        if path is None:
            return []
        listed = [value] if isinstance(value, dict) else value
        if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
            self._unusable(path, "list_unreadable", "不是由对象组成的列表")
            return []
        self._parts[path] = [Record(item, self._map, self.warnings) for item in listed if isinstance(item, dict)]
        return self._parts[path]

    def put_back(self, path: str) -> None:
        """This value was of no use after all: leave it over, whoever else asks for it."""
        self._put_back.add(path)

    def warn(self, code: str, text: str) -> None:
        self.warnings.append(Warning_(code=code, text=text))

    def left_over(self) -> dict[str, Json]:
        """What no question used, as the source said it; empty values left out."""
        rest: dict[str, Json] = copy.deepcopy(self._fields)
        for path in self._used - self._put_back:
            parts = [part.left_over() for part in self._parts.get(path, [])]
            _put(rest, path, list(parts) if any(parts) else None)
        for path in self._map.ignore:
            _put(rest, path, None)
        return {key: value for key, value in rest.items() if value not in (None, "", [], {})}

    def _found(self, paths: tuple[str, ...]) -> tuple[str | None, str | None]:
        path, value = self.value(*paths)
        if path is None:
            return None, None
        if isinstance(value, dict | list):
            self._unusable(path, "text_unreadable", "是对象或列表，不是文字")
            return None, None
        return path, _as_text(value)

    def _unusable(self, path: str, code: str, problem: str) -> None:
        self.put_back(path)
        self.warn(code, f"{path}：{problem}")

    def _is_blank(self, value: Json) -> bool:
        if value is None or value in ([], {}):
            return True
        return isinstance(value, str) and value.strip() in self._map.blank


def _end_of_day(at: datetime, word: str) -> datetime:
    local = at.astimezone(CHINA)
    begins_day = local.time() == time() and _ENDS_DAY.search(word) is None
    return local.replace(hour=23, minute=59, second=59) if begins_day or _HOUR.search(word) is None else at


def _as_text(value: str | float | bool | None) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _put(fields: dict[str, Json], path: str, value: Json) -> None:
    """Replace what stands at a dotted path; None takes it away, and its parents with it when they are left empty."""
    head, _, rest = path.partition(".")
    if path in fields or not rest:
        head, rest = path, ""
    child = fields.get(head)
    if rest and isinstance(child, dict):
        _put(child, rest, value)
        value = child or None
    elif rest:
        return
    if value is None:
        fields.pop(head, None)
    else:
        fields[head] = value
