"""Large attachments that webmail services replace by a link which expires."""

from __future__ import annotations

import html
import re
from itertools import islice

from normalize.case import AttachmentRole, AttachmentState
from normalize.filenames import clean_name
from normalize.html_text import html_to_text
from normalize.reading import Part

DEFAULT_SERVICES = (
    "mail.qq.com/cgi-bin/ftnExs_download",
    "mail.qq.com/cgi-bin/ftnDownload",
    "mail.qq.com/ftn/download",
    "mail.163.com/large-attachment-download",
    "mail.163.com/html/cloud-attachment",
    "dashi.163.com/html/cloud-attachment-download",
    "u.163.com/",
    "fs.163.com/",
    "mail.126.com/large-attachment-download",
    "mail.sina.com.cn/filecenter/download",
    "mail.139.com/largeattachments",
)
_MOST_LINKS, _MOST_ANCHORS = 50, 5000
_URL = re.compile(r"https?://[^\s\"'<>\u3000-\uffef]{4,2000}")
_ANCHOR = re.compile(
    r"<a\b([^<>]*?)\bhref\s*=\s*[\"']([^\"'<>]+)[\"']([^<>]*)>(.{0,2000}?)</a\s*>", re.IGNORECASE | re.DOTALL
)
_FILE = re.compile(r"[^\s/\\:*?\"<>|（）()，。：]{1,100}\.(?:[A-Za-z][A-Za-z0-9]{1,4}|7z)(?![A-Za-z0-9./])")


def large_attachments(text: str, html_sources: list[str], services: tuple[str, ...]) -> tuple[Part, ...]:
    """The links to files kept at a mail service, each once, named by the file name found nearest."""
    found: dict[str, str | None] = {}
    for source in html_sources:
        for anchor in islice(_ANCHOR.finditer(source), _MOST_ANCHORS):
            url = html.unescape(anchor[2])
            if _serves(url, services) and not found.get(url):
                label = f"{html_to_text(anchor[4])} {html.unescape(anchor[1] + anchor[3])}"
                before = source[max(0, anchor.start() - 3000) : anchor.start()]
                found[url] = _named(label) or _named(html_to_text(before))
            if len(found) >= _MOST_LINKS:
                break
    for match in islice(_URL.finditer(text), _MOST_ANCHORS):
        if _serves(match[0], services) and match[0] not in found and len(found) < _MOST_LINKS:
            found[match[0]] = _named(text[max(0, match.start() - 300) : match.start()])
    return tuple(_part(url, name, number) for number, (url, name) in enumerate(found.items(), 1))


def _serves(url: str, services: tuple[str, ...]) -> bool:
    return any(service in url for service in services)


def _named(text: str) -> str | None:
    names = [
        name
        for name in _FILE.findall(text)
        if not re.search(r"\.(?:com|cn|net|org|html?|php|asp)$", name, re.IGNORECASE)
    ]
    return str(names[-1]) if names else None


def _part(url: str, name: str | None, number: int) -> Part:
    clean = clean_name(name or "", f"large-attachment-{number}")
    return Part(clean, AttachmentRole.EVIDENCE, AttachmentState.EXTERNAL, ref=url)
