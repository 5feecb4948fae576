"""What a person may ask of a running or resting installation: each an operation with JSON in and out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ingest.accounts import AccountRefused
from ingest.office import Office
from ingest.operations import accounts, cases, doors, quarantine, reading, sending, sheets, state
from ingest.operations.terms import Answer, Operation, OperationRefused

__all__ = ["OPERATIONS", "Answer", "OperationRefused", "perform"]

OPERATIONS: Mapping[str, Operation] = {
    "status": state.status,
    "replay-read": reading.replay_read,
    "replay-send": sending.replay_send,
    "replay-hand-over": sending.replay_hand_over,
    "replay-skip": sending.replay_skip,
    "replay-arrived": sending.replay_arrived,
    "reconcile": sending.reconcile,
    "pause": doors.pause,
    "resume": doors.resume,
    "correct": cases.correct,
    "uncorrect": cases.uncorrect,
    "quarantine-list": quarantine.look_through,
    "quarantine-read": quarantine.read_again,
    "quarantine-begin": quarantine.begin,
    "quarantine-register": quarantine.register,
    "quarantine-dismiss": quarantine.dismiss,
    "sheet": sheets.sheet,
    "user-add": accounts.user_add,
    "user-list": accounts.user_list,
    "user-password": accounts.user_password,
    "user-role": accounts.user_role,
    "user-enable": accounts.user_enable,
}


async def perform(office: Office, name: str, arguments: Mapping[str, Any], actor: str) -> Answer:
    """Do one operation. Raises OperationRefused."""
    operation = OPERATIONS.get(name)
    if operation is None:
        raise OperationRefused(f"{name}: no such operation")
    try:
        return await operation(office, arguments, actor)
    except AccountRefused as error:
        raise OperationRefused(str(error)) from error
