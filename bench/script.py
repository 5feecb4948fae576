"""The reference: the same way in sixty lines, as one would write it in an afternoon. Nothing of it survives a crash.

python bench/script.py HOST PORT USER PASSWORD URL
"""

from __future__ import annotations

import email
import email.policy
import sys
import time
from email.message import MIMEPart
from email.utils import parseaddr
from typing import Any

import requests
from imapclient import IMAPClient


def text_of(part: MIMEPart | None) -> str:
    if part is None:
        return ""
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    try:
        return content.decode(part.get_content_charset("gb18030"))
    except (LookupError, UnicodeDecodeError):
        return content.decode("gb18030", "replace")


def parse(raw: bytes, received_at: str) -> dict[str, Any]:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    body = message.get_body(preferencelist=("plain", "html"))
    name, address = parseaddr(str(message["from"] or ""))
    return {
        "message_id": str(message["message-id"]),
        "title": str(message["subject"] or ""),
        "content": text_of(body).encode("utf-8", "replace").decode(),
        "petitioner": {"name": name, "email": address},
        "received_at": received_at,
        "attachments": [
            {"name": part.get_filename(), "media_type": part.get_content_type()} for part in message.iter_attachments()
        ],
    }


def main(host: str, port: str, user: str, password: str, url: str) -> None:
    with IMAPClient(host, int(port), ssl=False) as client, requests.Session() as session:
        client.plain_login(user, password)
        client.select_folder("INBOX", readonly=True)
        for uid in client.search():
            fetched = client.fetch([uid], ["BODY.PEEK[]", "INTERNALDATE"])[uid]
            case = parse(fetched[b"BODY[]"], fetched[b"INTERNALDATE"].isoformat())
            session.post(url, json=case, timeout=15).raise_for_status()


if __name__ == "__main__":
    began = time.time()
    main(*sys.argv[1:])
    print(began)
