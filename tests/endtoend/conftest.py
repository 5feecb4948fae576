"""A whole town for a test: stand-ins, a real IMAP server, a recorder before the OA, an installation among them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.dovecot import PASSWORD, Dovecot, running_dovecot
from tests.endtoend.installation import Installation
from tests.endtoend.letterbox import TO, Letter
from tests.endtoend.office import configuration
from tests.endtoend.recorder import Recorder, recording
from tests.endtoend.standins import Standins, standins


@dataclass(frozen=True)
class Town:
    office: Installation
    standins: Standins
    recorder: Recorder
    dovecot: Dovecot

    async def post(self, letters: list[Letter]) -> None:
        """Mails arrive in the director's mailbox."""
        await asyncio.to_thread(self.dovecot.append, TO, *(letter.raw for letter in letters))


OpenTown = Callable[..., AbstractAsyncContextManager[Town]]


@pytest.fixture
def open_town(tmp_path: Path) -> OpenTown:
    """`open_town("sandbox option", …, delay=…)`: the daemon is not started yet; `delay`: the OA thinks so long."""

    @asynccontextmanager
    async def opened(*options: str, delay: float = 0.0) -> AsyncIterator[Town]:
        with running_dovecot() as dovecot:
            async with (
                standins(tmp_path / "standins", "sunshine,hotline,letters,oa", *options) as others,
                recording(_secrets(others), others.places["oa"], delay) as recorder,
            ):
                folder = tmp_path / "office"
                config = configuration(
                    folder,
                    sunshine=others.places["sunshine"],
                    hotline=others.places["hotline"],
                    mailbox=dovecot.port,
                    user=TO,
                    letters=others.letters,
                    oa=recorder.url,
                )
                office = Installation(folder, config, {**others.keys, "MAILBOX_PASSWORD": PASSWORD})
                try:
                    yield Town(office, others, recorder, dovecot)
                finally:
                    await office.end()

    return opened


def _secrets(others: Standins) -> dict[str, str]:
    return {"": others.keys["OA_WEBHOOK_SECRET"], "discipline": others.keys["OA_DISCIPLINE_SECRET"]}
