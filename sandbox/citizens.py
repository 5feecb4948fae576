"""Invented people: names, numbers that satisfy their check digit but belong to no division, addresses."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from sandbox.city import CITY, District

_SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶余潘"
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂英建华文玲玉萍红梅志国海燕春晓东宁欣怡子涵雨晨浩然思远立新国庆秀兰"
_MOBILE = (
    "130",
    "131",
    "132",
    "135",
    "136",
    "137",
    "138",
    "139",
    "150",
    "151",
    "158",
    "159",
    "177",
    "180",
    "186",
    "189",
)
_MAIL_HOSTS = ("mail.example", "post.example", "home.example")
_WORK = ("景元市机床厂", "个体经营", "云堤区人民医院", "务农", "退休", "快递公司", "自由职业", "景元市公交公司")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


@dataclass(frozen=True)
class Citizen:
    name: str
    male: bool
    phone: str
    email: str
    id_no: str
    address: str
    work: str
    postcode: str


def citizen(random: Random, district: District) -> Citizen:
    male = random.random() < 0.5
    phone = f"{random.choice(_MOBILE)}0000{random.randrange(10_000):04d}"
    address = f"{CITY}{district.name}{random.choice(district.streets)}{random.randrange(1, 300)}号"
    if random.random() < 0.6:
        address += f"{random.choice(district.estates)}{random.randrange(1, 30)}幢{random.randrange(101, 2804)}室"
    return Citizen(
        name=person_name(random),
        male=male,
        phone=phone,
        email=f"{random.choice('abcdefghjklmnpqrstwxyz')}{phone[-6:]}@{random.choice(_MAIL_HOSTS)}",
        id_no=_id_number(random, district, male),
        address=address,
        work=random.choice(_WORK),
        postcode=f"2199{random.randrange(10, 99)}",
    )


def person_name(random: Random) -> str:
    given = random.choice(_GIVEN) + (random.choice(_GIVEN) if random.random() < 0.75 else "")
    return random.choice(_SURNAMES) + given


def _id_number(random: Random, district: District, male: bool) -> str:
    """A resident identity number by GB 11643."""
    born = f"{random.randrange(1952, 2003)}{random.randrange(1, 13):02d}{random.randrange(1, 29):02d}"
    serial = random.randrange(0, 499) * 2 + (1 if male else 0)
    body = f"{district.code}{born}{serial:03d}"
    check = "10X98765432"[sum(int(digit) * weight for digit, weight in zip(body, _WEIGHTS, strict=True)) % 11]
    return body + check
