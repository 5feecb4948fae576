"""What kind of file these bytes are, by their first bytes, whatever the file is called."""

from __future__ import annotations

PICTURES = frozenset({"image/tiff", "image/jpeg", "image/png"})
SCANS = PICTURES | {"application/pdf"}
"""The kinds a letter may come as."""

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"II+\x00", "image/tiff"),
    (b"MM\x00+", "image/tiff"),
    (b"PK\x03\x04", "application/zip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
)


def media_type(head: bytes) -> str:
    """The media type the first kilobyte tells; `application/octet-stream` when it tells none."""
    if b"%PDF-" in head[:1024]:  # readers allow rubbish before it
        return "application/pdf"
    if head[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1"):
        return "image/heic"
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    return "application/octet-stream"
