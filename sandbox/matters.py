"""Invented matters: matter n of a seed is always the same, whoever asks and whenever."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from random import Random
from typing import cast

from sandbox.citizens import Citizen, citizen, person_name
from sandbox.city import BUREAU, District, firm, school

_GRADES = {
    "primary": ("一年级", "二年级", "三年级", "四年级", "五年级", "六年级"),
    "middle": ("初一", "初二", "初三"),
    "high": ("高一", "高二", "高三"),
    "kindergarten": ("小班", "中班", "大班"),
}
_GREETINGS = ("", "", "您好！", "尊敬的领导：", "教育局领导好！", "局长您好，", "领导：")
_CLOSINGS = ("", "", "谢谢！", "此致敬礼！", "打扰了，盼复。", "望尽快答复为盼。")
_ASIDES = (
    "我打过好几次电话，都说会转给相关科室，一直没有结果。",
    "写这些话之前我犹豫了很久，实在是没有别的办法。",
    "以上情况句句属实，我愿意承担责任。",
    "如果需要，我可以带着材料当面说明。",
    "我白天上班接电话不方便，晚上六点以后可以联系我。",
    "同样的情况听说不止我们一家。",
    "我们就是普通的工薪家庭，每个月除去房贷剩不下多少钱，孩子的教育是全家最要紧的事，所以才会这样较真。",
    "网上有人说反映了也没有用，我还是愿意相信组织会给老百姓一个说法，所以把前后经过原原本本写下来，请您抽空看一看。",
    "我不是针对哪一位老师，绝大多数老师都很辛苦，也很负责，只是希望个别做法能够改过来，让孩子们安安心心读书。",
)
_ATTEMPTS = (
    "给学校办公室打电话，接电话的人说负责的同志出差了，让过几天再打。",
    "到学校门卫室登记，等了一个多小时，没有人出来接待。",
    "在家长群里问了一句，被班主任私下提醒不要发这样的信息。",
    "打了区教育局的值班电话，对方做了记录，说五个工作日之内回复。",
    "收到一条短信，说已经转交有关单位办理，此后再无消息。",
    "又打了一次电话，这次说材料没有收到，要重新提供。",
    "去街道反映，工作人员态度很好，但说不归他们管。",
    "和另外几位家长一起约见了分管的副校长，对方答应研究研究。",
    "孩子回家说老师在班上讲了有些家长爱告状，孩子觉得很难堪。",
    "再次询问进展，答复是正在走流程，具体时间不清楚。",
)


@dataclass(frozen=True)
class Situation:
    key: str
    type: str
    purpose: str
    category: tuple[str, ...]
    subject: str
    titles: tuple[str, ...]
    bodies: tuple[str, ...]
    details: tuple[str, ...]
    demands: tuple[str, ...]
    evidence: tuple[str, ...] = ()
    urgent: int = 0
    minor: bool = False
    confidential: bool = False
    joint: bool = False
    hot: bool = False
    threat: bool = False


@dataclass(frozen=True)
class Matter:
    """What a citizen wants, before any door has put it in its own form. No citizens: anonymous."""

    seed: int
    number: int
    situation: Situation
    title: str
    content: str
    summary: str
    citizens: tuple[Citizen, ...]
    people: int
    affected: int | None
    subject_party: str
    district: District
    confidential: bool
    allow_public: bool
    evidence: tuple[str, ...]
    handwritten: bool
    twin_of: int | None

    @property
    def anonymous(self) -> bool:
        return not self.citizens

    def dice(self, purpose: str) -> Random:
        """Chance that belongs to this matter, the same on every run."""
        return Random(f"{self.seed}/{self.number}/{purpose}")


@cache
def situations() -> tuple[Situation, ...]:
    table = tomllib.loads(files("sandbox").joinpath("texts/situations.toml").read_text("utf-8"))
    return tuple(_situation(cast("dict[str, object]", entry)) for entry in table["situation"])


def matter(seed: int, number: int) -> Matter:
    """Matters 7, 17, 27… retell the third before them in other words; 9, 19, 29… share the fifth before's writer."""
    twin_of = number - 3 if number % 10 == 7 else None
    facts = Random(f"{seed}/{number if twin_of is None else twin_of}/facts")
    wording = Random(f"{seed}/{number}/wording")
    situation = facts.choice(situations())
    place = school(facts, situation.subject)
    company = firm(facts)
    subject = {"bureau": BUREAU, "training": company}.get(situation.subject, place.name)
    slots = {**_slots(facts, place.kind, place.district), "school": place.name, "company": company}
    writers = _writers(facts, situation, place.district)
    if number % 10 == 9:
        writers = matter(seed, number - 5).citizens
    people = facts.randrange(5, 40) if situation.joint else max(1, len(writers))
    content = _content(wording, situation, slots)
    return Matter(
        seed=seed,
        number=number,
        situation=situation,
        title=wording.choice(situation.titles).format_map(slots),
        content=content,
        summary=content[: wording.randrange(40, 70)],
        citizens=writers,
        people=people,
        affected=people * facts.randrange(1, 4) if situation.joint or situation.hot else None,
        subject_party=subject,
        district=place.district,
        confidential=situation.confidential and facts.random() < 0.7,
        allow_public=not situation.confidential and facts.random() < 0.5,
        evidence=situation.evidence[: wording.randrange(len(situation.evidence) + 1)],
        handwritten=facts.random() < 0.5,
        twin_of=twin_of,
    )


def _content(random: Random, situation: Situation, slots: dict[str, str]) -> str:
    details = random.sample(situation.details, random.randrange(len(situation.details) + 1))
    paragraphs = [random.choice(situation.bodies), "".join(details)]
    if random.random() < 0.12:
        paragraphs.append(_chronicle(random))
    paragraphs.extend(random.sample(_ASIDES, random.choice((0, 0, 1, 1, 2, 3))))
    paragraphs.append(random.choice(situation.demands) + random.choice(_CLOSINGS))
    joined = ("\n" if random.random() < 0.4 else "").join(part for part in paragraphs if part)
    return random.choice(_GREETINGS) + joined.format_map(slots)


def _chronicle(random: Random) -> str:
    """What a patient writer tried before, entry by entry; makes a letter of a thousand characters."""
    month = random.randrange(1, 9)
    entries = [
        f"{month + step // 4}月{random.randrange(1, 8) + step % 4 * 7}日，{random.choice(_ATTEMPTS)}"
        for step in range(random.randrange(5, 18))
    ]
    return "事情的经过是这样的：" + "".join(entries)


def _slots(random: Random, kind: str, district: District) -> dict[str, str]:
    return {
        "grade": random.choice(_GRADES[kind]),
        "klass": str(random.randrange(1, 13)),
        "teacher": person_name(random)[0] + random.choice(("老师", "某某", "某")),
        "child": person_name(random)[0] + "小" + random.choice("明宇轩悦彤果"),
        "amount": str(random.randrange(12, 260) * 5),
        "count": str(random.randrange(3, 48)),
        "month": str(random.randrange(1, 13)),
        "day": str(random.randrange(1, 29)),
        "year": str(random.randrange(2019, 2026)),
        "district": district.name,
        "street": random.choice(district.streets),
        "estate": random.choice(district.estates),
    }


def _writers(random: Random, situation: Situation, district: District) -> tuple[Citizen, ...]:
    if random.random() < (0.5 if situation.purpose == "检举控告" else 0.04):
        return ()
    return tuple(citizen(random, district) for _ in range(random.randrange(2, 5) if situation.joint else 1))


def _situation(entry: dict[str, object]) -> Situation:
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()}
    return Situation(**fields)  # type: ignore[arg-type]  # the file is ours; an unknown key is refused by the class
