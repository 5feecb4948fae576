"""Speaks with one receiver, whichever language it speaks."""

from __future__ import annotations

from datetime import datetime

from dispatch.answer import Answer
from dispatch.client import Client
from dispatch.own_api import Finding, OwnApi
from dispatch.parcel import Parcel
from dispatch.settings import LookupSettings, TargetSettings
from dispatch.webhook import Webhook


class Sender:
    """Within a running loop; close at the end."""

    def __init__(self, settings: TargetSettings) -> None:
        """Raises TrustBroken."""
        self._client = Client(settings)
        self._api = OwnApi(settings, self._client)
        self._receiver = self._api if settings.calls else Webhook(settings, self._client)

    async def send(self, parcel: Parcel, now: datetime) -> Answer:
        """Send an event once; never raises for anything the network or the receiver does."""
        return await self._receiver.send(parcel, now)

    async def find(self, lookup: LookupSettings, parcel: Parcel, now: datetime) -> Finding:
        """Ask whether its case has arrived; never raises for anything the network or the receiver does."""
        return await self._api.find(lookup, parcel, now)

    async def close(self) -> None:
        await self._client.close()
