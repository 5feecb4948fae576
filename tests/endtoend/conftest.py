"""A whole town for a test: stand-ins, a real IMAP server, a recorder before the OA, an installation among them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
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
    """`a_town` in the test's own folder."""
    return partial(a_town, tmp_path)


@asynccontextmanager
async def a_town(place: Path, *options: str) -> AsyncIterator[Town]:
    """`options` for the stand-ins. The daemon is not started yet."""
    with running_dovecot() as dovecot:
        async with (
            standins(place / "standins", "sunshine,hotline,letters,oa", *options) as others,
            recording(_secrets(others), others.places["oa"]) as recorder,
        ):
            office = _office(place / "office", others, recorder, dovecot)
            try:
                yield Town(office, others, recorder, dovecot)
            finally:
                await office.end()


def _office(folder: Path, others: Standins, recorder: Recorder, dovecot: Dovecot) -> Installation:
    config = configuration(
        folder,
        sunshine=others.places["sunshine"],
        hotline=others.places["hotline"],
        mailbox=dovecot.port,
        user=TO,
        letters=others.letters,
        oa=recorder.url,
    )
    return Installation(folder, config, {**others.keys, "MAILBOX_PASSWORD": PASSWORD})


def _secrets(others: Standins) -> dict[str, str]:
    return {"": others.keys["OA_WEBHOOK_SECRET"], "discipline": others.keys["OA_DISCIPLINE_SECRET"]}
