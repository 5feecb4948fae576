"""The blocks of docs/targets, as they stand there, against stand-ins that behave like the real OAs."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest
from aiohttp import web
from ruamel.yaml import YAML
from sqlalchemy import select

from dispatch.attempts import answers_of
from dispatch.settings import TargetSettings
from ingest.config import load
from ingest.probing import probe_target
from normalize.case import AttachmentRole, AttachmentState, Petitioner
from normalize.reading import Part, Signal, SignalKind
from sandbox.ecology import Ecology
from sandbox.oa import OaInbox
from sandbox.seeyon import Seeyon
from store.schema import attempt, delivery
from tests.dispatch.own_receiver import own_receiving
from tests.dispatch.test_unknown import QUICK, WAIT, sending, states, take_in
from tests.ingest.config_files import ENVIRONMENT, MAILBOX, SEALING
from tests.ingest.desk import Desk, open_desk, reading
from tests.ingest.test_cases import ACCUSATION
from tests.patience import until

ROOT = Path(__file__).resolve().parents[2]
TARGETS = ROOT / "docs" / "targets"
SECRETS = {
    "OA_WEBHOOK_SECRET": "whsec_" + base64.b64encode(b"o" * 32).decode(),
    "OA_DISCIPLINE_SECRET": "whsec_" + base64.b64encode(b"d" * 32).decode(),
    "OA_TOKEN": "token-of-sixteen-or-more",
    "OA_APPID": "xinqiao",
    "OA_REST_PASSWORD": "seeyon-password",
}
PEOPLE = (Petitioner(primary=True, name="顾晓棠", phones=("13900000000", "13900000001")), Petitioner(name=None))
FILE = Part("收费单.pdf", AttachmentRole.EVIDENCE, AttachmentState.STORED, "application/pdf", content=b"%PDF-1.7")


def block_of(name: str) -> str:
    (found,) = re.findall(r"(?ms)^```yaml\n(targets:.*?)^```$", (TARGETS / name).read_text("utf-8"))
    return str(found)


def targets_of(name: str, folder: Path, url: str, more: str = "") -> dict[str, TargetSettings]:
    """The document's targets, at the stand-in's address; only what they wait for is shortened."""
    path = folder / "config.yaml"
    block = f"{block_of(name)}{more}".replace("https://oa.example", url)
    text = f"{SEALING}channels: {{sunshine: {MAILBOX}}}\n{block}"
    path.write_text(text, "utf-8")
    config = load(path, {**ENVIRONMENT, **SECRETS})
    assert [str(one) for one in config.warnings if "restricted" not in one.text] == []
    return {target: hurried(settings) for target, settings in config.targets.items()}


def hurried(settings: TargetSettings) -> TargetSettings:
    lookup = settings.lookup and settings.lookup.model_copy(update={"wait": WAIT})
    quick = {"retry": QUICK.model_copy(update={"attempts": 30}), "timeout": timedelta(seconds=1), "lookup": lookup}
    return settings.model_copy(update=quick)


@asynccontextmanager
async def at_work(name: str, folder: Path, url: str, more: str = "") -> AsyncIterator[Desk]:
    """The document's target `oa`, at work, with `more` of the document at the end of its block."""
    settings = targets_of(name, folder, url, more)["oa"]
    with open_desk(folder / "data", {"oa": settings}) as desk:
        async with sending(desk, settings):
            yield desk


async def became(desk: Desk, *wanted: str) -> None:
    await until(lambda: states(desk) == list(wanted))


async def outcomes(desk: Desk) -> list[str]:
    rows = await desk.store.read(
        lambda conn: conn.execute(select(attempt.c.outcome).order_by(attempt.c.id)).scalars().all()
    )
    return list(rows)


async def numbers(desk: Desk) -> list[str | None]:
    rows = await desk.store.read(
        lambda conn: conn.execute(select(delivery.c.receiver_id).order_by(delivery.c.id)).scalars().all()
    )
    return list(rows)


@pytest.mark.parametrize("name", ["ecology", "seeyon", "webhook"])
def test_both_languages_show_the_same_block(name: str) -> None:
    def bare(text: str) -> list[str]:
        return [re.sub(r"\s+# .*", "", line) for line in text.splitlines()]

    assert bare(block_of(f"{name}.md")) == bare(block_of(f"{name}.zh-CN.md"))


@pytest.fixture
async def ecology() -> AsyncIterator[Ecology]:
    async with Ecology() as oa:
        yield oa


async def test_ecology_gets_a_petition_with_everybody_and_every_file(ecology: Ecology, tmp_path: Path) -> None:
    async with at_work("ecology.md", tmp_path, ecology.url) as desk:
        await take_in(desk, reading(petitioners=PEOPLE, parts=(FILE,)))
        await became(desk, "delivered")

    (made,) = ecology.requests
    assert re.fullmatch(r"信访件2026-000001 关于课后延时服务收费的疑问 #[0-9A-Z]{8}", made.name)
    assert made.main == {
        "xfjbh": "2026-000001",
        "ly": "sunshine",
        "bt": "关于课后延时服务收费的疑问",
        "nr": "孩子在桃溪小学就读，延时服务费用没有公示。",
        "xfr": "顾晓棠",
        "lxdh": "13900000000、13900000001",
        "sjrq": "2026-03-02",
        "xbrq": "",
        "fj": ["收费单.pdf"],
    }
    assert made.files == {"收费单.pdf": b"%PDF-1.7"}


async def test_ecology_hears_of_a_reminder_by_a_request_of_its_own(ecology: Ecology, tmp_path: Path) -> None:
    async with at_work("ecology.md", tmp_path, ecology.url) as desk:
        await take_in(desk)
        await take_in(desk, reading(title="第二版", signals=(Signal(SignalKind.REMINDER, "1"),)))
        await until(lambda: set(states(desk)) == {"delivered"})

        told = [(one.workflow, one.main["xfjbh"], one.main.get("lx"), one.main.get("sm")) for one in ecology.requests]
        assert told == [("23", "2026-000001", None, None), ("24", "2026-000001", "case.reminder", "title")]
        assert await numbers(desk) == [str(one.id) for one in ecology.requests]


async def test_ecology_hears_of_a_case_that_became_restricted_by_its_number_only(
    ecology: Ecology, tmp_path: Path
) -> None:
    async with at_work("ecology.md", tmp_path, ecology.url) as desk:
        await take_in(desk)
        await became(desk, "delivered")
        await take_in(desk, reading(**ACCUSATION))
        await became(desk, "delivered", "delivered")

    assert ecology.requests[1].main == {"xfjbh": "2026-000001", "lx": "case.withdrawn", "sm": ""}


@pytest.mark.parametrize("fault", ["lost", "cut", "500-done", "truncated", "slow"])
async def test_ecology_has_once_what_it_did_and_did_not_answer(ecology: Ecology, tmp_path: Path, fault: str) -> None:
    async with at_work("ecology.md", tmp_path, ecology.url) as desk:
        ecology.switch.set(fault, times=1)
        await take_in(desk)
        await became(desk, "delivered")

        assert ecology.started() == {"2026-000001": 1}
        assert await outcomes(desk) == ["unknown", "found"]
        assert await numbers(desk) == ["8888"]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("500", ["unknown", "absent", "delivered"]),
        ("error", ["unknown", "absent", "delivered"]),
        ("429", ["again", "delivered"]),
    ],
)
async def test_ecology_gets_once_more_what_it_did_not_do(
    ecology: Ecology, tmp_path: Path, fault: str, said: list[str]
) -> None:
    async with at_work("ecology.md", tmp_path, ecology.url) as desk:
        ecology.switch.set(fault, times=1)
        await take_in(desk)
        await became(desk, "delivered")

        assert ecology.started() == {"2026-000001": 1}
        assert await outcomes(desk) == said


async def test_ecology_tells_by_200_that_a_token_has_run_out_and_gets_a_new_one(
    ecology: Ecology, tmp_path: Path
) -> None:
    async with at_work("ecology.md", tmp_path, ecology.url) as desk:
        await take_in(desk)
        await became(desk, "delivered")
        ecology.forget_logins()
        await take_in(desk, reading("x:2"), key="2")
        await became(desk, "delivered", "delivered")

        assert ecology.started() == {"2026-000001": 1, "2026-000002": 1}
        assert await outcomes(desk) == ["delivered", "delivered"]


async def test_ecology_in_trouble_with_its_logins_costs_no_event(ecology: Ecology, tmp_path: Path) -> None:
    async with at_work("ecology.md", tmp_path, ecology.url) as desk:
        ecology.login_switch.set("500", times=3)
        await take_in(desk)
        await became(desk, "delivered")

        assert await outcomes(desk) == ["again", "again", "again", "delivered"]
        assert ecology.started() == {"2026-000001": 1}


async def test_what_ecology_will_not_have_is_for_a_person_in_its_own_words(tmp_path: Path) -> None:
    async with Ecology(upload_folder=False) as oa, at_work("ecology.md", tmp_path, oa.url) as desk:
        case_id = await take_in(desk, reading(parts=(FILE,)))
        await became(desk, "rejected")

        said = await desk.store.read(lambda conn: answers_of(conn, desk.store.sealer, case_id))
        assert list(said.values()) == ['{"fj": "字段未设置附件上传目录"}']


async def test_fifty_petitions_through_all_of_ecologys_moods_are_there_once_each(
    ecology: Ecology, tmp_path: Path
) -> None:
    async with at_work("ecology.md", tmp_path, ecology.url) as desk:
        for number, fault in enumerate(["lost", "500", "cut", "500-done", "error"] * 10):
            await take_in(desk, reading(f"x:{number}"), key=str(number))
            ecology.switch.set(fault, 0.5)
        await until(lambda: ecology.switch.hits > 20 or set(states(desk)) == {"delivered"})
        ecology.switch.set("none")
        await until(lambda: set(states(desk)) == {"delivered"})

    assert set(ecology.started().values()) == {1}
    assert len(ecology.started()) == 50


@pytest.fixture
async def seeyon() -> AsyncIterator[Seeyon]:
    async with Seeyon() as oa:
        yield oa


async def test_seeyon_gets_a_petition_with_a_row_for_everybody(seeyon: Seeyon, tmp_path: Path) -> None:
    async with at_work("seeyon.md", tmp_path, seeyon.url) as desk:
        await take_in(desk, reading(petitioners=PEOPLE))
        await became(desk, "delivered")

        (made,) = seeyon.processes
        assert await numbers(desk) == [str(made.id)]
    assert (made.subject, made.sender, made.draft) == ("信访件2026-000001 关于课后延时服务收费的疑问", "xinfang", False)
    assert made.form == {
        "信访件编号": "2026-000001",
        "来源": "sunshine",
        "标题": "关于课后延时服务收费的疑问",
        "内容": "孩子在桃溪小学就读，延时服务费用没有公示。",
        "收到日期": "2026-03-02",
        "限办日期": "",
    }
    assert made.rows == (
        {"序号": 1, "姓名": "顾晓棠", "电话": "13900000000、13900000001"},
        {"序号": 2, "姓名": "", "电话": ""},
    )


@pytest.mark.parametrize("fault", ["lost", "cut", "500-done", "500", "truncated", "slow"])
async def test_what_seeyon_may_have_is_for_a_person_and_sent_by_nobody_else(
    seeyon: Seeyon, tmp_path: Path, fault: str
) -> None:
    async with at_work("seeyon.md", tmp_path, seeyon.url) as desk:
        seeyon.switch.set(fault, times=1)
        case_id = await take_in(desk)
        await take_in(desk, reading("x:2"), key="2")
        await became(desk, "unknown", "delivered")
        done = seeyon.started().get("2026-000001", 0)
        (row, _) = await desk.store.read(lambda conn: conn.execute(select(delivery).order_by(delivery.c.id)).all())
        settle: Callable[[Any], object] = (
            (lambda conn: desk.desk.outbox.note_arrived(conn, case_id, "oa", "1", desk.now))
            if done
            else (lambda conn: desk.desk.outbox.resend(conn, row.id, desk.now, uncertain=True))
        )
        await desk.store.write(settle)
        await became(desk, "delivered", "delivered")

    assert seeyon.started() == {"2026-000001": 1, "2026-000002": 1}


@pytest.mark.parametrize("name", ["seeyon.md", "seeyon.zh-CN.md"])
@pytest.mark.parametrize(("fault", "end"), [("lost", ["found"]), ("500", ["absent", "delivered"])])
async def test_seeyon_with_a_query_is_asked_until_it_says_itself_whether_it_has_the_case(
    tmp_path: Path, name: str, fault: str, end: list[str]
) -> None:
    (lookup,) = re.findall(r"(?ms)^```yaml\n( +lookup:\n.*?)^```$", (TARGETS / name).read_text("utf-8"))
    troubles = ["<html>请登录</html>", "", '{"found": fal', '{"code": 500, "message": "系统繁忙"}']

    async def find(request: web.Request) -> web.Response:
        if troubles:
            return web.Response(text=troubles.pop(0))
        ids = [str(one.id) for one in oa.processes if one.form["信访件编号"] == request.query["no"]]
        return web.json_response({"found": True, "id": ids[0]} if ids else {"found": False})

    async with Seeyon(routes=[web.get("/seeyon/rest/xinqiao/find", find)]) as oa:
        async with at_work(name, tmp_path, oa.url, lookup) as desk:
            oa.switch.set(fault, times=1)
            await take_in(desk)
            await became(desk, "delivered")

            assert await outcomes(desk) == ["unknown", *["unsure"] * 4, *end]
            assert await numbers(desk) == [str(oa.processes[0].id)]
        assert oa.started() == {"2026-000001": 1}


async def test_seeyons_tokens_run_out_and_are_renewed(seeyon: Seeyon, tmp_path: Path) -> None:
    async with at_work("seeyon.md", tmp_path, seeyon.url) as desk:
        await take_in(desk)
        await became(desk, "delivered")
        seeyon.forget_logins()
        await take_in(desk, reading("x:2"), key="2")
        await became(desk, "delivered", "delivered")

        assert await outcomes(desk) == ["delivered", "delivered"]


async def test_a_wrong_password_at_seeyon_costs_no_event_and_is_told_by_the_check(tmp_path: Path) -> None:
    async with Seeyon(password="another-password") as oa:
        async with at_work("seeyon.md", tmp_path, oa.url) as desk:
            await take_in(desk)
            await until(lambda: bool(desk.store.read_now(lambda conn: conn.execute(select(attempt)).all())))
            assert set(states(desk)) == {"waiting"}
        seen = await probe_target("oa", targets_of("seeyon.md", tmp_path, oa.url)["oa"])

    assert (seen.ok, seen.text) == (False, "login.calls.0: no id != '-1' && id in the answer")
    assert oa.processes == []


async def test_seeyon_says_what_it_will_not_have(seeyon: Seeyon, tmp_path: Path) -> None:
    settings = targets_of("seeyon.md", tmp_path, seeyon.url)["oa"]
    call = settings.calls["case.created"]
    body = {**call.body, "data": {**call.body["data"], "templateCode": "XF_02"}}
    wrong = settings.model_copy(update={"calls": {"case.created": call.model_copy(update={"body": body})}})
    with open_desk(tmp_path / "data", {"oa": wrong}) as desk:
        async with sending(desk, wrong):
            case_id = await take_in(desk)
            await became(desk, "rejected")

        said = await desk.store.read(lambda conn: answers_of(conn, desk.store.sealer, case_id))
        assert list(said.values()) == ["模板XF_02不存在"]


async def test_the_plain_webhook_is_taken_once_and_accusations_by_the_discipline_line(tmp_path: Path) -> None:
    routes = {"": SECRETS["OA_WEBHOOK_SECRET"], "discipline": SECRETS["OA_DISCIPLINE_SECRET"]}
    async with OaInbox(tmp_path / "oa.sqlite", routes) as oa:
        targets = targets_of("webhook.md", tmp_path, oa.url)
        with open_desk(tmp_path / "data", targets) as desk:
            oa.switch.set("lost", times=1)
            async with sending(desk, targets["oa"]), sending(desk, targets["discipline"], name="discipline"):
                await take_in(desk)
                await take_in(desk, reading("x:2", **ACCUSATION), key="2")
                await until(lambda: states(desk) == ["delivered", "delivered"])

            assert [row[0] for row in desk.deliveries()] == ["oa", "discipline"]
            assert (await numbers(desk))[0] == oa.ledger.cases("")[0]["oa_id"]
        stats = oa.ledger.stats()

    assert (stats["cases"], stats["bad_signatures"], stats["altered"]) == (2, 0, 0)
    assert stats["duplicates"] == 1  # what was lost came again, and was recognised


def within_a_target(piece: str) -> str:
    """A part of a block as a block."""
    body = piece if piece.startswith("calls:") else f"{piece}calls: {{case.created: {{path: /c}}}}\n"
    return f"targets:\n  oa:\n    url: https://oa.example\n    restricted: true\n{indent(body, '    ')}"


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_pieces_shown_in_between_can_be_used_too(name: str, tmp_path: Path) -> None:
    pieces = re.findall(r"(?ms)^```yaml\n(.*?)^```$", (TARGETS / name).read_text("utf-8"))

    for piece in pieces:
        path = tmp_path / "config.yaml"
        path.write_text(f"{SEALING}channels: {{box: {MAILBOX}}}\n{within_a_target(piece)}", "utf-8")
        config = load(path, {**ENVIRONMENT, "OA_PASSWORD": "the password of the OA"})
        assert config.warnings == ()
    assert len(pieces) == 2


@pytest.mark.parametrize("name", ["webhook.md", "webhook.zh-CN.md"])
async def test_a_reminder_that_a_gateway_lost_is_looked_up_by_its_own_id_and_sent_again(
    name: str, tmp_path: Path
) -> None:
    """The case it is about has long arrived."""
    (block,) = re.findall(r"(?ms)^```yaml\n( +idempotent: false\n.*?)^```$", (TARGETS / name).read_text("utf-8"))
    fates, taken = [200, 502, 200], set[str]()

    def take(request: web.Request) -> web.Response:
        status = fates.pop(0)
        if status == 200:
            taken.add(request.headers["webhook-id"])
        return web.Response(status=status)

    async with own_receiving() as oa:
        oa.answer("/webhook", take)
        oa.answer("/webhook/arrived", lambda request: web.json_response({"arrived": request.query["id"] in taken}))
        target = {
            "url": f"{oa.url}/webhook",
            "secret": SECRETS["OA_WEBHOOK_SECRET"],
            **YAML(typ="safe").load(dedent(block)),
        }
        settings = hurried(TargetSettings.model_validate(target))
        with open_desk(tmp_path / "data", {"oa": settings}) as desk:
            async with sending(desk, settings):
                await take_in(desk)
                await became(desk, "delivered")
                await take_in(desk, reading(signals=(Signal(SignalKind.REMINDER, "1"),), source_fields={"a": 1}))
                await became(desk, "delivered", "delivered")

            assert await outcomes(desk) == ["delivered", "unknown", "absent", "delivered"]
    assert [b"case.reminder" in one.body for one in oa.at("/webhook")] == [False, True, True]
