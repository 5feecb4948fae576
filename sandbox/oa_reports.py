"""What an OA reports back, as an integrator would write it: keep the report, sign it, send it, keep the answer."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import uuid4

import aiohttp

from sandbox.chinatime import now
from sandbox.oa import Ledger

TYPES = ("assigned", "accepted", "extended", "answered", "closed", "not_ours", "reopened")
EXTENSION = timedelta(days=60 + 30)
"""By 30 days, of a matter that was accepted today."""
ANSWER = "已责成有关学校核实整改，并将结果告知您。"
_TIMEOUT = aiohttp.ClientTimeout(total=15)


class Reporter:
    """Reports to xinqiao at `url`; `secrets` by route, each of its own and not those of the events."""

    def __init__(self, ledger: Ledger, url: str, secrets: Mapping[str, str]) -> None:
        self._ledger, self._url, self._secrets = ledger, url, secrets

    async def report(self, route: str, case_id: str, type_: str) -> None:
        """Kept with its id before it is sent: one without an answer can be sent again under the same."""
        report_id, body = f"rep_{uuid4()}", json.dumps(_said(case_id, type_), ensure_ascii=False).encode()
        self._ledger.keep_report(report_id, route, case_id, type_, body, now())
        await self._send(report_id, route, body)

    async def send_again(self, route: str, case_id: str) -> None:
        """Those of a case that were not answered."""
        for one in self._ledger.reports(route, case_id):
            if one["status"] is None or one["status"] >= 500:
                await self._send(one["report_id"], route, one["body"])

    async def _send(self, report_id: str, route: str, body: bytes) -> None:
        status: int | None = None
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT) as session,
                session.post(self._url, data=body, headers=signed(self._secrets[route], report_id, body)) as answer,
            ):
                status, said = answer.status, await answer.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            said = f"no answer: {error}"
        self._ledger.answer_report(report_id, status, said)


def signed(secret: str, report_id: str, body: bytes) -> dict[str, str]:
    """The headers of one attempt."""
    sent = str(int(time.time()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = base64.b64encode(hmac.digest(key, f"{report_id}.{sent}.".encode() + body, hashlib.sha256)).decode()
    return {
        "content-type": "application/json; charset=utf-8",
        "webhook-id": report_id,
        "webhook-timestamp": sent,
        "webhook-signature": f"v1,{signature}",
    }


def _said(case_id: str, type_: str) -> dict[str, Any]:
    said: dict[str, Any] = {"case_id": case_id, "type": type_, "at": now().isoformat(), "unit": "信访科", "by": "沙箱"}
    if type_ == "extended":
        said["until"] = (now() + EXTENSION).isoformat()
    if type_ == "answered":
        said["public_text"] = ANSWER
    return said
