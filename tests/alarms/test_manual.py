"""The manual's alarms can be copied: they load, and the robots get what their makers ask for."""

from __future__ import annotations

import base64
import hmac
from pathlib import Path

import pytest
from pydantic import SecretStr
from yarl import URL

from ingest.alarms.settings import AlarmSettings, MailSink, WebhookSink
from ingest.alarms.sinks import Robot
from ingest.config import load
from tests.alarms.test_sinks import MESSAGE, robot
from tests.ingest.config_files import ENVIRONMENT, SEALING, write
from tests.ingest.desk import NOW
from tests.test_docs import MANUALS, blocks, named

SECRETS = {"mail": "authorization-code", "wecom": "693a91f6", "dingtalk-token": "566cc69d", "dingtalk": "SECabc"}


def alarms_of(manual: Path, folder: Path) -> AlarmSettings:
    """The samples put together in the order of the manual, as a reader would."""
    first, *robots = (one for one in blocks(manual, "yaml") if "kind: mail\n" in one or "kind: webhook" in one)
    head, digest, tail = first.partition("  digest:")
    (folder / "secrets").mkdir()
    for name, secret in SECRETS.items():
        (folder / "secrets" / name).write_text(f"{secret}\n", "utf-8")
    text = SEALING + head + "".join(robots) + digest + tail
    return load(write(folder, text), ENVIRONMENT).alarms


@pytest.mark.parametrize("manual", MANUALS, ids=named)
async def test_the_samples_of_the_manual_do_what_they_say(manual: Path, tmp_path: Path) -> None:
    alarms = alarms_of(manual, tmp_path)
    duty, wecom, dingtalk = (alarms.sinks[name] for name in ("duty", "wecom", "dingtalk"))
    assert isinstance(duty, MailSink)
    assert isinstance(wecom, WebhookSink)
    assert isinstance(dingtalk, WebhookSink)
    assert duty.password == SecretStr("authorization-code")
    assert alarms.digest is not None
    assert "key=693a91f6" in wecom.url.get_secret_value()

    async with robot({"errcode": 0, "errmsg": "ok"}) as (got, url):
        for one in (wecom, dingtalk):
            await Robot(one.model_copy(update={"url": SecretStr(url)})).tell(MESSAGE, NOW)

    (_, to_wecom), (path, to_dingtalk) = got
    assert to_wecom == {"msgtype": "text", "text": {"content": MESSAGE.title, "mentioned_mobile_list": ["@all"]}}
    assert to_dingtalk == {"msgtype": "text", "text": {"content": MESSAGE.title}}
    query = URL(path).query
    expected = hmac.digest(b"SECabc", f"{query['timestamp']}\nSECabc".encode(), "sha256")
    assert query["sign"] == base64.b64encode(expected).decode()
