"""The table of the manual's page on reliability; `python -m tests.hostile.table` writes it anew."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.hostile.catalogue import ITEMS, Item

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("reliability.md", "reliability.zh-CN.md")
BEGIN, END = "<!-- hostile input -->\n", "<!-- end of hostile input -->\n"
_HEADS = (
    "| what comes | through | what becomes of it |\n| --- | --- | --- |\n",
    "| 来了什么 | 从哪里来 | 结果 |\n| --- | --- | --- |\n",
)
_DOORS = {"mail": "邮件", "scan": "扫描件", "record": "平台记录", "page": "平台应答"}
_BECOMES = {
    "case": ("a case", "成件"),
    "quarantine": ("kept aside", "留待处理"),
    "asked again": ("nothing is taken, the door says so and asks again", "不取任何内容，渠道说明原因并再次询问"),
}


def written(page: str) -> str:
    """The page with the table as the catalogue has it."""
    text = (DOCS / page).read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    chinese = page == PAGES[1]
    return (
        before + BEGIN + _HEADS[chinese] + "".join(_row(one, chinese=chinese) for one in ITEMS.values()) + END + after
    )


def _row(item: Item, *, chinese: bool) -> str:
    becomes = _BECOMES[item.becomes][chinese]
    words = (item.says_zh or item.says) if chinese else item.says
    said = f"{'：' if chinese else ': '}`{words}`" if words else ""
    what, door = (item.what_zh, _DOORS[item.door]) if chinese else (item.what, item.door)
    return f"| {what} | {door} | {becomes}{said} |\n"


if __name__ == "__main__":
    for name in PAGES:
        (DOCS / name).write_text(written(name), "utf-8")
    sys.stdout.write("renewed the tables\n")
