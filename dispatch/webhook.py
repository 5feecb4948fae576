"""A receiver of Standard Webhooks: the event's own bytes, signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

from pydantic import SecretStr
from yarl import URL

from dispatch.answer import Answer, judge, judge_silence
from dispatch.client import Client, Silence, merged
from dispatch.parcel import Parcel
from dispatch.retry import Stopwatch
from dispatch.settings import TargetSettings, signing_key


def sign(secrets: Sequence[SecretStr], event_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The Standard Webhooks headers of one attempt; one signature a secret, so that a receiver can change its own."""
    timestamp = str(int(at.timestamp()))
    signed = f"{event_id}.{timestamp}.".encode() + body
    signatures = (hmac.digest(signing_key(secret), signed, hashlib.sha256) for secret in secrets)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{base64.b64encode(signature).decode()}" for signature in signatures),
    }


class Webhook:
    """Posts events to one address."""

    def __init__(self, settings: TargetSettings, client: Client) -> None:
        self._settings = settings
        self._client = client
        self._url = URL(settings.url)
        self._headers = merged({"content-type": "application/json; charset=utf-8"}, settings.headers)

    async def send(self, parcel: Parcel, now: datetime) -> Answer:
        """Send once; never raises for anything the network or the receiver does."""
        settings, headers, watch = self._settings, self._headers.copy(), Stopwatch(now)
        headers.update(sign(settings.secret, parcel.event_id, now, parcel.body))
        try:
            answer = await self._client.exchange(self._url, parcel.body, headers, latest=parcel.latest)
            return judge(answer, settings, watch.now)
        except Silence as silence:
            return judge_silence(str(silence), settings, sent=silence.sent, words=silence.words)
