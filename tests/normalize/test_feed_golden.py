"""What records become: NAME.raw gives NAME.json; `python -m tests.normalize.test_feed_golden --write` renews them."""

from __future__ import annotations

import dataclasses
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.base import RawKind
from adapters.fieldmap import FieldMap
from adapters.hotline import HotlineSettings
from adapters.sunshine import SunshineSettings
from normalize.case import ChannelKind
from normalize.feed import read_feed
from normalize.places import PlaceRules
from normalize.reading import Reading, Source

GOLDEN = Path(__file__).parents[1] / "golden" / "feed"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.raw"))
ACCESS = {"base_url": "https://platform.example", "app_id": "a", "app_secret": "b"}
MAPS = {
    "sunshine": SunshineSettings.model_validate(ACCESS).map,
    "hotline": HotlineSettings.model_validate(ACCESS).map,
    "city": FieldMap.model_validate(
        {
            "key": "roll_number",
            "descriptors": {"name": "fd_name", "value": "choice_value"},
            "excel_dates": True,
            "content": ["内容描述", "12345内容描述"],
            "request_type": {"path": ["12345工单类型", "工单类型"], "codes": {"意见建议": "suggestion"}},
            "source_registered_at": ["12345受理时间", "受理时间"],
            "category": {"path": "分类", "separator": "/", "leaf_first": True},
        }
    ),
}


def reading(name: str) -> Reading:
    platform = name.partition("_")[0]
    source = Source(
        channel=f"{platform}_door",
        channel_kind=ChannelKind.SUNSHINE if platform == "sunshine" else ChannelKind.HOTLINE,
        kind=RawKind.RECORD,
        locator=name,
        received_at=None,
        fetched_at=datetime.fromisoformat("2026-03-10T12:00:00+08:00"),
        platform=platform,
    )
    (read,) = read_feed((GOLDEN / f"{name}.raw").read_bytes(), "", source, MAPS[platform], PlaceRules())
    return read


def as_json(read: Reading) -> Any:
    plain = {field.name: getattr(read, field.name) for field in dataclasses.fields(read) if field.name != "draft"}
    plain["parts"] = [dataclasses.asdict(part) for part in read.parts]
    plain["signals"] = [dataclasses.asdict(signal) for signal in read.signals]
    draft = read.draft.model_dump(mode="json") if read.draft else None
    return json.loads(json.dumps({**plain, "draft": draft}, default=lambda at: at.isoformat()))


@pytest.mark.parametrize("name", NAMES)
def test_the_record_becomes_what_was_agreed(name: str) -> None:
    agreed = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))

    assert as_json(reading(name)) == agreed


def _write() -> None:
    for name in NAMES:
        text = json.dumps(as_json(reading(name)), ensure_ascii=False, indent=1)
        (GOLDEN / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__" and "--write" in sys.argv:
    _write()
