"""Keys and moments for stores under test."""

from __future__ import annotations

from datetime import UTC, datetime

MASTER = bytes(range(32))
OTHER_MASTER = bytes(reversed(range(32)))
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
