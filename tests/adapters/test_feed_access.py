"""Proving who we are in the ways other cities ask for, and trusting only whom we should."""

from __future__ import annotations

import hashlib
import hmac
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError

from adapters.base import ChannelRefused
from adapters.feed import FeedAdapter, FeedSettings
from adapters.hotline import HotlineSettings
from adapters.sunshine import SunshineSettings
from tests.adapters.platforms import NOW

LISTING = {
    "path": "/list",
    "records": "",
    "key": ["id"],
    "modified": "at",
    "params": {"from": "{begin}", "p": "{page}"},
}
ONE = [{"id": 1, "at": "2026-03-31 09:00:00"}]


async def probed(handler: Any, block: dict[str, Any], *, tls: ssl.SSLContext | None = None) -> str:
    """Serve every address with one handler and let a feed configured so knock."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    server = TestServer(app, scheme="https" if tls else "http")
    await server.start_server(ssl=tls)
    settings = FeedSettings.model_validate(
        {"base_url": str(server.make_url("/")), "listing": LISTING, "map": {"key": "id"}, **block}
    )
    adapter = FeedAdapter("door", settings, lambda: NOW)
    try:
        return await adapter.probe()
    finally:
        await adapter.close()
        await server.close()


async def test_a_body_signed_with_hmac_is_believed() -> None:
    async def handler(request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        text = "&".join(f"{name}={form[name]}" for name in sorted(form) if name != "sig")
        right = hmac.new(b"s3cret", text.encode(), hashlib.sha256).hexdigest()
        return web.json_response(ONE if form.pop("sig") == right and form["app"] == "me" else None, status=200)

    auth = {
        "kind": "signature", "digest": "hmac-sha256", "secret_joined": "{pairs}", "upper": False,
        "app_id": "app", "nonce": None, "timestamp": "ts", "timestamp_unit": "ms", "sign": "sig", "where": "body",
    }  # fmt: skip
    listing = {**LISTING, "method": "POST", "body_as": "form", "params": {}, "body": {"from": "{begin}", "p": "{page}"}}

    assert "records changed" in await probed(handler, {"app_id": "me", "app_secret": "s3cret", "auth": auth, "listing": listing})  # fmt: skip  # noqa: E501


async def test_a_session_may_be_kept_in_cookies() -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path == "/login":
            response = web.json_response({"status": "success"})
            response.set_cookie("JSESSIONID", "abc")
            return response
        known = request.cookies.get("JSESSIONID") == "abc"
        return web.json_response(ONE) if known else web.Response(text="<html>login</html>", content_type="text/html")

    auth = {"kind": "token", "login": {"path": "/login", "params": {"u": "{app_id}", "p": "{app_secret}"}}}

    assert "records changed" in await probed(handler, {"app_id": "me", "app_secret": "s3cret", "auth": auth})


async def test_a_key_may_stand_in_a_header() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response(ONE, status=200 if request.headers.get("x-api-key") == "s3cret" else 403)

    listing = {**LISTING, "headers": {"x-api-key": "{app_secret}"}}

    assert "records changed" in await probed(handler, {"app_secret": "s3cret", "listing": listing})
    with pytest.raises(ChannelRefused, match="403"):
        await probed(handler, {"app_secret": "other", "listing": listing})


async def test_only_a_trusted_certificate_is_talked_to(tmp_path: Path) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response(ONE)

    certificate, key = _certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)

    assert "records changed" in await probed(handler, {"tls": {"ca_file": str(certificate)}}, tls=tls)
    assert "records changed" in await probed(handler, {"tls": {"verify": False}}, tls=tls)
    with pytest.raises(ChannelRefused, match="certificate"):
        await probed(handler, {}, tls=tls)
    with pytest.raises(ChannelRefused, match="ca_file"):
        await probed(handler, {"tls": {"ca_file": str(key)}}, tls=tls)


@pytest.mark.parametrize("preset", [SunshineSettings, HotlineSettings])
def test_a_preset_needs_the_address_and_the_secrets_only(preset: type[SunshineSettings | HotlineSettings]) -> None:
    block = {"base_url": "https://xf.example/", "app_id": "a", "app_secret": "s3cret"}
    settings = preset.model_validate({**block, "map": {"title": "tszt"}, "listing": {"page_size": 7}})

    assert settings.base_url == "https://xf.example"
    assert settings.map.title == ("tszt",)
    assert settings.map.content == preset.model_validate(block).map.content
    assert settings.listing.page_size == 7
    assert settings.platform == settings.kind == settings.channel_kind
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"app_id": None}, "app_id is missing"),
        ({"base_url": "xf.example"}, "https://"),
        ({"base_url": "https://a:b@xf.example"}, "without user"),
        ({"lisitng": {}}, "Extra inputs"),
        ({"listing": {"timezone": "Asia/Peking"}}, "Asia/Shanghai"),
        ({"map": {"category": {"separator": "["}}}, "regular expression"),
        ({"map": {"purpose": {"codes": {"申诉": "plea"}}}}, "appeal"),
    ],
)
def test_a_mistake_in_the_block_is_named_and_the_secret_is_not(more: dict[str, Any], said: str) -> None:
    block = {"base_url": "https://xf.example", "app_id": "a", "app_secret": "s3cret", **more}
    with pytest.raises(ValidationError, match=said) as caught:
        SunshineSettings.model_validate(block)

    assert "s3cret" not in str(caught.value)


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "ca.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, private
