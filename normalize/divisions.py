"""The administrative divisions and schools a matter can lie in; shipped: Changzhou."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, Field


class Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class District(Rule):
    """An administrative division of GB/T 2260 and what people call it."""

    code: str = Field(pattern=r"^\d{6}$", description="GB/T 2260 code, such as 320402")
    name: str = Field(description="its official name, such as 天宁区")
    aliases: tuple[str, ...] = Field(default=(), description="other names, towns and subdistricts that lie in it")


class School(Rule):
    """A school or institution known by name, and where it lies."""

    name: str = Field(description="its full name")
    district: str | None = Field(default=None, description="the code of its district")
    aliases: tuple[str, ...] = Field(default=(), description="what people call it")


_CHANGZHOU = """
320402 天宁区 天宁 兰陵街道 茶山街道 红梅街道 青龙街道 雕庄街道 郑陆镇 郑陆
320404 钟楼区 常州钟楼 五星街道 永红街道 北港街道 西林街道 南大街街道 荷花池街道 新闸街道 邹区镇 邹区
320411 新北区 常州新北 三井街道 河海街道 龙虎塘 春江街道 春江镇 薛家镇 孟河镇 罗溪镇 西夏墅 奔牛镇 新桥街道
320412 武进区 武进 湖塘 牛塘镇 南夏墅 丁堰街道 戚墅堰 潞城街道 洛阳镇 遥观镇 横林镇 横山桥 雪堰镇 前黄镇 礼嘉镇
              嘉泽镇 湟里镇
320413 金坛区 金坛 尧塘街道 儒林镇 直溪镇 朱林镇 薛埠镇 指前镇
320481 溧阳市 溧阳 溧城街道 昆仑街道 古县街道 埭头镇 上黄镇 戴埠镇 天目湖 别桥镇 竹箦镇 上兴镇 南渡镇 社渚镇
320400 常州市 常州
"""


def _districts(table: str) -> tuple[District, ...]:
    rows = (row.replace("\n", " ").split() for row in re.split(r"\n(?=\d)", table.strip()))
    return tuple(District(code=code, name=name, aliases=tuple(aliases)) for code, name, *aliases in rows)


CHANGZHOU = _districts(_CHANGZHOU)
