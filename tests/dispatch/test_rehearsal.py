from __future__ import annotations

from dispatch.rehearsal import _FULL
from normalize.case import Case


def test_the_invented_petition_says_something_in_every_field_a_template_may_name() -> None:
    case = Case.model_validate(_FULL).model_dump(mode="json")

    empty = {name for name, value in case.items() if value in (None, [], {}, "")}
    assert empty == {"restricted_reason", "source_fields"}  # of an ordinary case; whatever a source says
    for part in (case["petitioners"][0], case["attachments"][0], case["deadlines"][0], case["region"], case["purpose"]):
        assert None not in part.values()
