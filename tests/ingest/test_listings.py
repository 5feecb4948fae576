"""What was tried for a case, as the console and `xinqiao status` read it."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection, event, insert

from ingest import listings
from store.schema import attempt
from tests.ingest.desk import NOW, Desk, open_desk, reading
from tests.place import Place


def tried(desk: Desk, delivery: int, *outcomes: str) -> None:
    rows = [
        {"delivery_id": delivery, "at": NOW + timedelta(seconds=number), "milliseconds": number, "outcome": outcome}
        for number, outcome in enumerate(outcomes)
    ]
    desk.write(lambda conn: conn.execute(insert(attempt), rows))


def test_a_case_s_deliveries_with_all_their_attempts_are_one_query(place: Place) -> None:
    with open_desk(place) as desk:
        (case_id,) = desk.take_in(reading("x:1"), key="1")
        desk.take_in(reading("x:1", title="第二版"), key="1")
        (later, earlier) = desk.store.read_now(lambda conn: listings.deliveries(conn, case_id=case_id))
        tried(desk, earlier.id, "again", "unknown", "delivered")
        asked: list[str] = []

        def look(conn: Connection) -> list[listings.Delivery]:
            event.listen(conn, "before_cursor_execute", lambda *told: asked.append(told[2]))
            return listings.deliveries(conn, case_id=case_id)

        found = desk.store.read_now(look)

    assert len(asked) == 1
    assert [(one.id, [made.outcome for made in one.tries]) for one in found] == [
        (later.id, []),
        (earlier.id, ["again", "unknown", "delivered"]),
    ]
    assert found[1].tries[1].at == NOW + timedelta(seconds=1)
