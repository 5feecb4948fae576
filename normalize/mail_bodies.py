"""What a mail says and what it brings along: its words, its HTML, its attachments."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

from normalize import mail_content
from normalize.case import AttachmentRole, AttachmentState
from normalize.charsets import decode
from normalize.filenames import clean_name, clean_text
from normalize.html_text import html_to_text
from normalize.mail_entity import Entity, Limits, parse_entity
from normalize.mail_headers import header_text
from normalize.mail_params import parameters
from normalize.reading import Part
from normalize.tnef import Tnef, read_tnef

_MAILER_WORDS = re.compile(r"(?:不支持|无法显示|cannot|not support|unable)[^\n]{0,40}(?:HTML|html|超文本)|^\s*$")
_NO_WORDS = re.compile(r"\W+")
_ESSENTIAL, _FAR_MORE = 20, 1.5
"""So many characters more, and so many times as many: then a version says what the other leaves out."""
_NEXT_TO_NOTHING, _SOMETHING = 8, 5
"""Beside a version of so few characters so many more are enough."""
_COMPARED = 20_000_000
"""Lines times characters that are compared; what is longer is weighed whole."""
_READ_OF_A_FILE = 200_000
_TNEF_TYPES = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})


@dataclass
class Bodies:
    """What was gathered from a mail. `html` holds the HTML bodies' sources; `notes` are warnings (code, sentence).
    `unread` is what a version says that was not read, and the one that was read does not.
    """

    texts: list[str] = field(default_factory=list)
    html: list[str] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    charset: str | None = None

    @property
    def text(self) -> str:
        """All words of the mail, as a person reads them."""
        return "\n\n".join(each for each in self.texts if each)


def gather(root: Entity, limits: Limits, hint: str | None = None) -> Bodies:
    """Walk a mail's entities; what is no body is an attachment, and nothing is left out."""
    walk = _Walk(Bodies(), limits, hint)
    walk.visit(root)
    bodies = walk.bodies
    if not bodies.text.strip() and walk.inner:
        # a mail that is nothing but another mail says what that one says
        bodies.texts = [walk.inner[0].text]
    return bodies


def words_in(part: Part, limits: Limits) -> str:
    """What an attached mail or text file says; of any other attachment, nothing."""
    if part.content is None or part.role is AttachmentRole.BODY_HTML:
        return ""
    name = part.name.lower()
    if part.media_type == "message/rfc822" or name.endswith(".eml"):
        inner = gather(parse_entity(part.content, limits), limits)
        return "\n".join([inner.text, *inner.unread])
    if part.media_type not in {"text/plain", "text/html"} and not name.endswith((".txt", ".htm", ".html")):
        return ""
    words = clean_text(decode(part.content[:_READ_OF_A_FILE]).text)
    return html_to_text(words) if _is_html(words) else words


@dataclass
class _Walk:
    bodies: Bodies
    limits: Limits
    hint: str | None
    depth: int = 0
    inner: list[Bodies] = field(default_factory=list)

    def visit(self, entity: Entity) -> None:
        if entity.cut:
            self.bodies.notes["too_many_parts"] = "邮件嵌套过深或部件过多，其余部分未拆开，原件完整保存"
        if entity.parts:
            self._multipart(entity)
        elif entity.cut:
            self._attach(entity, entity.raw)
        elif entity.media_type in {"message/rfc822", "message/global"}:
            self._message(entity)
        elif self._is_body(entity):
            self._body(entity)
        else:
            self._attachment(entity)

    def _multipart(self, entity: Entity) -> None:
        if entity.media_type == "multipart/alternative":
            self._alternative(entity.parts)
            return
        for part in entity.parts:
            self.visit(part)

    def _alternative(self, versions: list[Entity]) -> None:
        """Of several versions of one text the plain one is read, unless another says far more, as when it holds no
        more than 发自我的iPhone; the HTML is kept beside it.
        """
        whole = self.bodies
        read: list[Bodies] = []
        for version in versions:
            self.bodies = Bodies(notes=whole.notes)
            self.visit(version)
            read.append(self.bodies)
        self.bodies = whole
        speaking = [each for each in read if not _MAILER_WORDS.search(each.text[:200])] or read
        best = next((each for each in speaking if each.texts and not each.html), speaking[0] if speaking else Bodies())
        known = _NO_WORDS.sub("", best.text)
        for each in speaking:
            if each.html and _says_far_more(said := _NO_WORDS.sub("", each.text), known):
                best, known = each, said
                whole.notes["html_read"] = "邮件的纯文本部分不完整，正文取自 HTML 部分"
        whole.texts += best.texts
        whole.charset = whole.charset or best.charset
        for each in read:
            whole.html += each.html
            whole.parts += each.parts
            whole.unread += each.unread
            if each is not best and (more := _beyond(each.text, known)):
                whole.unread.append(more)

    def _is_body(self, entity: Entity) -> bool:
        if entity.media_type.startswith("multipart/"):
            return True  # says multipart but has no parts: text
        if entity.media_type not in {"text/plain", "text/html", "text/enriched", "text"}:
            return False
        disposition = parameters(entity.get("content-disposition") or b"").value
        return disposition != "attachment" and mail_content.file_name(entity) is None

    def _body(self, entity: Entity) -> None:
        data = mail_content.content(entity)
        if boundary := entity.content_type.raw("boundary"):
            # a multipart without parts may still end in its boundary
            data = data.replace(b"--" + boundary + b"--", b"")
        decoded = mail_content.text(entity, data)
        if decoded.lossy:
            self.bodies.notes["characters_lost"] = f"正文有无法识别的字符（按 {decoded.charset} 读取），请对照原件"
        self.bodies.charset = self.bodies.charset or decoded.charset
        words = clean_text(decoded.text)
        if entity.media_type == "text/html" or _is_html(words):
            self.bodies.html.append(decoded.text)
            self.bodies.texts.append(html_to_text(words))
            self._attach(entity, data, role=AttachmentRole.BODY_HTML, charset=decoded.charset)
            return
        for name, file in mail_content.uuencoded(data) if b"\nbegin " in b"\n" + data[:200_000] else ():
            self._add(clean_name(name, "attachment.bin"), file, None)
        if "&nbsp;" in words:
            # QQ mail sends plain text with the blanks of its HTML
            words = html.unescape(words).replace("\xa0", " ")
        if entity.content_type.raw("format").lower() == b"flowed":
            words = unflowed(words, delete_space=entity.content_type.raw("delsp").lower() == b"yes")
        self.bodies.texts.append(words)

    def _message(self, entity: Entity) -> None:
        """An attached mail is kept whole; what it brings along is listed after it."""
        data = mail_content.content(entity)
        inner = parse_entity(data, self.limits)
        subject = header_text(inner.get("subject"), self.hint)
        name = clean_name(f"{subject}.eml", "") if subject else mail_content.named(entity, len(self.bodies.parts) + 1)
        own_name = mail_content.file_name(entity, self.hint)
        self._add(clean_name(own_name or "", name or "message.eml"), data, "message/rfc822")
        if self.depth >= 3:
            return
        walk = _Walk(Bodies(), self.limits, self.hint, self.depth + 1)
        walk.visit(inner)
        self.inner.append(walk.bodies)
        self.bodies.parts += [part for part in walk.bodies.parts if part.role is not AttachmentRole.BODY_HTML]

    def _attachment(self, entity: Entity) -> None:
        data = mail_content.content(entity)
        name = mail_content.file_name(entity, self.hint) or ""
        if entity.media_type in _TNEF_TYPES or name.lower() == "winmail.dat":
            tnef = read_tnef(data)
            if tnef is not None:
                self._tnef(tnef)
                return
            self.bodies.notes["tnef_unreadable"] = "winmail.dat 无法拆开，已作为附件保存"
        if entity.media_type == "text/calendar":
            self.bodies.texts.append("" if self.bodies.text else _calendar(mail_content.text(entity, data).text))
        if "encrypted" in entity.media_type or entity.content_type.raw("smime-type").lower() == b"enveloped-data":
            self.bodies.notes["encrypted"] = "邮件内容已加密，无法读取"
        self._attach(entity, data)

    def _tnef(self, tnef: Tnef) -> None:
        if tnef.html and not self.bodies.html:
            self.bodies.html.append(tnef.html)
        words = tnef.text or (html_to_text(tnef.html) if tnef.html else "")
        if words and not self.bodies.text.strip():
            self.bodies.texts.append(clean_text(words))
        for name, data in tnef.files:
            self._add(clean_name(name, f"attachment-{len(self.bodies.parts) + 1}.bin"), data, None)

    def _attach(
        self, entity: Entity, data: bytes, role: AttachmentRole = AttachmentRole.EVIDENCE, charset: str | None = None
    ) -> None:
        media_type = f"{entity.media_type}; charset={charset}" if charset else entity.media_type
        if role is AttachmentRole.BODY_HTML:
            number = sum(part.role is role for part in self.bodies.parts) + 1
            name = "body.html" if number == 1 else f"body-{number}.html"
        else:
            name = mail_content.named(entity, len(self.bodies.parts) + 1, self.hint)
        self._add(name, data, media_type, role)

    def _add(
        self, name: str, data: bytes, media_type: str | None, role: AttachmentRole = AttachmentRole.EVIDENCE
    ) -> None:
        part = Part(name, role, AttachmentState.STORED, media_type=media_type, content=data, size=len(data))
        self.bodies.parts.append(part)


def unflowed(text: str, *, delete_space: bool = False) -> str:
    """Undo format=flowed (RFC 3676): lines that end in a blank go on in the next, within one depth of quotation."""
    lines: list[str] = []
    open_depth: int | None = None
    for line in text.split("\n"):
        stripped = line.lstrip(">")
        depth = len(line) - len(stripped)
        words = stripped.removeprefix(" ")
        flows = words.endswith(" ") and words != "-- "
        if flows and delete_space:
            words = words[:-1]
        if open_depth == depth and words != "-- ":
            lines[-1] += words
        else:
            lines.append(f"{'>' * depth} {words}" if depth else words)
        open_depth = depth if flows else None
    return "\n".join(line.rstrip() for line in lines)


def _says_far_more(said: str, known: str) -> bool:
    least = len(known) + (_ESSENTIAL if len(known) >= _NEXT_TO_NOTHING else _SOMETHING)
    return len(said) >= max(least, len(known) * _FAR_MORE)


def _beyond(text: str, known: str) -> str:
    """The lines of a text that say what is not among the words known already."""
    lines = {line: words for line in text.split("\n") if (words := _NO_WORDS.sub("", line))}
    if len(lines) * len(known) > _COMPARED:
        return text
    return "\n".join(line for line, words in lines.items() if words not in known)


def _is_html(text: str) -> bool:
    return re.match(r"\s*(?:<!doctype html|<html\b)", text, re.IGNORECASE) is not None


def _calendar(text: str) -> str:
    """What an invitation says: its summary, time, place and description."""
    unfolded = re.sub(r"\r?\n[ \t]", "", text)
    found = re.findall(r"^(SUMMARY|DTSTART|LOCATION|DESCRIPTION)(?:;[^:\n]*)?:(.*?)\r?$", unfolded, re.MULTILINE)
    return "\n".join(re.sub(r"\\([,;\\])", r"\1", value.replace("\\n", "\n")) for _, value in found)
