"""How SQLite goes about the queries of an act, without any of their rows."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, event


def plan_of(conn: Connection, act: Any, about: str = "FROM cases") -> list[str]:
    """SQLite's plan of every statement that the act makes and that holds these words."""
    asked: list[tuple[str, Any]] = []

    def note(_conn: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if about in statement:
            asked.append((statement, parameters))

    event.listen(conn, "before_cursor_execute", note)
    act()
    event.remove(conn, "before_cursor_execute", note)
    return [
        row.detail
        for statement, parameters in asked
        for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
    ]
