"""The signature a platform wants under every request."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import datetime

from adapters.feed.dialect import SignatureAuth


def signature_parameters(
    auth: SignatureAuth, sent: Mapping[str, str], app_id: str | None, secret: str, now: datetime
) -> dict[str, str]:
    """The parameters to add to those `sent`, the signature last; every call has its own nonce."""
    added: dict[str, str] = {}
    if auth.app_id and app_id is not None:
        added[auth.app_id] = app_id
    if auth.nonce:
        added[auth.nonce] = secrets.token_hex(16)
    if auth.timestamp:
        added[auth.timestamp] = str(int(now.timestamp() * (1000 if auth.timestamp_unit == "ms" else 1)))
    added[auth.sign] = _signature(auth, {**sent, **added}, secret)
    return added


def _signature(auth: SignatureAuth, parameters: Mapping[str, str], secret: str) -> str:
    pairs = "&".join(f"{name}={parameters[name]}" for name in sorted(parameters) if name != auth.sign)
    text = auth.secret_joined.replace("{secret}", secret).replace("{pairs}", pairs).encode()
    if auth.digest.startswith("hmac-"):
        digest = hmac.new(secret.encode(), text, auth.digest.removeprefix("hmac-")).hexdigest()
    else:
        digest = hashlib.new(auth.digest, text, usedforsecurity=False).hexdigest()
    return digest.upper() if auth.upper else digest
