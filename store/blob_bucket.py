"""Large blobs as objects in a bucket of any S3-compatible store: one PUT each, which appears whole or not at all."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from errno import EIO
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Credential, S3Store

CONNECTING = timedelta(seconds=5)
REST = timedelta(seconds=2)
"""After one waited in vain nobody else does for so long: a batch must not wait for each of its blobs in turn."""
RETRIES = 2
"""Quick ones, within one request's time; who asked tries again later, and longer."""
WORDS = {
    "AccessDenied": "the key may not do this; it needs to list the bucket, to read and write what is in it,"
    " and to delete where `retention.originals` is set",
    "AuthorizationHeaderMalformed": "it expects another region",
    "InvalidAccessKeyId": "it does not know the access key",
    "NoSuchBucket": "there is no such bucket",
    "RequestTimeTooSkewed": "this machine's clock is wrong",
    "SecondLevelDomainForbidden": "it wants the bucket's name in the host's; write path_style: false",
    "SignatureDoesNotMatch": "access key and secret key do not belong together",
}
"""What the store's own codes mean to whoever configured it."""


_TIMED_OUT = re.compile(r"kind: Timeout|TimedOut")


class DepotUnavailable(OSError):
    """The bucket cannot be used now; of what lies in it nothing is known."""


@dataclass(frozen=True)
class Bucket:
    """Where a bucket is and how it is entered."""

    name: str
    prefix: str
    """Before every key; empty for none."""
    endpoint: str | None
    """None: Amazon's."""
    region: str
    access_key: str
    secret_key: str = field(repr=False)
    authorities: bytes | None = field(default=None, repr=False)
    """Certificates that vouch for the endpoint, beside the system's, in PEM."""
    path_style: bool = True
    """The bucket's name in the path, not in the host's name."""
    timeout: timedelta = timedelta(seconds=30)
    """For one request, whatever its size."""

    @property
    def address(self) -> str:
        return f"s3://{self.name}/{self.prefix}".rstrip("/")


class BlobBucket:
    """A depot that any number of processes may use. What is written is read back before it counts."""

    def __init__(self, bucket: Bucket, ticks: Callable[[], float] = time.monotonic) -> None:
        """Asks nothing of the bucket yet. Raises DepotUnavailable: the settings make no client."""
        self.place = bucket.address
        self._bucket = bucket
        self._ticks = ticks
        self._left_alone_until = ticks()
        with self._said():
            self._store = _client(bucket)

    def read(self, key: str) -> bytes | None:
        try:
            with self._said():
                found = self._store.get(key)
                known = found.meta["e_tag"] is not None
                content = found.bytes().to_bytes()
        except _Missing:
            return None
        if not known:
            raise self._trouble("what answers there is no object store, perhaps a proxy's or a portal's page")
        return content

    def write(self, key: str, sealed: bytes) -> None:
        with self._said():
            self._store.put(key, sealed, use_multipart=False)
        if self.read(key) != sealed:
            raise self._trouble("what was written does not come back as it was")

    def remove(self, key: str) -> None:
        """Away with it, if it is there. Raises OSError."""
        with suppress(_Missing), self._said():
            self._store.delete(key)

    def sweep(self, older: timedelta) -> int:
        """Nothing is ever half written here."""
        return 0

    @contextmanager
    def _said(self) -> Iterator[None]:
        """Make of the library's errors one that says what to do, or _Missing where it is certain."""
        from obstore.exceptions import BaseError  # noqa: PLC0415 - see _client

        if self._ticks() < self._left_alone_until:
            raise self._trouble(_unanswered(self._bucket.timeout))
        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            text = str(error)
            if isinstance(error, FileNotFoundError) and _code(text) == "NoSuchKey":
                raise _Missing(EIO, "there is no such object", self.place) from error
            if _TIMED_OUT.search(text):
                self._left_alone_until = self._ticks() + REST.total_seconds()
            raise self._trouble(_in_words(text, self._bucket.timeout)) from error

    def _trouble(self, words: str) -> DepotUnavailable:
        return DepotUnavailable(EIO, words, self.place)


class _Missing(DepotUnavailable):
    """The bucket answers, and says that there is no such object in it."""


def _client(bucket: Bucket) -> S3Store:
    """A client that goes by these settings alone: the library would take what is missing from AWS_… variables."""
    from obstore.store import S3Store  # noqa: PLC0415 - 12 MB of memory and two threads: only for who has a bucket

    keys: S3Credential = {
        "access_key_id": bucket.access_key,
        "secret_access_key": bucket.secret_key,
        "token": None,
        "expires_at": None,
    }
    options: ClientConfig = {"allow_http": True, "connect_timeout": CONNECTING, "timeout": bucket.timeout}
    if bucket.authorities is not None:
        options["root_certificate"] = bucket.authorities
    endpoint = _endpoint(bucket)
    return S3Store(
        bucket.name,
        prefix=bucket.prefix or None,
        client_options=options,
        retry_config={
            "max_retries": RETRIES,
            "retry_timeout": bucket.timeout,
            "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=1), "base": 2},
        },
        credential_provider=lambda: keys,
        region=bucket.region,
        endpoint=endpoint,
        aws_endpoint_url_s3=endpoint,
        virtual_hosted_style_request=not bucket.path_style,
        disable_bulk_delete=True,
        s3_express=False,
        skip_signature=False,
        unsigned_payload=False,
    )


def _endpoint(bucket: Bucket) -> str:
    """The address requests go to; where the bucket is named in the host, with it."""
    parts = urlsplit(bucket.endpoint or f"https://s3.{bucket.region}.amazonaws.com")
    host = parts.netloc if bucket.path_style else f"{bucket.name}.{parts.netloc}"
    return f"{parts.scheme}://{host}"


def _unanswered(timeout: timedelta) -> str:
    return f"it has not answered within {timeout.total_seconds():g} s"


def _code(text: str) -> str | None:
    """The word by which the store names its error (an XML element, or nothing if a proxy answered)."""
    found = re.search(r"<Code>(\w+)</Code>", text)
    return found[1] if found else None


def _in_words(text: str, timeout: timedelta) -> str:
    """An error of the library for who reads it; the text it comes with is a page long and repeats the request."""
    code, status = _code(text), re.search(r"status code: (\d{3}[ \w-]*)", text)
    if code is not None:
        return f"{WORDS.get(code, 'it refuses')} ({code})"
    if status is not None:
        return f"it answers HTTP {status[1].strip()}, but not as an object store does"
    if _TIMED_OUT.search(text):
        return _unanswered(timeout)
    kind = re.search(r"HttpError \{\s*kind: (\w+)", text)
    if kind is None:
        return text.partition("\n")[0]
    reason = re.search(r'(?:message|error): "([^"]+)"', text) or re.search(r"InvalidCertificate\(\s*(\w+)", text)
    said = "it cannot be connected to" if kind[1] == "Connect" else "the connection broke off"
    return f"{said}: {reason[1]}" if reason else said
