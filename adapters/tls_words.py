"""What is wrong with a TLS connection, in words for whoever can put it right."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator

_EXPIRED, _NOT_YET, _OTHER_NAMES = 10, 9, frozenset({62, 63, 64})
_UNKNOWN_AUTHORITY = frozenset({2, 18, 19, 20, 21})
"""Codes of X509_verify_cert_error_string(3)."""
_REASON = re.compile(r"\[SSL: (\w+)\]")
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST"})
_OURS_REFUSED = frozenset(
    {
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "SSLV3_ALERT_CERTIFICATE_REVOKED",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        "TLSV1_ALERT_ACCESS_DENIED",
        "TLSV1_ALERT_UNKNOWN_CA",
    }
)
"""Alerts (RFC 8446, 6.2) with which a server turns down the certificate it was shown."""


def tls_trouble(error: BaseException, ca_file: str = "ca_file", client_cert: str = "client_cert") -> str | None:
    """What a person must set right; None: nothing of TLS. `ca_file` and `client_cert` are the keys to look at."""
    for one in _causes(error):
        if isinstance(one, ssl.SSLCertVerificationError) and hasattr(one, "verify_code"):
            return _distrust(one, ca_file)
        if (reason := _reason(one)) is not None and (said := _said(reason, client_cert)):
            return said
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and what it came of or carries (aiohttp keeps the system's own beside it)."""
    while error is not None:
        yield error
        for name in ("certificate_error", "os_error"):
            if isinstance(inner := getattr(error, name, None), BaseException):
                yield inner
        error = error.__cause__ or error.__context__


def _reason(error: BaseException) -> str | None:
    """OpenSSL's word for it; aiohttp's errors are of ssl's types without their fields, and quote it."""
    word: str | None = getattr(error, "reason", None) if isinstance(error, ssl.SSLError) else None
    if word is None and isinstance(error, OSError) and (found := _REASON.search(str(error))):
        return found[1]
    return word


def _distrust(error: ssl.SSLCertVerificationError, ca_file: str) -> str:
    if error.verify_code == _EXPIRED:
        return "its certificate has expired; whoever runs it must renew it (or this machine's clock is wrong)"
    if error.verify_code == _NOT_YET:
        return "its certificate is not valid yet; look at this machine's clock"
    if error.verify_code in _OTHER_NAMES:
        return f"its certificate is for another name ({error.verify_message}); write the name it was made for"
    if error.verify_code in _UNKNOWN_AUTHORITY:
        return f"its certificate is not trusted ({error.verify_message}); name its authority in {ca_file}"
    return f"its certificate is not trusted ({error.verify_message})"


def _said(reason: str, client_cert: str) -> str | None:
    if reason == "TLSV13_ALERT_CERTIFICATE_REQUIRED":
        return f"it asks for a certificate of ours and got none; set {client_cert}"
    if reason in _OURS_REFUSED:
        return f"it refuses our certificate ({reason.lower().replace('_', ' ')}); look at {client_cert}"
    if reason in {"SSLV3_ALERT_HANDSHAKE_FAILURE", "SSLV3_ALERT_NO_CERTIFICATE"}:
        return f"it breaks off the TLS handshake; it may want a certificate of ours ({client_cert})"
    if reason in _NO_TLS:
        return "it does not speak TLS on this port"
    return None
