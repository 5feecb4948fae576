"""A real Dovecot of our own: started from a temporary folder, gone afterwards."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from imapclient import IMAPClient

from sandbox.ports import free_port
from tests.missing import missing
from tests.orphans import dying_with_us

PASSWORD = "信箱-kfq7"


@dataclass(frozen=True)
class Dovecot:
    """Every user name exists, with PASSWORD and an empty mailbox of its own."""

    port: int
    tls_port: int
    ca_file: Path
    log: Path

    @contextmanager
    def opened(self, user: str) -> Iterator[IMAPClient]:
        with IMAPClient("127.0.0.1", self.port, ssl=False, timeout=20) as client:
            client.plain_login(user, PASSWORD)
            client.select_folder("INBOX")
            yield client

    def append(self, user: str, *mails: bytes, at: datetime | None = None, folder: str = "INBOX") -> None:
        with self.opened(user) as client:
            if not client.folder_exists(folder):
                client.create_folder(folder)
            for mail in mails:
                client.append(folder, mail, msg_time=at)


@contextmanager
def running_dovecot() -> Iterator[Dovecot]:
    """Start Dovecot on free ports and wait until it answers; skip where it is not installed (in CI: fail)."""
    program = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        missing("Dovecot")
    with tempfile.TemporaryDirectory(prefix="dovecot-") as place:
        base = Path(place)
        base.chmod(0o755)  # the mail user is not who started us
        server = Dovecot(free_port(), free_port(), base / "cert.pem", base / "dovecot.log")
        _write_certificate(base)
        (base / "mail").mkdir()
        user = _mail_user()
        if os.geteuid() == 0:
            shutil.chown(base / "mail", user.pw_uid, user.pw_gid)
        config = base / "dovecot.conf"
        config.write_text(_config(base, server, user), "utf-8")
        process = subprocess.Popen([*dying_with_us(), program, "-F", "-c", str(config)], stdin=subprocess.DEVNULL)
        try:
            _wait(server, process)
            yield server
        finally:
            process.terminate()
            process.wait(20)


def _mail_user() -> pwd.struct_passwd:
    """Dovecot refuses to open mail as root."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


_UNPRIVILEGED = """
default_internal_user = {user}
default_login_user = {user}
default_internal_group = {group}
"""


def _config(base: Path, server: Dovecot, user: pwd.struct_passwd) -> str:
    services = ("anvil", "auth", "config", "director", "imap-login", "stats", "log", "dict", "auth-worker")
    unconfined = "\n".join(f"service {name} {{\n  chroot =\n}}" for name in services)
    ours = "" if os.geteuid() == 0 else _UNPRIVILEGED.format(user=user.pw_name, group=grp.getgrgid(user.pw_gid).gr_name)
    return f"""
protocols = imap
listen = 127.0.0.1
base_dir = {base}/run
state_dir = {base}/state
log_path = {server.log}
{ours}
first_valid_uid = 1
first_valid_gid = 0
mail_location = maildir:{base}/mail/%u
auth_mechanisms = plain login
disable_plaintext_auth = no
imap_id_log = *
auth_failure_delay = 0
ssl = yes
ssl_cert = <{base}/cert.pem
ssl_key = <{base}/key.pem
ssl_dh =
passdb {{
  driver = static
  args = password={PASSWORD}
}}
userdb {{
  driver = static
  args = uid={user.pw_uid} gid={user.pw_gid} home={base}/mail/%u
}}
{unconfined}
service anvil {{
  # Wrong passwords are tried on purpose here: do not make the next login wait for them.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {server.port}
  }}
  inet_listener imaps {{
    port = {server.tls_port}
    ssl = yes
  }}
}}
"""


def _wait(server: Dovecot, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            with socket.create_connection(("127.0.0.1", server.port), 1) as connection:
                if connection.recv(4) == b"* OK":
                    return
        except OSError:
            time.sleep(0.05)  # nothing to wait on but the port itself
    log = server.log.read_text("utf-8", "replace") if server.log.exists() else "(no log)"
    raise RuntimeError(f"Dovecot did not answer on port {server.port}; its log:\n{log}")


def _write_certificate(base: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mailbox of the tests")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (base / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (base / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
