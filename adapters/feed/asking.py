"""A call of the dialect made ready to be sent: placeholders filled in, signed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from pydantic import JsonValue
from yarl import URL

from adapters.feed.connection import Ask
from adapters.feed.dialect import Dialect, Request, SignatureAuth
from adapters.feed.signing import signature_parameters


def named(dialect: Dialect, request: Request) -> str:
    """How messages call it: without query, so without secrets."""
    return f"{request.method} {dialect.base_url}/{request.path.lstrip('/')}"


def composed(
    dialect: Dialect, request: Request, values: Mapping[str, str | int], proof: Mapping[str, str], now: datetime
) -> Ask:
    """The call with its placeholders filled from `values` and our name and secret, signed if the dialect signs."""
    known = {**values, **_who_we_are(dialect)}
    params = _texts(_filled(dict(request.params), known))
    headers = {**_texts(_filled(dict(request.headers), known)), **proof}
    body = _filled(request.body, known)
    auth = dialect.auth
    if isinstance(auth, SignatureAuth):
        added = _signature(dialect, auth, {**params, **_texts(body)}, now)
        if auth.where == "body":
            body = {**body, **added} if isinstance(body, dict) else dict(added)
        else:
            (params if auth.where == "query" else headers).update(added)
    form = _texts(body) if request.body_as == "form" and body is not None else None
    content = None if body is None or form is not None else json.dumps(body, ensure_ascii=False).encode()
    url = URL(f"{dialect.base_url}/{request.path.lstrip('/')}").update_query(params)
    return Ask(named(dialect, request), url, request.method, headers, content, form)


def signed(dialect: Dialect, url: URL, now: datetime) -> URL:
    """A file's address as it is asked for: with its signature, where the platform wants one in the query."""
    auth = dialect.auth
    if not isinstance(auth, SignatureAuth) or auth.where != "query":
        return url
    return url.update_query(_signature(dialect, auth, dict(url.query), now))


def _signature(dialect: Dialect, auth: SignatureAuth, sent: Mapping[str, str], now: datetime) -> dict[str, str]:
    secret = dialect.app_secret.get_secret_value() if dialect.app_secret else ""
    return signature_parameters(auth, sent, dialect.app_id, secret, now)


def _who_we_are(dialect: Dialect) -> dict[str, str]:
    secret = dialect.app_secret
    known = {"app_id": dialect.app_id, "app_secret": secret.get_secret_value() if secret else None}
    return {name: value for name, value in known.items() if value is not None}


def _filled(template: JsonValue, values: Mapping[str, str | int]) -> JsonValue:
    """Fill `{name}` in every text; a text that is nothing else becomes the value itself, with its type."""
    if isinstance(template, dict):
        return {key: _filled(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [_filled(value, values) for value in template]
    if not isinstance(template, str):
        return template
    for name, value in values.items():
        if template == "{" + name + "}":
            return value
        template = template.replace("{" + name + "}", str(value))
    return template


def _texts(value: JsonValue) -> dict[str, str]:
    """Parameters as they are written in a query and under a signature; nested ones and nulls have no place there."""
    if not isinstance(value, dict):
        return {}
    return {
        name: str(one).lower() if isinstance(one, bool) else str(one)
        for name, one in value.items()
        if one is not None and not isinstance(one, dict | list)
    }
