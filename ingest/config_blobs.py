"""The block of the configuration that puts large originals and attachments into a bucket."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from ingest.config_sections import Section
from store.blob_bucket import Bucket

SCHEME = "s3://"
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"(?:[A-Za-z0-9!_.*'()-]+/?)*")


def _check_url(url: str) -> str:
    name, _, prefix = url.removeprefix(SCHEME).partition("/")
    if not url.startswith(SCHEME) or not _NAME.fullmatch(name) or not _PREFIX.fullmatch(prefix):
        raise ValueError(f'"{url}" is no bucket, expected {SCHEME}bucket or {SCHEME}bucket/prefix')
    return url.rstrip("/")


def _check_endpoint(url: str) -> str:
    expected = "expected an address such as https://s3.example, without bucket or path"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError as error:
        raise ValueError(f'"{url}": {error}; {expected}') from error
    if not usable or parts.username or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f'"{url}" is not usable, {expected}')
    return url.rstrip("/")


def _check_certificates(path: Path) -> Path:
    try:
        found = "-----BEGIN CERTIFICATE-----" in path.read_text("ascii", "replace")
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
    if not found:
        raise ValueError(f"{path}: holds no certificate in PEM")
    return path


class BlobsSettings(Section):
    """A bucket of any S3-compatible store."""

    url: Annotated[str, AfterValidator(_check_url)] = Field(description="`s3://bucket` or `s3://bucket/prefix`")
    endpoint: Annotated[str, AfterValidator(_check_endpoint)] | None = Field(
        default=None, description="address of the store, such as `https://s3.example`; none: Amazon's of the region"
    )
    region: str = Field(default="us-east-1", min_length=1, description="as the store calls it; many ask for none")
    access_key: str = Field(min_length=1, description="name of the key pair")
    secret_key: SecretStr = Field(description="its secret, as `${NAME}` or `file:/path`")
    ca_file: Annotated[Path, AfterValidator(_check_certificates)] | None = Field(
        default=None, description="certificates that vouch for the store, PEM"
    )
    path_style: bool = Field(
        default=True, description="true: `https://s3.example/bucket`; false: `https://bucket.s3.example` (阿里云 OSS)"
    )
    timeout: timedelta = Field(
        default=timedelta(seconds=30), gt=timedelta(0), description="limit of one request, however large the object"
    )

    def build(self) -> Bucket:
        name, _, prefix = self.url.removeprefix(SCHEME).partition("/")
        return Bucket(
            name=name,
            prefix=prefix,
            endpoint=self.endpoint,
            region=self.region,
            access_key=self.access_key,
            secret_key=self.secret_key.get_secret_value(),
            authorities=self.ca_file.read_bytes() if self.ca_file else None,
            path_style=self.path_style,
            timeout=self.timeout,
        )
