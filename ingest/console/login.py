"""Coming in, going out, changing one's password and language."""

from __future__ import annotations

import asyncio
import math
from datetime import timedelta

from aiohttp import web
from sqlalchemy import Connection

from ingest import accounts
from ingest.accounts import AccountRefused
from ingest.catalogue import LANGUAGES
from ingest.console.context import CONSOLE, Console, client_address, page, visitor_of
from ingest.console.guard import LANGUAGE_COOKIE, form_cookie, safe_path, session_cookie, set_cookie
from ingest.console.sessions import end_session, open_session
from ingest.history import record_history

_NOBODY = accounts.nobodys_hash()
"""What an unknown account's password is compared with, so that it takes as long as a known one's."""


async def show_login(request: web.Request) -> web.StreamResponse:
    if visitor_of(request).session is not None:
        raise web.HTTPSeeOther("/")
    return page(request, "login.html", problem=None, next=safe_path(request.query.get("next", "/")), name="")


async def log_in(request: web.Request) -> web.StreamResponse:
    """One answer for a wrong name, a wrong password and a disabled account, after the same time."""
    console, form = request.app[CONSOLE], await request.post()
    name, password = _typed_name(str(form.get("name", ""))), str(form.get("password", ""))
    target = safe_path(str(form.get("next", "/")))
    address, now = client_address(request), console.now()
    if wait := console.throttle.wait(name, address, now):
        return _later(request, wait, target, name)
    console.throttle.charge(name, address, now)
    token = await _let_in(request, console, name, password)
    if token is None:
        await _note_failure(console, name, address, by="anonymous")
        return page(request, "login.html", status=401, problem="wrong", next=target, name=name)
    console.throttle.forgive(name, address)
    return _welcome(request, console, token, target)


async def _note_failure(console: Console, name: str, address: str, *, by: str) -> None:
    """A name that is no account's may be a password, typed into the wrong field."""
    now = console.now()

    def note(conn: Connection) -> None:
        told = name if accounts.find_account(conn, name) is not None else f"{name[:2]}…"
        record_history(conn, None, "login_failed", by, {"account": told, "address": address}, now)

    await console.write(note)


async def log_out(request: web.Request) -> web.StreamResponse:
    console, visitor, now = request.app[CONSOLE], visitor_of(request), request.app[CONSOLE].now()
    token = request.cookies.get(session_cookie(console))

    def end(conn: Connection) -> None:
        end_session(conn, token or "")
        record_history(conn, None, "logout", visitor.name, {}, now)

    if visitor.session is not None:
        await console.write(end)
    response = web.Response(status=303, headers={"Location": "/login"})
    _drop_cookies(console, response)
    return response


async def show_password(request: web.Request) -> web.StreamResponse:
    return page(request, "password.html", problem=None)


async def change_password(request: web.Request) -> web.StreamResponse:
    """A new password ends all sessions of the account, this one too."""
    console, visitor, form = request.app[CONSOLE], visitor_of(request), await request.post()
    name, now, address = visitor.name, console.now(), client_address(request)
    old, new = str(form.get("old", "")), str(form.get("new", ""))
    if console.throttle.wait(name, address, now):
        return page(request, "password.html", status=429, problem="later")
    if new != str(form.get("again", "")):
        return page(request, "password.html", status=400, problem="differ")
    console.throttle.charge(name, address, now)
    verified = await _verified(console, name, old)
    if verified is None:
        await _note_failure(console, name, address, by=name)
        return page(request, "password.html", status=400, problem="old")
    console.throttle.forgive(name, address)
    try:
        async with console.hashing:
            hashed = await asyncio.to_thread(accounts.hash_password, name, new)
    except AccountRefused:
        return page(request, "password.html", status=400, problem="weak")

    def change(conn: Connection) -> bool:
        if stands := accounts.still_stands(conn, name, verified):
            accounts.set_password(conn, name, hashed, by=name, now=now)
        return stands

    if not await console.write(change):
        return page(request, "password.html", status=400, problem="old")
    response = web.Response(status=303, headers={"Location": "/login"})
    _drop_cookies(console, response)
    return response


async def switch_language(request: web.Request) -> web.StreamResponse:
    form = await request.post()
    response = web.Response(status=303, headers={"Location": safe_path(str(form.get("next", "/")))})
    if (language := form.get("language")) in LANGUAGES:
        set_cookie(request, response, LANGUAGE_COOKIE, str(language))
    return response


async def _let_in(request: web.Request, console: Console, name: str, password: str) -> str | None:
    """The token of a new session; None: it is not the password, or is it no more."""
    for _ in range(2):  # another login may have renewed the hash meanwhile
        hashed = await _verified(console, name, password)
        if hashed is None:
            return None
        if token := await _begin(request, console, name, hashed):
            return token
    return None


async def _verified(console: Console, name: str, password: str) -> str | None:
    """The account's hash, if it is of this password; renewed if the parameters have become stronger since."""
    stored = await console.store.read(lambda conn: accounts.password_of(conn, name))
    async with console.hashing:
        hashed = _NOBODY if stored is None else stored
        right = await asyncio.to_thread(accounts.verify_password, hashed, password)
        if stored is None or not right:
            return None
        renewed = await asyncio.to_thread(accounts.rehash, password) if accounts.needs_rehash(stored) else None
    if renewed is None:
        return stored
    await console.write(lambda conn: accounts.renew_hash(conn, name, stored, renewed))
    return renewed


async def _begin(request: web.Request, console: Console, name: str, verified: str) -> str | None:
    """A new token for the new session, whatever the browser brought; what it brought ends.

    None: what was verified does not stand any more. A new password, or disabling, ends all sessions there are: one
    that was verified before must not come after it.
    """
    brought, now = request.cookies.get(session_cookie(console)), console.now()
    detail = {"address": client_address(request)}

    def begin(conn: Connection) -> str | None:
        if not accounts.still_stands(conn, name, verified):
            return None
        if brought is not None:
            end_session(conn, brought)
        record_history(conn, None, "login", name, detail, now)
        return open_session(conn, name, now)

    return await console.write(begin)


def _welcome(request: web.Request, console: Console, token: str, target: str) -> web.StreamResponse:
    response = web.Response(status=303, headers={"Location": target})
    set_cookie(request, response, session_cookie(console), token)
    response.del_cookie(form_cookie(console), path="/", secure=console.settings.secure_cookies)
    return response


def _later(request: web.Request, wait: timedelta, target: str, name: str) -> web.Response:
    response = page(request, "login.html", status=429, problem="later", next=target, name=name)
    response.headers["Retry-After"] = str(math.ceil(wait.total_seconds()))
    return response


def _typed_name(written: str) -> str:
    try:
        return accounts.clean_name(written)
    except AccountRefused:
        return written.strip()[:64]


def _drop_cookies(console: Console, response: web.Response) -> None:
    for name in (session_cookie(console), form_cookie(console)):
        response.del_cookie(name, path="/", secure=console.settings.secure_cookies)
