"""Matters in the form of the hotline: work orders and the actions that change them."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import TypeAlias

from sandbox.chinatime import stamp
from sandbox.city import BUREAU
from sandbox.evidence import evidence
from sandbox.matters import Matter

Order: TypeAlias = dict[str, object]

_DAYS = {"咨询": 3, "求助": 7, "建议": 10, "投诉": 10, "举报": 15, "表扬": 10}
_URGENCY = ("一般", "紧急", "特急")
_STATES = {
    "签收": "待处置",
    "处置": "已处置",
    "回访": "回访中",
    "办结": "已办结",
    "退回重办": "退回重办",
    "撤单": "已办结",
}
_NOTES = {
    "签收": "已签收",
    "催办": "市民第二次来电催办，请尽快联系市民",
    "督办": "已转督办，请当日反馈",
    "延期": "申请延期五个工作日，同意",
    "处置": "已联系市民，正在核实",
    "回访": "热线回访中",
    "办结": "市民表示满意",
    "退回重办": "市民不满意，退回重新办理",
    "撤单": "市民来电撤销诉求",
}
ACTIONS = (*_NOTES, "补充")


def order(matter: Matter, at: datetime) -> Order:
    """The matter as the hotline took the call and dispatched it to the bureau at `at`."""
    dice = matter.dice("hotline")
    number = f"{at:%y%m%d%H%M%S}{matter.number % 10**6:06d}"
    caller = matter.citizens[0] if matter.citizens else None
    phone = caller.phone if caller else f"1390000{dice.randrange(10**4):04d}"
    paths = [_path(number, at, name) for name in matter.evidence]
    called = at - timedelta(minutes=dice.randrange(3, 240))
    return {
        "roll_number": number,
        "src_way": dice.choice(("电话", "电话", "电话", "微信", "网站", "手机应用")),
        "payroll_title": matter.title,
        "payroll_name": caller.name if caller else "匿名",
        "call_number": phone,
        "company_tel": "" if not caller or dice.random() < 0.2 else phone,
        "sex": "" if not caller else ("男" if caller.male else "女"),
        "addr": caller.address if caller else "",
        "region_district_id": matter.district.code,
        "region_district": matter.district.name,
        "payroll_type": matter.situation.type,
        "event_type2_id": list(matter.situation.category),
        "roll_content": _retold(matter, dice),
        "note": dice.choice(("", "", "请回复市民", "市民要求书面答复")),
        "is_secret": "1" if matter.confidential else "0",
        "urgency_level": _URGENCY[matter.situation.urgent],
        "comp_obj": matter.subject_party,
        "state": "待签收",
        "call_time": stamp(called),
        "dispatch_time": stamp(at),
        "handle_rel_expire_time": stamp(at + timedelta(days=_DAYS[matter.situation.type])),
        "update_time": stamp(at),
        "attachments": ",".join(paths),
        "recording_url": f"http://recordings.hotline.invalid/{at:%Y/%m/%d}/{number}.wav",
        "workflow": [_step(1, "派单", at, "热线派单员", f"派单至{BUREAU}")],
    }


def act(order: Order, action: str, at: datetime, dice: Random) -> Order:
    """The order after an action. KeyError for an action that does not exist."""
    changed = {**order, "update_time": stamp(at)}
    steps = order["workflow"] if isinstance(order["workflow"], list) else []
    note = _NOTES[action] if action != "补充" else _supplement(dice)
    if action == "补充":
        changed["roll_content"] = f"{order['roll_content']}\n【市民补充】{note}"
        changed["attachments"] = _more_files(order, at)
    if action == "延期":
        changed["handle_rel_expire_time"] = stamp(at + timedelta(days=7))
    changed["state"] = _STATES.get(action, order["state"])
    changed["workflow"] = [*steps, _step(len(steps) + 1, action, at, "热线值班长", note)]
    return changed


def content_of(path: str) -> bytes:
    """The attachment that lies under a relative path of an order."""
    name = path.rpartition("_")[2]
    return evidence(name, path)


def _retold(matter: Matter, dice: Random) -> str:
    """The operator writes down what the citizen says; on the web the citizen writes himself."""
    if dice.random() < 0.35:
        return matter.content
    flat = (
        matter.content.replace("\n", "").replace("我家孩子", "其孩子").replace("我孩子", "其孩子").replace("我们", "其")
    )
    return f"【市民来电】市民反映：{flat}（以上情况为市民自述，请核实处理并回复市民。）"


def _supplement(dice: Random) -> str:
    return dice.choice(
        ("市民补充：问题至今没有解决。", "市民补充提供了现场照片，请参考。", "市民来电更正：发生时间为上周五下午。")
    )


def _more_files(order: Order, at: datetime) -> str:
    paths = [path for path in str(order["attachments"]).split(",") if path]
    return ",".join([*paths, _path(str(order["roll_number"]), at, f"补充{len(paths) + 1}.png")])


def _path(number: str, at: datetime, name: str) -> str:
    return f"file/{at:%Y-%m-%d}/{number}_{int(at.timestamp())}_{name}"


def _step(order: int, action: str, at: datetime, operator: str, note: str) -> dict[str, object]:
    return {"id": order, "action": action, "time": stamp(at), "operator": operator, "note": note}
