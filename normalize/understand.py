"""Understanding a case once it is read: type, purpose, topics, urgency, flags, restriction, first step, unit."""

from __future__ import annotations

from normalize.accusation import purpose
from normalize.case import Draft
from normalize.kind import request_type
from normalize.restrict import asks_confidentiality, restriction
from normalize.rules import Rules
from normalize.topics import topics
from normalize.triage import flags, suggested_unit, triage, urgency


def understand(draft: Draft, rules: Rules) -> Draft:
    """The draft with everything the rules tell about it; what the source said itself stays. Pure and idempotent."""
    draft = _with(draft, request_type=request_type(draft, rules.kind))
    draft = _with(
        draft,
        purpose=purpose(draft, rules.accusation),
        topics=draft.topics or topics(draft, rules.topics),
        urgency=urgency(draft, rules.triage),
        flags=flags(draft, rules.triage),
    )
    if draft.confidential_requested is None and asks_confidentiality(draft, rules.restrict):
        draft = _with(draft, confidential_requested=True)
    reason = restriction(draft, rules.restrict, rules.accusation)
    draft = _with(draft, restricted=reason is not None, restricted_reason=reason, triage=triage(draft, rules.triage))
    return _with(draft, suggested_unit=draft.suggested_unit or suggested_unit(draft, rules.units))


def _with(draft: Draft, **values: object) -> Draft:
    """A copy; the values are of our own making and not validated again."""
    return draft.model_copy(update=values)
