"""The invented city of 景元: its districts, schools, streets and firms; nothing of it exists."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

CITY = "景元市"
BUREAU = "景元市教育局"


@dataclass(frozen=True)
class District:
    code: str
    name: str
    streets: tuple[str, ...]
    estates: tuple[str, ...]


@dataclass(frozen=True)
class School:
    name: str
    kind: str
    district: District


# Codes of an area that no division table has, so that no real place is meant.
DISTRICTS = (
    District("329902", "云堤区", ("云堤北路", "望春街", "柏树巷", "新塘路"), ("云堤花园", "柏树新村", "春江一品")),
    District("329903", "望塔区", ("望塔大道", "鼓楼西街", "石桥路", "书院弄"), ("鼓楼家园", "石桥苑", "塔影华庭")),
    District("329904", "东篱区", ("东篱路", "采菊街", "枫林大道", "长虹东路"), ("采菊雅居", "枫林小区", "长虹新城")),
    District("329905", "北溪新区", ("北溪大道", "创新路", "科苑街", "港龙路"), ("科苑人家", "北溪蓝湾", "港龙国际")),
    District("329906", "柳塘县", ("柳塘中路", "桑园街", "河滨路"), ("桑园小区", "河滨世家")),
    District("329907", "沙洲县", ("沙洲大街", "码头路", "稻香路"), ("稻香苑", "码头新村")),
)

_STEMS = (
    "青禾",
    "松风",
    "白鹭",
    "明湖",
    "朝晖",
    "紫藤",
    "南屏",
    "望山",
    "星河",
    "兰溪",
    "梧桐",
    "清源",
    "晓光",
    "百川",
)
_ENDINGS = {
    "primary": ("小学", "实验小学", "中心小学"),
    "middle": ("中学", "初级中学", "外国语学校"),
    "high": ("高级中学", "第二高级中学"),
    "kindergarten": ("幼儿园", "中心幼儿园"),
}
_FIRMS = (
    "启明星教育",
    "小橡树文化",
    "景阳餐饮",
    "博雅书店",
    "远帆培训学校",
    "金种子艺术中心",
    "宏达电子厂",
    "顺佳物流",
)


def school(random: Random, kind: str) -> School:
    """One of some hundred schools of that kind; `school` means any kind."""
    if kind not in _ENDINGS:
        kind = random.choice(tuple(_ENDINGS))
    district = random.choice(DISTRICTS)
    place = district.name.removesuffix("新区").removesuffix("区").removesuffix("县")
    name = f"{place}{random.choice(_STEMS)}{random.choice(_ENDINGS[kind])}"
    return School(name, kind, district)


def firm(random: Random) -> str:
    return random.choice(_FIRMS)
