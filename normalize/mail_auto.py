"""Mails no citizen wrote: automatic replies, bounces, newsletters."""

from __future__ import annotations

import re

from normalize.mail_entity import Entity
from normalize.mail_headers import header_text, mailboxes
from normalize.own_words import own_words

_SUBJECT = re.compile(
    r"^[\[【(（]?(?:(?:系统)?自动(?:回复|答复)|auto(?:matic|mated)?[ -]?(?:reply|response)|out of office)"
    r"\s*[:：】\])）\s]|"
    r"^[^，,。？?]{0,12}自动(?:回复|答复)(?:邮件)?[】\])）]?$",
    re.IGNORECASE,
)
_OF_ANOTHER = (
    r"第[一二三四五六七八九十几\d]|[一二三四五几]次|(?<![对给到])[你您]|贵[局校]|又|只|还是|总是|"
    r"收到[你您贵]?们?[局校]?(?:的|了)?(?:系统)?自动"
)
"""Who tells of an automatic reply that he got says one of these before it."""
_SAYS_SO = re.compile(
    r"(?:^|[\n。！!，,：:])[\s\W]*(?:"
    rf"(?:这|此|本)(?:是|为|封|邮件)(?:(?!{_OF_ANOTHER})[^，。！？\n]){{0,24}}自动(?:回复|答复)|以下(?:为|是)自动(?:回复|答复)|"
    r"This is an auto(?:mat(?:ic|ed|ically generated))?[ -]?(?:reply|response)|"
    r"I am (?:currently )?out of (?:the )?office)",
    re.IGNORECASE,
)
_SIGN = re.compile("自动|auto|out of", re.IGNORECASE)
"""What says so holds one of these."""
_SHORT = 400
"""Who writes a petition about automatic replies needs more words, or does not begin with such a sentence."""
_UNSUBSCRIBE = re.compile(
    r"(?:如需|若需|如不|若不|如果您|点击|点此|点这里|如想|若要)[^。\n]{0,30}(?:退订|取消订阅)|"
    r"(?:退订|取消订阅)[^。\n]{0,10}(?:请点|点击|https?://)|unsubscribe (?:here|from|at)|(?:click|to) unsubscribe",
    re.IGNORECASE,
)
_UNSUBSCRIBED = re.compile("退订|取消订阅|unsubscribe", re.IGNORECASE)
_FOOTER = 400
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


def why_no_case(mail: Entity, text: str, *, form: bool) -> str | None:
    """The reason in a sentence why this mail opens no case, without its words; None: it does. `text` is all it says.

    A web form that names its citizen (`form`) opens one although a machine sent it.
    """
    if reason := _bounce(mail) or _reply(mail):
        return reason
    return None if form else _machine(mail) or _says_so(text) or _newsletter(mail, text)


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


def _says_so(text: str) -> str | None:
    own = own_words(text).strip()
    if len(own) <= _SHORT and _SIGN.search(own) and _SAYS_SO.search(own):
        return "自动回复（正文这样说），不是来信"
    return None


def _newsletter(mail: Entity, text: str) -> str | None:
    if header_text(mail.get("list-unsubscribe")):
        return "群发或订阅邮件（List-Unsubscribe），不是来信"
    footer = text[-_FOOTER:]
    if _UNSUBSCRIBED.search(footer) and _UNSUBSCRIBE.search(footer):
        return "群发或订阅邮件（正文这样说），不是来信"
    return None
