"""Addresses of PostgreSQL as they may be shown: without whatever opens it."""

from __future__ import annotations

from sqlalchemy import URL

SECRETS = ("password", "sslpassword", "scram_client_key", "scram_server_key", "oauth_client_secret")
"""What libpq takes behind the "?" of an address, and nobody else should read."""


def shown(url: URL) -> str:
    """The address for logs, errors and notes: the password as ***, no secret behind the "?"."""
    return url.difference_update_query(SECRETS).render_as_string(hide_password=True)


def secrets_in_query(url: URL) -> list[str]:
    """The names of the secrets behind the "?"."""
    return [name for name in SECRETS if name in url.query]
