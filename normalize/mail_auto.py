"""Mails no citizen wrote: automatic replies, bounces, newsletters."""

from __future__ import annotations

import re

from normalize.mail_entity import Entity
from normalize.mail_headers import header_text, mailboxes

_SUBJECT = re.compile(
    r"^(?:自动(?:回复|答复)|系统自动回复|auto(?:matic|mated)?[ -]?(?:reply|response)|out of office)\s*[:：】\]\s]",
    re.IGNORECASE,
)
_BOUNCE = re.compile(
    r"退信|undeliver|delivery (?:status|failure|has failed)|returned mail|failure notice|mail delivery", re.IGNORECASE
)
_DAEMON = re.compile(r"^(?:mailer-daemon|postmaster|mail-daemon)(?:@|$)", re.IGNORECASE)
_AUTO_HEADERS = (
    "x-autoreply",
    "x-autorespond",
    "x-autoresponder",
    "x-auto-reply",
    "x-qq-autoreply",
    "x-mail-autoreply",
)


def why_no_case(mail: Entity, *, form: bool) -> str | None:
    """The reason in a sentence why this mail opens no case; None: it does.

    A web form that names its citizen (`form`) opens one although a machine sent it.
    """
    return _bounce(mail) or _reply(mail) or (None if form else _machine(mail))


def _bounce(mail: Entity) -> str | None:
    subject = header_text(mail.get("subject"))
    if mail.media_type == "multipart/report":
        kind = mail.content_type.raw("report-type").decode("ascii", "replace").lower() or "delivery-status"
        return (
            "已读回执（disposition-notification），不是来信"
            if kind == "disposition-notification"
            else f"系统投递报告（{kind}），不是来信"
        )
    sender = next((box.address or box.name or "" for box in mailboxes(mail.get("from"))), "")
    if _DAEMON.match(sender) and (sender.lower().startswith("mail") or _BOUNCE.search(subject)):
        return f"系统退信（发件人 {sender}），不是来信"
    return None


def _reply(mail: Entity) -> str | None:
    submitted = header_text(mail.get("auto-submitted")).lower()
    if submitted.startswith("auto-replied"):
        return f"自动回复（Auto-Submitted: {submitted}），不是来信"
    if name := next(
        (name for name in _AUTO_HEADERS if header_text(mail.get(name)).lower() not in {"", "no", "false"}), None
    ):
        return f"自动回复（{name}），不是来信"
    if _SUBJECT.match(header_text(mail.get("subject"))):
        return "自动回复（主题这样说），不是来信"
    return None


def _machine(mail: Entity) -> str | None:
    if header_text(mail.get("return-path")) == "<>":
        return "退信或自动通知（Return-Path 为空），不是来信"
    submitted = header_text(mail.get("auto-submitted")).lower()
    if submitted and not submitted.startswith("no"):
        return f"系统自动发出（Auto-Submitted: {submitted}），不是来信"
    precedence = header_text(mail.get("precedence")).lower()
    if precedence in {"bulk", "junk", "list", "auto_reply", "auto-reply"}:
        return f"群发或自动邮件（Precedence: {precedence}），不是来信"
    if list_id := header_text(mail.get("list-id")):
        return f"邮件列表或订阅邮件（List-Id: {list_id[:80]}），不是来信"
    return None
