"""What a bucket, or the way to it, may do to us: trouble is trouble, in words, and is never taken for damage."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from store.blob_bucket import REST, BlobBucket, Bucket, DepotUnavailable
from store.engine import StoreUnreachable, open_store
from store.failure import is_passing
from tests.object_store import ObjectStore
from tests.store.keys import MASTER

SEALED = bytes(range(256)) * 1024
QUICK = timedelta(seconds=1)
FOUND = b'HTTP/1.1 200 OK\r\netag: "a"\r\nlast-modified: Fri, 27 Nov 2026 05:14:25 GMT\r\ncontent-length: 5\r\n\r\n'


@pytest.fixture
def bucket(object_store: ObjectStore) -> Bucket:
    return object_store.bucket()


@contextmanager
def answering(*answers: bytes) -> Iterator[tuple[str, Sequence[bytes]]]:
    """A server that answers each request with the next of these bytes, whatever is asked; what it was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for answer in answers:
                with suppress(OSError), server.accept()[0] as conn:
                    asked.append(conn.recv(65536))
                    conn.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def failing(act: Callable[[], object]) -> str:
    """The words of the trouble that `act` meets."""
    with pytest.raises(DepotUnavailable) as trouble:
        act()
    assert is_passing(trouble.value)
    return str(trouble.value.strerror)


def test_what_is_written_is_read_and_removed(bucket: Bucket, object_store: ObjectStore) -> None:
    depot = BlobBucket(bucket)
    depot.write("ab/cd", SEALED)

    assert object_store.get(bucket, "ab/cd") == SEALED
    assert depot.read("ab/cd") == SEALED
    depot.remove("ab/cd")
    assert depot.read("ab/cd") is None
    depot.remove("ab/cd")


def test_without_a_prefix_the_whole_bucket_is_ours(bucket: Bucket, object_store: ObjectStore) -> None:
    BlobBucket(replace(bucket, prefix="")).write("ab/cd", SEALED)

    assert object_store.keys(bucket) == ["ab/cd"]


@pytest.mark.parametrize("way", ["read", "write"])
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"secret_key": "wrong"}, "access key and secret key do not belong together"),
        ({"access_key": "nobody"}, "SignatureDoesNotMatch"),
        ({"name": "no-such-bucket"}, "there is no such bucket (NoSuchBucket)"),
        ({"region": "elsewhere"}, "it expects another region"),
        ({"endpoint": "http://127.0.0.1:1"}, "it cannot be connected to: Connection refused"),
        ({"endpoint": "http://no-such-host.invalid"}, "it cannot be connected to: failed to lookup address"),
    ],
    ids=["secret", "key", "bucket", "region", "port", "host"],
)
def test_what_is_wrong_with_the_settings_is_said_in_words(
    bucket: Bucket, wrong: dict[str, str], said: str, way: str
) -> None:
    depot = BlobBucket(replace(bucket, **wrong))  # type: ignore[arg-type]  # all of them text

    assert said in failing(lambda: depot.read("ab/cd") if way == "read" else depot.write("ab/cd", SEALED))


@pytest.mark.parametrize("way", ["read", "write"])
def test_one_that_hangs_is_waited_for_no_longer_than_said(bucket: Bucket, way: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        depot = BlobBucket(replace(bucket, endpoint=endpoint, timeout=QUICK))
        began = time.monotonic()

        said = failing(lambda: depot.read("ab/cd") if way == "read" else depot.write("ab/cd", SEALED))

    assert said == "it has not answered within 1 s"
    assert time.monotonic() - began < 10


def test_one_that_hangs_is_left_alone_for_a_moment_and_then_asked_again(bucket: Bucket) -> None:
    now = 0.0
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        depot = BlobBucket(replace(bucket, endpoint=endpoint, timeout=QUICK), lambda: now)
        failing(lambda: depot.read("ab/cd"))
        began = time.monotonic()
        said = failing(lambda: depot.write("ab/cd", SEALED))
        waited = time.monotonic() - began
        silent.close()
        now += REST.total_seconds()

        assert (said, waited < 0.5) == ("it has not answered within 1 s", True)
        assert "Connection refused" in failing(lambda: depot.read("ab/cd"))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 7\r\n\r\nno page", "it answers HTTP 404"),
        (b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", "it answers HTTP 403"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n<html>log in!", "what answers there is no object store"),
        (b"", "the connection broke off"),
    ],
    ids=["a proxy's 404", "a gateway's 403", "a portal's page", "no answer at all"],
)
def test_what_stands_before_the_store_is_not_taken_for_it(bucket: Bucket, answer: bytes, said: str) -> None:
    with answering(*[answer] * 3) as (endpoint, _):
        assert said in failing(lambda: BlobBucket(replace(bucket, endpoint=endpoint)).read("ab/cd"))


def test_an_object_cut_off_on_its_way_is_not_taken_for_a_damaged_one(bucket: Bucket) -> None:
    cut = FOUND.replace(b": 5", b": 500") + b"half of it"
    with answering(cut, *[b""] * 3) as (endpoint, _):
        assert "the connection broke off" in failing(lambda: BlobBucket(replace(bucket, endpoint=endpoint)).read("a"))


def test_one_that_is_busy_is_asked_again(bucket: Bucket) -> None:
    busy = b"HTTP/1.1 503 Slow Down\r\ncontent-length: 36\r\n\r\n<Error><Code>SlowDown</Code></Error>"
    with answering(busy, FOUND + b"bytes") as (endpoint, asked):
        assert BlobBucket(replace(bucket, endpoint=endpoint)).read("ab/cd") == b"bytes"
        assert len(asked) == 2


def test_what_does_not_come_back_as_it_was_does_not_count_as_written(bucket: Bucket) -> None:
    done = b'HTTP/1.1 200 OK\r\netag: "a"\r\ncontent-length: 0\r\n\r\n'
    with answering(done, FOUND + b"other") as (endpoint, _):
        depot = BlobBucket(replace(bucket, endpoint=endpoint))
        assert "does not come back" in failing(lambda: depot.write("ab/cd", b"bytes"))


def test_path_style_false_names_the_bucket_in_the_host(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(FOUND + b"bytes") as (proxy, asked):
        monkeypatch.setenv("http_proxy", proxy)
        there = replace(bucket, endpoint="http://s3.example", path_style=False)

        assert BlobBucket(there).read("ab/cd") == b"bytes"
    assert asked[0].startswith(f"GET http://{bucket.name}.s3.example/petitions/ab/cd HTTP/1.1".encode())


def test_the_environment_does_not_change_what_was_configured(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "REGION", "ENDPOINT_URL_S3", "ENDPOINT_URL"):
        monkeypatch.setenv(f"AWS_{name}", "http://127.0.0.1:1")
    for name in ("S3_EXPRESS", "SKIP_SIGNATURE", "UNSIGNED_PAYLOAD", "VIRTUAL_HOSTED_STYLE_REQUEST"):
        monkeypatch.setenv(f"AWS_{name}", "true")
    depot = BlobBucket(bucket)
    depot.write("ab/cd", SEALED)

    assert depot.read("ab/cd") == SEALED


def test_only_a_store_that_is_trusted_is_spoken_to(bucket: Bucket, object_store: ObjectStore, tmp_path: Path) -> None:
    authority, certificate, key = _certificates(tmp_path)
    with object_store.in_tls(certificate, key) as port:
        there = replace(bucket, endpoint=f"https://127.0.0.1:{port}")

        assert "UnknownIssuer" in failing(lambda: BlobBucket(there).read("ab/cd"))
        assert BlobBucket(replace(there, authorities=authority.read_bytes())).read("ab/cd") is None


def test_a_store_that_comes_back_is_used_again(bucket: Bucket, object_store: ObjectStore) -> None:
    depot = BlobBucket(bucket)
    depot.write("ab/cd", SEALED)
    object_store.stop()
    try:
        assert "Connection refused" in failing(lambda: depot.read("ab/cd"))
    finally:
        object_store.start()

    assert depot.read("ab/cd") == SEALED


def test_a_bucket_that_does_not_answer_keeps_the_store_shut(bucket: Bucket, tmp_path: Path) -> None:
    there = replace(bucket, endpoint="http://127.0.0.1:1")

    with pytest.raises(StoreUnreachable, match=f"{bucket.address}: it cannot be connected to: Connection refused"):
        open_store("sqlite", tmp_path, MASTER, bucket=there)


def test_the_secret_is_in_no_text(bucket: Bucket) -> None:
    assert bucket.secret_key not in repr(bucket)
    assert bucket.secret_key not in str(bucket)


def test_only_who_has_a_bucket_loads_its_library(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; import ingest.command_run, ingest.command_check; from store.engine import open_store;"
        "open_store('sqlite', pathlib.Path(sys.argv[1]), bytes(32)).close(); print('obstore' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)

    assert ended.stdout == "False\n"


def _certificates(folder: Path) -> tuple[Path, Path, Path]:
    """An authority, and the certificate it gave 127.0.0.1 with its key."""
    now = datetime.now(UTC)
    signer, holder = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the tests' authority")])

    def certificate(subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        made = made.serial_number(x509.random_serial_number())
        return made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))

    root = certificate(issuer, signer).add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "s3.example")])
    hosts = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    leaf = certificate(name, holder).add_extension(hosts, critical=False)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    files = {
        "authority.pem": root.sign(signer, hashes.SHA256()).public_bytes(pem),
        "certificate.pem": leaf.sign(signer, hashes.SHA256()).public_bytes(pem),
        "key.pem": holder.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain),
    }
    for file, content in files.items():
        (folder / file).write_bytes(content)
    return folder / "authority.pem", folder / "certificate.pem", folder / "key.pem"
