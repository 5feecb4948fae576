"""What follows from an answer: for the delivery, for its ledger row, for the target. Pure, decided once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from dispatch.answer import Answer, Verdict
from dispatch.attempts import DOUBTFUL, INTERRUPTED, Attempt
from dispatch.own_api import Finding, Found
from dispatch.parcel import Parcel
from dispatch.recording import End, Health, Sign, State
from dispatch.retry import delay
from dispatch.settings import TargetSettings

TRIP = 3
"""So many failures in a row, whosever events they are, and the target is left alone as a whole."""
NOT_LET_IN = (401, 403)
"""Once it may be the event; several in a row are a wrong secret, or a clock that is wrong: the target's trouble."""
DISPUTED = timedelta(minutes=1)
"""So long a delivery is left to other hosts that this one's configuration forbids and theirs may allow."""
ASK_A_PERSON = "it may have arrived; look in the receiver, then say whether it has"


def sign_of(parcel: Parcel, answer: Answer, *, at: datetime, doubts: int, chance: float) -> Sign | None:
    """What the answer to an attempt begun at `at` says of the target; `doubts`: failures in a row before this one."""
    facts = {"started": at, "probe": parcel.probe}
    if answer.verdict is Verdict.DELIVERED:
        return Sign(Health.GOOD, **facts)  # type: ignore[arg-type]  # facts are Sign's own fields
    match answer.verdict:
        case Verdict.REJECTED if answer.status is None:
            return None  # it was never asked
        case Verdict.REJECTED if answer.status not in NOT_LET_IN:
            return Sign(Health.GOOD, **facts)  # type: ignore[arg-type]
    facts |= {"error": answer.detail, "status": answer.status, "chance": chance}
    if answer.verdict is Verdict.GONE:
        return Sign(Health.GONE, **facts)  # type: ignore[arg-type]
    theirs = _is_theirs(answer)
    troubled = parcel.probe or theirs or doubts + 1 >= TRIP
    health, known = Health.TROUBLED if troubled else Health.DOUBTFUL, not theirs and parcel.claim.attempts > 1
    return Sign(health, wait=answer.wait, known=known, **facts)  # type: ignore[arg-type]


def sign_of_lookup(parcel: Parcel, finding: Finding, *, at: datetime, doubts: int, chance: float) -> Sign | None:
    """What looking up says of the target; None: nothing, or what is sent next says more."""
    if finding.found is Found.ABSENT:
        return None
    status = finding.status or 0
    admitted = finding.let_in and status not in NOT_LET_IN
    if finding.reached and admitted and status != 429 and status < 500:
        return Sign(Health.GOOD, at, probe=parcel.probe) if finding.status is not None else None
    troubled = parcel.probe or finding.wait is not None or doubts + 1 >= TRIP
    known = finding.reached and finding.wait is None and parcel.claim.attempts > 1
    return Sign(
        Health.TROUBLED if troubled else Health.DOUBTFUL, at, finding.detail, finding.status, finding.wait,
        probe=parcel.probe, known=known, chance=chance,
    )  # fmt: skip


def end_of(
    parcel: Parcel, answer: Answer, settings: TargetSettings, *, at: datetime, took: timedelta, sign: Sign | None,
    chance: float,
) -> End:  # fmt: skip
    """What becomes of the delivery."""
    outcome = DOUBTFUL if _may_have_arrived(parcel, answer, settings) else answer.verdict.value
    attempt = Attempt(at, took, outcome, answer.status, answer.detail, answer.excerpt)
    now = at + took
    match answer.verdict:
        case Verdict.DELIVERED:
            return _end(parcel, State.DELIVERED, attempt, receiver_id=answer.receiver_id, over=True)
        case Verdict.REJECTED if not (answer.status in NOT_LET_IN and _is_troubled(sign)):
            return _end(parcel, State.REJECTED, attempt, detail=answer.detail)
        case Verdict.GONE:
            return _end(parcel, State.WAITING, attempt, detail=answer.detail, due=now, charged=False)
        case Verdict.UNKNOWN:
            return _unknown(parcel, answer, attempt, settings, sign=sign, chance=chance)
    troubled = _is_troubled(sign)
    if not troubled and parcel.claim.attempts >= settings.retry.attempts:
        said = f"given up after {parcel.claim.attempts} attempts: {answer.detail}"
        return _end(parcel, State.REJECTED, attempt, detail=said)
    # Whom the target as a whole cannot take goes as soon as it can; who failed by himself waits longer and longer.
    theirs = _is_theirs(answer)
    due = now if theirs else now + delay(parcel.claim.attempts, chance, settings.retry)
    charged = _is_charged(parcel, settings, troubled=troubled, theirs=theirs)
    return _end(parcel, State.WAITING, attempt, detail=answer.detail, due=due, charged=charged)


def end_of_lookup(
    parcel: Parcel, finding: Finding, settings: TargetSettings, *, at: datetime, took: timedelta, sign: Sign | None,
    chance: float,
) -> End:  # fmt: skip
    """What becomes of a delivery that was looked up and found, or of which nobody could tell."""
    attempt = attempt_of(finding, at, took)
    if finding.found is Found.FOUND:
        return _end(parcel, State.DELIVERED, attempt, receiver_id=finding.receiver_id, over=True)
    troubled = sign is not None and sign.health is Health.TROUBLED
    if not troubled and parcel.claim.attempts >= settings.retry.attempts:
        return _end(parcel, State.UNKNOWN, attempt, detail=ASK_A_PERSON)
    theirs = troubled and (not finding.reached or finding.wait is not None)
    due = at + took + (timedelta(0) if theirs else delay(parcel.claim.attempts, chance, settings.retry))
    charged = _is_charged(parcel, settings, troubled=troubled, theirs=theirs)
    return _end(parcel, State.UNKNOWN, attempt, detail=finding.detail, due=due, charged=charged)


def attempt_of(finding: Finding, at: datetime, took: timedelta) -> Attempt:
    """A lookup, as the history keeps it."""
    return Attempt(at, took, finding.found.value, finding.status, finding.detail, finding.excerpt)


def end_of_interrupted(parcel: Parcel, settings: TargetSettings, now: datetime) -> End:
    """What becomes of a delivery that was being sent when its process died: the receiver may be at work on it."""
    attempt = _interrupted(parcel, settings, now)
    if settings.lookup is None:
        return _end(parcel, State.UNKNOWN, attempt, detail=ASK_A_PERSON)
    due = now + settings.lookup.wait
    return _end(parcel, State.UNKNOWN, attempt, detail=INTERRUPTED, due=due, charged=False)


def end_unsent(parcel: Parcel, settings: TargetSettings, now: datetime) -> End:
    """What becomes of a delivery that may not be sent any more, or cannot be."""
    attempt = _interrupted(parcel, settings, now)
    if parcel.fault is None:
        return _end(parcel, State.DROPPED, attempt, over=True)
    if parcel.uncertain:
        return _end(parcel, State.UNKNOWN, attempt, detail=f"{parcel.fault}; {ASK_A_PERSON}")
    return _end(parcel, State.REJECTED, attempt, detail=parcel.fault)


def end_disputed(parcel: Parcel, now: datetime) -> End:
    """What becomes of a delivery that may not be sent by our configuration, while other hosts go by another."""
    said = "the configuration of the host that took it up does not allow it, that of another may"
    return _end(parcel, State(parcel.state), None, detail=said, due=now + DISPUTED, charged=False)


def end_unready(parcel: Parcel, said: str, settings: TargetSettings, *, now: datetime, chance: float) -> End:
    """What becomes of a delivery for which something of ours is not at hand: later, and not its fault."""
    due = now + delay(1, chance, settings.retry)
    return _end(parcel, State(parcel.state), None, detail=said, due=due, charged=False)


def end_too_late(parcel: Parcel, now: datetime) -> End:
    """What becomes of a delivery that was begun and surely not sent, if it is still ours."""
    return _end(parcel, State.WAITING, None, due=now, charged=False)


def cut_off(at: datetime, took: timedelta) -> Attempt:
    """An attempt that we broke off: the receiver may be at work on it."""
    return Attempt(at, took, DOUBTFUL, detail="broken off when we stopped")


def _interrupted(parcel: Parcel, settings: TargetSettings, now: datetime) -> Attempt | None:
    """The attempt of whoever had it last and died, if he may have made one: when the case is taken back, its receiver
    must hear of it, though nothing more is sent.
    """
    made = Attempt(now, timedelta(0), Verdict.UNKNOWN.value, detail=INTERRUPTED)
    if parcel.state == State.SENDING:
        return made
    unheard = parcel.claim.attempts > 1 and not parcel.tried
    return replace(made, outcome=DOUBTFUL) if unheard and settings.repeatable(parcel.type) else None


def _may_have_arrived(parcel: Parcel, answer: Answer, settings: TargetSettings) -> bool:
    """Of what is sent again to a receiver that knows it again: whether one that would not might have it twice."""
    if answer.verdict is not Verdict.AGAIN or not settings.repeatable(parcel.type) or not answer.reached:
        return False
    return answer.status is None or answer.status == 408 or not 400 <= answer.status < 500


def _is_troubled(sign: Sign | None) -> bool:
    return sign is not None and sign.health is Health.TROUBLED


def _is_theirs(answer: Answer) -> bool:
    """Whether the target as a whole is in trouble by its own word, or because nobody is there: not this event."""
    return not answer.reached or answer.wait is not None


def _is_charged(parcel: Parcel, settings: TargetSettings, *, troubled: bool, theirs: bool) -> bool:
    """The target's trouble is not charged to an event, but a probe that was answered about its event is; the last of
    its attempts is kept for when the target takes others.
    """
    return not troubled or (parcel.probe and not theirs and parcel.claim.attempts < settings.retry.attempts)


def _unknown(
    parcel: Parcel, answer: Answer, attempt: Attempt, settings: TargetSettings, *, sign: Sign | None, chance: float
) -> End:
    troubled, attempts = _is_troubled(sign), parcel.claim.attempts
    if settings.lookup is None or (not troubled and attempts >= settings.retry.attempts):
        return _end(parcel, State.UNKNOWN, attempt, detail=f"{attempt.detail}; {ASK_A_PERSON}")
    charged = _is_charged(parcel, settings, troubled=troubled, theirs=_is_theirs(answer))
    wait = max(settings.lookup.wait, delay(attempts, chance, settings.retry) if charged else timedelta(0))
    due = attempt.at + attempt.took + wait
    return _end(parcel, State.UNKNOWN, attempt, detail=attempt.detail, due=due, charged=charged)


def _end(
    parcel: Parcel, state: State, attempt: Attempt | None, *, detail: str | None = None, receiver_id: str | None = None,
    over: bool = False, due: datetime | None = None, charged: bool = True,
) -> End:  # fmt: skip
    return End(
        parcel.claim, parcel.delivery_id, state, attempt, detail, receiver_id, over, due, charged, parcel.probe,
        State(parcel.state),
    )  # fmt: skip
