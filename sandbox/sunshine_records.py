"""Matters in the form of the petition platform: INTERFACE_XFJ records and the steps that change them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import TypeAlias

from sandbox.chinatime import stamp
from sandbox.citizens import Citizen
from sandbox.city import BUREAU
from sandbox.evidence import evidence
from sandbox.matters import Matter

Record: TypeAlias = dict[str, object]

PURPOSE_CODES = {"建议意见": "01", "检举控告": "02", "申诉求决": "03"}
_OFFICE = "景元市信访局"


def record(matter: Matter, at: datetime) -> Record:
    """The matter as registered and transferred to the bureau at `at`."""
    dice = matter.dice("sunshine")
    number = f"JY{at:%Y%m%d}{matter.number:06d}"
    key = f"{matter.seed:04d}{matter.number:08d}"
    files = [_file(key, order, name) for order, name in enumerate(matter.evidence, 1)]
    steps = [_step(key, 1, "登记", _OFFICE, at - timedelta(minutes=dice.randrange(30, 600)), "")]
    steps.append(_step(key, 2, "转送", _OFFICE, at, f"转送{BUREAU}处理"))
    return {
        "xfjid": key,
        "xfjbh": number,
        "cxm": f"{dice.randrange(10**9, 10**10)}",
        "xfrq": f"{at - timedelta(days=dice.randrange(3)):%Y-%m-%d}",
        "xfxs": dice.choice(("网上信访", "手机信访", "微信信访", "来信", "来访")),
        "xfrs": matter.people,
        "sjrs": matter.affected or matter.people,
        "djjgmc": _OFFICE,
        "djsj": steps[0]["blsj"],
        "zssj": stamp(at),
        "bt": matter.title,
        "gkxx": matter.summary,
        "tsnr": matter.content,
        "sxr": dice.choice(("", BUREAU, "局长")),
        "xfjzt": "待受理",
        "wtsddm": matter.district.code,
        "wtsdmc": f"景元市{matter.district.name}",
        "nrfldm": f"{20 + len(matter.situation.key):02d}{sum(map(ord, matter.situation.key)) % 10000:04d}",
        "nrflmc": "_".join(matter.situation.category),
        "xfmddm": PURPOSE_CODES[matter.situation.purpose],
        "xfmdmc": matter.situation.purpose,
        **_flags(matter, dice),
        "bfyrhdw": matter.subject_party,
        "ycrq": "",
        "xbjzsj": stamp((at + timedelta(days=60)).replace(hour=23, minute=59, second=59)),
        "lastmodifytime": stamp(at),
        "xfr": [_petitioner(key, order, one) for order, one in enumerate(matter.citizens, 1)],
        "blfs": steps,
        "xgfj": files,
    }


def advance(record: Record, step: str, at: datetime, dice: Random) -> Record:
    """The record after a step at the source. KeyError for a step that does not exist."""
    changed = {**record, "lastmodifytime": stamp(at)}
    note, changes = _STEPS[step](record, dice)
    steps = _list(record["blfs"])
    changed.update(changes)
    changed["blfs"] = [*steps, _step(str(record["xfjid"]), len(steps) + 1, step, _OFFICE, at, note)]
    return changed


def _flags(matter: Matter, dice: Random) -> dict[str, str]:
    situation = matter.situation
    told = {
        "lmbz": situation.joint,
        "gkbz": matter.allow_public,
        "nmbz": matter.anonymous,
        "isbm": matter.confidential,
        "yybz": situation.threat,
        "zdjjbz": situation.urgent == 2,
        "rdwt": situation.hot,
        "sfssbz": dice.random() < 0.03,
        "jabz": dice.random() < 0.03,
        "qgccbz": matter.twin_of is None,
        "cfxfbz": matter.twin_of is not None,
    }
    return {name: "1" if value else "0" for name, value in told.items()}


def _petitioner(key: str, order: int, one: Citizen) -> dict[str, str]:
    return {
        "xfrid": f"{key}{order:02d}",
        "xm": one.name,
        "xb": "男" if one.male else "女",
        "zjlx": "111",
        "zjhm": one.id_no,
        "sjh": one.phone,
        "gddh": "",
        "dzyj": one.email,
        "txdz": one.address,
        "zz": one.address,
        "gzdw": one.work,
        "yzbm": one.postcode,
        "xfjzfrbz": "1" if order == 1 else "0",
    }


def _file(key: str, order: int, name: str) -> dict[str, object]:
    ident = f"{key}f{order}"
    return {"fjid": ident, "fjmc": name, "fjdx": len(evidence(name, ident)), "url": f"/files/{ident}/{name}"}


def _step(key: str, order: int, what: str, where: str, at: datetime, note: str) -> dict[str, str]:
    return {"blfsid": f"{key}s{order:02d}", "blfs": what, "bljg": where, "blsj": stamp(at), "blsm": note}


def _supplement(record: Record, dice: Random) -> tuple[str, Record]:
    more = dice.choice(("现补充一张照片和几点情况：", "信访人补充反映：", "补充："))
    more += dice.choice(
        ("事情到今天仍然没有解决，孩子已经两天没有上学。", "又了解到一些新的情况，同班还有三位家长愿意作证。")
    )
    files = _list(record["xgfj"])
    added = _file(str(record["xfjid"]), len(files) + 1, f"补充材料{len(files) + 1}.png")
    return more, {"tsnr": f"{record['tsnr']}\n{more}", "xgfj": [*files, added]}


def _list(value: object) -> list[dict[str, object]]:
    return value if isinstance(value, list) else []


_STEPS: dict[str, Callable[[Record, Random], tuple[str, Record]]] = {
    "受理": lambda _record, _dice: ("决定受理", {"xfjzt": "已受理"}),
    "催办": lambda _record, _dice: ("信访人再次来电催问,请抓紧办理", {}),
    "督办": lambda _record, _dice: ("列入督办件,请于三日内报告进展", {"zdjjbz": "1"}),
    "补充": _supplement,
    "办结": lambda _record, _dice: ("已答复信访人", {"xfjzt": "已办结"}),
    "退回重办": lambda _record, _dice: ("答复未针对诉求,退回重办", {"xfjzt": "退回重办"}),
    "撤回": lambda _record, _dice: ("信访人申请撤回", {"xfjzt": "已撤回"}),
}
STEPS = tuple(_STEPS)
