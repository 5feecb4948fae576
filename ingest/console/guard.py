"""What stands before every page: who asks, whether a form is ours, whether the role may, and safe headers."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from urllib.parse import quote, urlsplit

from aiohttp import web

from ingest.catalogue import LANGUAGES, Language
from ingest.console.context import CONSOLE, VISITOR, Console, Visitor, page, visitor_of
from ingest.console.roles import Right
from ingest.console.sessions import Session, extend_session, find_session

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LANGUAGE_COOKIE = "xinqiao_language"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # "no-referrer" would turn the Origin of our own forms into "null"
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
LARGEST_OF_STRANGERS = 64 * 1024
EXPLAINED = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
OPEN = ("/healthz", "/readyz", "/metrics", "/static/", "/api/")
"""What monitors, browsers and machines with a token ask for without a session."""
FILES = "/files/"
"""For targets with a token too: who sends them looks who asks."""
FOR_ANYBODY = ("/login", "/logout", "/language")


def session_cookie(console: Console) -> str:
    """The `__Host-` prefix makes browsers refuse the cookie from anywhere but this very host over TLS."""
    return "__Host-xinqiao" if console.settings.secure_cookies else "xinqiao_session"


def form_cookie(console: Console) -> str:
    return "__Host-xinqiao_form" if console.settings.secure_cookies else "xinqiao_form"


def set_cookie(request: web.Request, response: web.Response, name: str, value: str) -> None:
    secure = request.app[CONSOLE].settings.secure_cookies
    response.set_cookie(name, value, httponly=True, samesite="Strict", secure=secure, path="/")


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.app[CONSOLE].settings.secure_cookies:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    response.headers["Server"] = "xinqiao"


@web.middleware
async def recognise(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Find out who asks, and give a stranger the token that login forms must bring back."""
    if request.path.startswith(OPEN):
        return await handler(request)
    console = request.app[CONSOLE]
    session = await _session(request, console)
    stranger = request.cookies.get(form_cookie(console)) or secrets.token_urlsafe(32)
    request[VISITOR] = Visitor(session, _language(request, console), session.csrf if session else stranger)
    response = await handler(request)
    if session is None and form_cookie(console) not in request.cookies and isinstance(response, web.Response):
        set_cookie(request, response, form_cookie(console), stranger)
    return response


@web.middleware
async def explain(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a person's mistake with a page in his language."""
    try:
        return await handler(request)
    except web.HTTPClientError as error:
        if request.path.startswith((*OPEN, FILES)):
            raise
        status = error.status if error.status in EXPLAINED else HTTPStatus.BAD_REQUEST
        return page(request, "refused.html", status=error.status, kind=HTTPStatus(status).value)


@web.middleware
async def check_form(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse whatever changes something and does not come from a form of this console."""
    if request.method not in ("GET", "HEAD") and not request.path.startswith(OPEN):
        _check_origin(request)
        _check_size(request)
        sent = (await request.post()).get("csrf", "")
        known = visitor_of(request).csrf
        if not isinstance(sent, str) or not hmac.compare_digest(sent.encode(), known.encode()):
            raise web.HTTPForbidden(reason="The form has expired")
    return await handler(request)


def is_for_anybody(path: str) -> bool:
    """Whether nobody need have logged in."""
    return path in FOR_ANYBODY or path.startswith(OPEN)


@web.middleware
async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Ask a stranger to log in, whatever the page needs besides."""
    open_to_all = is_for_anybody(request.path) or request.path.startswith(FILES)
    if not open_to_all and visitor_of(request).session is None:
        raise web.HTTPSeeOther(f"/login?next={quote(request.path_qs, safe='')}")
    return await handler(request)


def needs(right: Right) -> Callable[[Handler], Handler]:
    """Let only those pass who have the right."""

    def guard(handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            if not visitor_of(request).may(right):
                raise web.HTTPForbidden
            return await handler(request)

        return guarded

    return guard


def safe_path(written: str) -> str:
    """Where to go after login: only ever a page of this console."""
    parts = urlsplit(written)
    odd = parts.scheme or parts.netloc or "\\" in written or not written.isprintable()
    return written if written.startswith("/") and not written.startswith("//") and not odd else "/"


async def _session(request: web.Request, console: Console) -> Session | None:
    token = request.cookies.get(session_cookie(console))
    if not token or len(token) > 200:
        return None
    now = console.now()
    session = await console.store.read(lambda conn: find_session(conn, token, now))
    if session is not None and (until := session.extended(now)) is not None:
        digest = session.digest
        await console.write(lambda conn: extend_session(conn, digest, until))
    return session


def _language(request: web.Request, console: Console) -> Language:
    asked = request.cookies.get(LANGUAGE_COOKIE)
    return next((language for language in LANGUAGES if language == asked), console.settings.language)


def _check_size(request: web.Request) -> None:
    """A stranger has but a password to send: he is not to fill the memory. Browsers tell the length."""
    length = request.content_length
    if visitor_of(request).session is None and (length is None or length > LARGEST_OF_STRANGERS):
        raise web.HTTPRequestEntityTooLarge(LARGEST_OF_STRANGERS, length or 0)


def _check_origin(request: web.Request) -> None:
    """Every browser of the last years names the origin of a POST; one that does not is refused."""
    origin = urlsplit(request.headers.get("Origin", ""))
    if not origin.netloc or origin.netloc not in (request.host, request.app[CONSOLE].settings.public_host):
        raise web.HTTPForbidden(reason="The form comes from another site")
