"""A real S3-compatible store of our own: Debian's OpenStack Swift with its S3 API, in a temporary folder.

It keeps objects on disk, checks every signature and the hash of every body, and answers with the protocol's own codes.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import itertools
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sandbox.ports import free_port
from store.blob_bucket import Bucket
from tests.missing import missing
from tests.orphans import dying_with_us

WAIT = 60.0
ACCESS_KEY, SECRET_KEY, REGION = "office:xinqiao", "a-secret-of-the-tests", "cn-test"
KINDS = ("account", "container", "object")
DEBIAN = "/usr/bin/python3"
"""Swift is a Debian package: it runs with Debian's Python, not with ours."""
_RINGS = """
import sys
from swift.common.ring import RingBuilder
for kind, port in zip(sys.argv[2::2], sys.argv[3::2]):
    builder = RingBuilder(1, 1, 0)
    builder.add_dev({"id": 0, "region": 1, "zone": 1, "weight": 1, "device": "disk", "ip": "127.0.0.1",
                     "port": int(port), "replication_ip": "127.0.0.1", "replication_port": int(port), "meta": ""})
    builder.rebalance()
    builder.get_ring().save(f"{sys.argv[1]}/{kind}.ring.gz")
"""
_COMMON = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}
devices = {folder}/node
mount_check = false
recon_cache_path = {folder}/cache
log_level = ERROR
{more}
"""
_KEEPER = "[pipeline:main]\npipeline = {kind}-server\n[app:{kind}-server]\nuse = egg:swift#{kind}\n"
_PROXY = f"""
[pipeline:main]
pipeline = catch_errors cache s3api tempauth proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:1
[filter:s3api]
use = egg:swift#s3api
location = {REGION}
[filter:tempauth]
use = egg:swift#tempauth
user_{ACCESS_KEY.replace(":", "_")} = {SECRET_KEY} .admin
"""


@dataclass
class ObjectStore:
    """A store that runs; `raw` speaks to it with a signer of the tests' own."""

    folder: Path
    port: int
    _proxy: subprocess.Popen[bytes] | None = None
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def bucket(self, prefix: str = "petitions") -> Bucket:
        """A new one."""
        name = f"bucket-{next(self._numbers)}-{secrets.token_hex(3)}"
        assert self.raw("PUT", f"/{name}")[0] == 200
        return Bucket(name, prefix, f"http://127.0.0.1:{self.port}", REGION, ACCESS_KEY, SECRET_KEY)

    def keys(self, bucket: Bucket) -> list[str]:
        """What lies in it, without the prefix."""
        status, listing = self.raw("GET", f"/{bucket.name}")
        assert status == 200
        found = re.findall(r"<Key>([^<]*)</Key>", listing.decode())
        return [key.removeprefix(f"{bucket.prefix}/") for key in found]

    def get(self, bucket: Bucket, key: str) -> bytes:
        status, content = self.raw("GET", f"/{bucket.name}/{bucket.prefix}/{key}")
        assert status == 200
        return content

    def put(self, bucket: Bucket, key: str, content: bytes) -> None:
        assert self.raw("PUT", f"/{bucket.name}/{bucket.prefix}/{key}", content)[0] == 200

    def delete(self, bucket: Bucket, key: str) -> None:
        assert self.raw("DELETE", f"/{bucket.name}/{bucket.prefix}/{key}")[0] == 204

    def raw(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """One signed request (AWS Signature Version 4)."""
        host = f"127.0.0.1:{self.port}"
        conn = http.client.HTTPConnection(host, timeout=30)
        try:
            conn.request(method, path, body, _signed(method, host, path, body, datetime.now(UTC)))
            answer = conn.getresponse()
            return answer.status, answer.read()
        finally:
            conn.close()

    @contextmanager
    def in_tls(self, certificate: Path, key: Path) -> Iterator[int]:
        """A second entrance, on the port given, that shows this certificate."""
        port = free_port()
        more = f"cert_file = {certificate}\nkey_file = {key}"
        _configure(self.folder, "tls", port, _PROXY, more)
        process = _run(self.folder, "proxy", "tls")
        try:
            _await(port, process, self.folder)
            yield port
        finally:
            _end(process)

    def start(self) -> None:
        """Nothing, if it runs."""
        if self._proxy is not None:
            return
        self._proxy = _run(self.folder, "proxy", "proxy")
        _await(self.port, self._proxy, self.folder)

    def stop(self) -> None:
        """Nobody listens any more; what was stored is kept."""
        if self._proxy is not None:
            _end(self._proxy)
            self._proxy = None


@contextmanager
def running_object_store() -> Iterator[ObjectStore]:
    """Start Swift and wait until it answers; skip where it is not installed (in CI: fail)."""
    if not all(shutil.which(f"swift-{kind}-server") for kind in (*KINDS, "proxy")):
        missing("Swift")
    folder = Path(tempfile.mkdtemp(prefix="xq-s3-"))
    store = ObjectStore(folder, free_port())
    keepers: list[subprocess.Popen[bytes]] = []
    try:
        for name in ("node/disk", "cache"):
            (folder / name).mkdir(parents=True)
        ports = {kind: free_port() for kind in KINDS}
        _make(folder, ports, store.port)
        keepers += [_run(folder, kind, kind) for kind in KINDS]
        store.start()
        for kind, keeper in zip(KINDS, keepers, strict=True):
            _await(ports[kind], keeper, folder)
        yield store
    finally:
        store.stop()
        for keeper in keepers:
            _end(keeper)
        shutil.rmtree(folder, ignore_errors=True)


def _make(folder: Path, ports: dict[str, int], port: int) -> None:
    (folder / "swift.conf").write_text(
        "[swift-hash]\nswift_hash_path_suffix = a\nswift_hash_path_prefix = b\n"
        "[storage-policy:0]\nname = only\ndefault = yes\n"
    )
    for kind in KINDS:
        _configure(folder, kind, ports[kind], _KEEPER.format(kind=kind))
    _configure(folder, "proxy", port, _PROXY)
    kinds = itertools.chain.from_iterable((kind, str(number)) for kind, number in ports.items())
    subprocess.run([DEBIAN, "-c", _RINGS, str(folder), *kinds], check=True, capture_output=True)


def _configure(folder: Path, name: str, port: int, rest: str, more: str = "") -> None:
    user = subprocess.run(["id", "-un"], check=True, capture_output=True, text=True).stdout.strip()
    (folder / f"{name}.conf").write_text(_COMMON.format(port=port, user=user, folder=folder, more=more) + rest)


def _run(folder: Path, kind: str, configuration: str) -> subprocess.Popen[bytes]:
    program = shutil.which(f"swift-{kind}-server")
    with (folder / "log").open("ab") as log:
        command = [*dying_with_us(), DEBIAN, str(program), str(folder / f"{configuration}.conf"), "-v"]
        return subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)


def _await(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    latest = time.monotonic() + WAIT
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > latest:
                raise RuntimeError(f"swift: {(folder / 'log').read_text()}") from None
            time.sleep(0.02)
        else:
            return


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(WAIT)


def _signed(method: str, host: str, path: str, body: bytes, now: datetime) -> dict[str, str]:
    """The headers of a request as the protocol's document prescribes them, without the library under test."""
    hashed, stamp, day = hashlib.sha256(body).hexdigest(), f"{now:%Y%m%dT%H%M%SZ}", f"{now:%Y%m%d}"
    headers = {"host": host, "x-amz-content-sha256": hashed, "x-amz-date": stamp}
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    asked = hashlib.sha256(f"{method}\n{path}\n\n{lines}\n{names}\n{hashed}".encode()).hexdigest()
    scope = f"{day}/{REGION}/s3/aws4_request"
    key = f"AWS4{SECRET_KEY}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    signature = hmac.new(key, f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{asked}".encode(), hashlib.sha256).hexdigest()
    credential = f"Credential={ACCESS_KEY}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**headers, "authorization": f"AWS4-HMAC-SHA256 {credential}"}
