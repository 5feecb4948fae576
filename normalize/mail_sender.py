"""Who sent a mail: the citizens, from a form's labels or from the headers and their own words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from normalize import people
from normalize.case import Petitioner
from normalize.mail_entity import Entity
from normalize.mail_headers import Mailbox, mailboxes
from normalize.surnames import is_person_name

_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}")
# Another person's number or one's child's: not the petitioner's own.
_OTHERS = re.compile(
    r"(?:老师|校长|园长|班主任|学校|机构|客服|对方|公司|招生办?|中介|孩子|小孩|学生|儿子|女儿)[^。；;，,\n]{0,8}"
    r"(?:电话|手机|号码|身份证|联系方式)[^。；;，,\n]*"
)
_TITLE = re.compile(r"(?:先生|女士|同志|家长|小姐)$")


@dataclass(frozen=True)
class Sender:
    """The petitioners, primary first; the name shown in the From header when it is no person's; doubts in sentences."""

    petitioners: tuple[Petitioner, ...]
    shown_name: str | None
    doubts: Mapping[str, str]


def sender(
    mail: Entity, hint: str | None, form: Mapping[str, str] | None, labels: Mapping[str, str], own: str
) -> Sender:
    """Name the petitioners of a mail; `form` are a web form's labelled values, `labels` those found in any text."""
    box = _writer(mail, hint)
    if form is not None:
        return _from_form(mail, hint, form)
    names = _names(labels, own) or ((box.name,) if box.name and is_person_name(box.name) else ())
    words = _OTHERS.sub("", own)
    numbers = people.identity_numbers(words)
    addresses = people.addresses(words)
    primary = Petitioner(
        primary=True,
        name=names[0] if names else None,
        phones=people.phones(words),
        email=box.address,
        id_type="resident_id" if numbers else None,
        id_no=numbers[0].number if numbers else None,
        address=addresses[0] if addresses else None,
        gender=numbers[0].gender if numbers else None,
        workplace=labels.get("workplace"),
    )
    others = tuple(Petitioner(name=name) for name in names[1:])
    return Sender((primary, *others), None if box.name in names else box.name, {})


def _writer(mail: Entity, hint: str | None) -> Mailbox:
    raws = (raw for name in ("from", "reply-to", "sender", "return-path") for raw in mail.get_all(name))
    boxes = [box for raw in raws for box in mailboxes(raw, hint)]
    shown = next((box.name for box in boxes if box.name), None)
    return Mailbox(shown, next((box.address for box in boxes if box.address), None))


def _from_form(mail: Entity, hint: str | None, form: Mapping[str, str]) -> Sender:
    email = _EMAIL.search(form.get("email", ""))
    reply_to = next(iter(mailboxes(mail.get("reply-to"), hint)), None)
    from_ = next(iter(mailboxes(mail.get("from"), hint)), None)
    if email is None and reply_to and reply_to.address and from_ and reply_to.address != from_.address:
        email = _EMAIL.search(reply_to.address)
    written = form.get("id_no")
    number = next(iter(people.identity_numbers(written, field=True)), None) if written else None
    doubts = {}
    if written and (number is None or not number.valid):
        doubts["identity_number_doubtful"] = "身份证号码校验不符，请核对"
    name = _TITLE.sub("", form.get("name", "").split("\n")[0].strip()) or None
    petitioner = Petitioner(
        primary=True,
        name=None if name and re.fullmatch("匿名|无|不详|保密|匿名(?:用户|网友|群众)", name) else name,
        phones=people.phones(form.get("phone", ""), field=True) or people.phones(form.get("content", "")),
        email=email[0] if email else None,
        id_type="resident_id" if number else None,
        id_no=number.number if number else None,
        address=form.get("address"),
        gender=next((each for each in "男女" if each in form.get("gender", "")), None),
        workplace=form.get("workplace"),
        postcode=form.get("postcode"),
    )
    return Sender((petitioner,), from_.name if from_ else None, doubts)


def _names(labels: Mapping[str, str], own: str) -> tuple[str, ...]:
    signed = people.signatures(own)
    labelled = _TITLE.sub("", labels.get("name", "")[:12])
    found = ((labelled,) if is_person_name(labelled) else ()) + people.names(own)
    # signed together: all of them; otherwise who speaks is who names himself first
    return signed if len(signed) > 1 else found[:1]
