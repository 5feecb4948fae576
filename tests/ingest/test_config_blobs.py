from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from ingest.rereading import Unusable, check_fixed
from tests.ingest.config_files import ENVIRONMENT, MAILBOX, SEALING, TARGETS, loaded, refused

REST = SEALING + f"channels: {{box: {MAILBOX}}}\n" + TARGETS
KEYS = "access_key: xinqiao, secret_key: '${PASSWORD}'"


def test_without_the_block_there_is_no_bucket(tmp_path: Path) -> None:
    assert loaded(tmp_path, REST).bucket is None


def test_a_bucket_is_built_from_its_block(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    more = "endpoint: 'https://s3.example/', region: cn-north, ca_file: ca.pem, path_style: false, timeout: 1m"
    bucket = loaded(tmp_path, f"blobs: {{url: 's3://xinqiao/a/b/', {KEYS}, {more}}}\n" + REST).bucket

    assert bucket is not None
    assert (bucket.name, bucket.prefix, bucket.address) == ("xinqiao", "a/b", "s3://xinqiao/a/b")
    assert (bucket.endpoint, bucket.region, bucket.path_style) == ("https://s3.example", "cn-north", False)
    assert (bucket.access_key, bucket.secret_key) == ("xinqiao", ENVIRONMENT["PASSWORD"])
    assert (bucket.authorities, bucket.timeout) == (b"-----BEGIN CERTIFICATE-----\n", timedelta(minutes=1))


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (f"url: 'http://xinqiao/a', {KEYS}", 'blobs.url: "http://xinqiao/a" is no bucket, expected s3://bucket'),
        (f"url: 's3://Xin_qiao', {KEYS}", 'blobs.url: "s3://Xin_qiao" is no bucket'),
        (f"url: 's3://xinqiao/../b?c', {KEYS}", "is no bucket, expected s3://bucket or s3://bucket/prefix"),
        (f"url: 's3://xinqiao', {KEYS}, endpoint: s3.example", 'blobs.endpoint: "s3.example" is not usable, expected'),
        (f"url: 's3://xinqiao', {KEYS}, endpoint: 'https://s3.example/b'", "without bucket or path"),
        ("url: 's3://xinqiao', access_key: a", "blobs.secret_key: missing"),
        (f"url: 's3://xinqiao', {KEYS}, ca_file: nowhere.pem", "cannot be read: No such file or directory"),
        (f"url: 's3://xinqiao', {KEYS}, ca_file: config.yaml", "holds no certificate in PEM"),
        (f"url: 's3://xinqiao', {KEYS}, timeout: 0s", "blobs.timeout"),
    ],
)
def test_what_is_no_bucket_is_refused(tmp_path: Path, block: str, said: str) -> None:
    (line,) = refused(tmp_path, f"blobs: {{{block}}}\n" + REST)

    assert said in line


def test_another_bucket_is_not_taken_up_while_the_daemon_runs(tmp_path: Path) -> None:
    before, same, other = (
        loaded(tmp_path, f"blobs: {{url: '{url}', {KEYS}}}\n" + REST)
        for url in ("s3://xinqiao", "s3://xinqiao", "s3://xinqiao/b")
    )

    check_fixed(before, same)
    with pytest.raises(Unusable, match="restart the daemon"):
        check_fixed(before, other)
