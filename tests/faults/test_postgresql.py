"""Two daemons on one PostgreSQL, on the same channels: processes, lines, clocks and the server itself are struck."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.session import session, strikes_for
from tests.faults.short import check, seed_drawn
from tests.faults.strikes.servers import SERVERS
from tests.faults.town import POSTGRESQL

pytestmark = [pytest.mark.crash, pytest.mark.dovecot, pytest.mark.postgres, pytest.mark.timeout(1500)]
AS_WELL = ("SIGTERM", "store.commit", "OA line: reset", "410")
"""Besides what strikes a PostgreSQL only; the rest is for the long form, and SQLite's short one."""


async def test_struck_again_and_again_every_matter_is_one_case_in_its_last_words(tmp_path: Path) -> None:
    seed = seed_drawn()
    known = strikes_for(POSTGRESQL)
    kinds = [name for name in known if name in SERVERS or any(word in name for word in AS_WELL)]

    result = await session(tmp_path, POSTGRESQL, seed, 1, kinds)

    check(result, kinds, seed, 12)
