"""Which mail this is: the same for every copy of it, whichever mailbox it lay in and whoever carried it.

The identity is the SHA-256 of canonical bytes:

- of the headers only those the writer's side sets: Date, From, Reply-To, To, Cc, Subject, Message-ID, In-Reply-To,
  References, Content-Type, Content-Transfer-Encoding, Content-Disposition. All that carriers, servers and filters add
  (Received, Return-Path, Delivered-To, Authentication-Results, DKIM and ARC seals, Sender, Resent-*, List-*, X-*, Bcc,
  Status, Content-Length …) is left out;
- each as `name:value`, name in lower case, value unfolded with single blanks, sorted by name;
- an empty line, then the body with line feeds as line ends, blanks at line ends and empty lines at its end left out.
"""

from __future__ import annotations

import hashlib
import re

from normalize.mail_entity import Entity

_WRITERS = frozenset({"date", "from", "reply-to", "to", "cc", "subject", "message-id", "in-reply-to", "references"})
_FORMAT = frozenset({"content-type", "content-transfer-encoding", "content-disposition"})


def identity(mail: Entity) -> str:
    """`sha256:` and the digest of the mail's canonical bytes."""
    return f"sha256:{hashlib.sha256(canonical_bytes(mail)).hexdigest()}"


def canonical_bytes(mail: Entity) -> bytes:
    """What the identity is taken of (see above)."""
    kept = [(name, value) for name, value in mail.headers if name in _WRITERS | _FORMAT]
    kept.sort(key=lambda header: header[0])
    head = b"".join(name.encode() + b":" + re.sub(rb"\s+", b" ", value).strip() + b"\n" for name, value in kept)
    body = mail.body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    lines = b"\n".join(line.rstrip(b" \t") for line in body.split(b"\n"))
    return head + b"\n" + lines.rstrip(b"\n") + b"\n"
