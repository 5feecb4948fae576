"""The sandbox's own secrets: made once, kept in the data folder, shown to whoever may read that folder."""

from __future__ import annotations

import base64
import secrets
import shlex
import time
from collections.abc import Callable
from pathlib import Path

ENV_FILE = "sandbox.env"


def _webhook_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


def _sealing_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


_MADE_BY: dict[str, Callable[[], str]] = {
    "XINQIAO_KEY": _sealing_key,
    "SUNSHINE_APP_SECRET": lambda: secrets.token_hex(16),
    "HOTLINE_APP_SECRET": lambda: secrets.token_hex(16),
    "MAILBOX_PASSWORD": lambda: secrets.token_hex(12),
    "OA_WEBHOOK_SECRET": _webhook_secret,
    "OA_DISCIPLINE_SECRET": _webhook_secret,
    "OA_REPORTS_SECRET": _webhook_secret,
    "OA_DISCIPLINE_REPORTS_SECRET": _webhook_secret,
    "OA_TOKEN": lambda: secrets.token_hex(24),
    "OA_DISCIPLINE_TOKEN": lambda: secrets.token_hex(24),
    "SEEYON_PASSWORD": lambda: secrets.token_hex(16),
    "SANDBOX_BORN": lambda: str(int(time.time())),
    "SANDBOX_DEMO_PASSWORD": lambda: f"demo-{secrets.token_hex(5)}",
}


def keyring(data: Path) -> dict[str, str]:
    """The secrets by the name of their environment variable, from DATA/sandbox.env; what is missing there is made.

    SANDBOX_BORN is no secret: the mailbox's UIDVALIDITY, another one when the data folder was emptied.

    The environment is not asked: a secret of a real installation has no business in a sandbox.
    """
    data.mkdir(parents=True, exist_ok=True)
    path = data / ENV_FILE
    known = _read(path) if path.exists() else {}
    keys = {name: known.get(name) or make() for name, make in _MADE_BY.items()}
    if keys != known:
        _write(path, keys)
    return keys


def _read(path: Path) -> dict[str, str]:
    assignments = shlex.split(path.read_text("utf-8"), comments=True)
    return dict(word.split("=", 1) for word in assignments if "=" in word)


def _write(path: Path, keys: dict[str, str]) -> None:
    text = "# Made by `xinqiao sandbox`, for the sandbox only.\n"
    text += "# To run the daemon yourself: set -a; . THIS_FILE; set +a\n"
    text += "".join(f"{name}={shlex.quote(value)}\n" for name, value in keys.items())
    path.touch(mode=0o600)
    path.write_text(text, "utf-8")
