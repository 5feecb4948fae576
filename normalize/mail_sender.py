"""Who sent a mail: the citizens, from a form's labels or from the headers and their own words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from normalize.case import Petitioner, Warning_
from normalize.identity import IdentityNumber, identity_number, identity_numbers
from normalize.labels import Labelled
from normalize.mail_entity import Entity
from normalize.mail_headers import Mailbox, mailboxes
from normalize.own_words import Forwarded
from normalize.person_words import TITLE_END, closed_up
from normalize.phones import is_doubtful, phones
from normalize.surnames import is_person_name
from normalize.writers import (
    DOUBTFUL_ID,
    DOUBTFUL_PHONE,
    is_nameless,
    labelled_address,
    labelled_email,
    listed,
    postcode,
    writers,
)

_NONE = frozenset({"无", "不详", "保密", "无名氏", "不便透露"})
_MACHINE = re.compile(
    r"^(?:no-?_?reply|do-?not-?reply|website|webmaster|web|admin\w*|system|service|postmaster|notice|notify|form|portal|mail)(?:@|$)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Sender:
    """The petitioners, primary first; the name shown in the From header when it is no person's; what is doubtful."""

    petitioners: tuple[Petitioner, ...]
    shown_name: str | None
    doubts: tuple[Warning_, ...]
    handed_on_from: str | None = None
    """Who wrote the mail that another hands on, as that one names him."""
    signed_email: str | None = None
    """Another address that the writer gives under his mail."""


def sender(
    mail: Entity,
    hint: str | None,
    labelled: Labelled,
    spoken: str,
    closing: Mapping[str, str],
    passed: Forwarded | None = None,
) -> Sender:
    """Name the petitioners of a mail.

    `labelled` are the labels of the whole text, `spoken` the citizen's own words, `closing` the labels under them;
    `passed` is the citizen's mail where another hands it on: then that one's name is not asked.
    """
    who = (
        _from_form(mail, hint, labelled, spoken)
        if labelled.is_form
        else _from_words(mail, hint, spoken, closing, passed)
    )
    return replace(who, handed_on_from=passed.sender) if passed else who


def _from_words(
    mail: Entity, hint: str | None, spoken: str, closing: Mapping[str, str], passed: Forwarded | None
) -> Sender:
    box = _writer(mail, hint)
    shown = shown_person(passed.name if passed else box.name)
    signed = labelled_email(closing)
    is_writers = box.address is not None and not passed and not _MACHINE.match(box.address)
    told = writers(spoken, closing, shown, box.address if is_writers else signed or box.address)
    petitioners = told.petitioners or (Petitioner(primary=True),)
    named = box.name == shown or any(each.name == shown for each in petitioners if shown)
    other = signed if signed and signed.lower() != (petitioners[0].email or "").lower() else None
    return Sender(petitioners, None if named and not passed else box.name, told.doubts, signed_email=other)


def shown_person(shown: str | None) -> str | None:
    """The person a display name shows: all of it, or what stands before a bracket or dash (王芳(家长))."""
    candidates = (shown or "", re.split(r"[(（\[【<\-—_/]", shown or "", maxsplit=1)[0])
    names = (closed_up(each.strip()) for each in candidates)
    return next((name for name in names if is_person_name(name)), None)


def _writer(mail: Entity, hint: str | None) -> Mailbox:
    raws = (raw for name in ("from", "reply-to", "sender", "return-path") for raw in mail.get_all(name))
    boxes = [box for raw in raws for box in mailboxes(raw, hint)]
    shown = next((box.name for box in boxes if box.name), None)
    return Mailbox(shown, next((box.address for box in boxes if box.address), None))


def _from_form(mail: Entity, hint: str | None, labelled: Labelled, spoken: str) -> Sender:
    form = labelled.values
    from_ = next(iter(mailboxes(mail.get("from"), hint)), None)
    inside = writers(spoken, {})
    names = _form_names(form.get("name", ""))
    number = _identity(form.get("id_no"))
    doubts = _doubts(form) or tuple(each for each in inside.doubts if each == DOUBTFUL_ID and "id_no" not in form)
    told = inside.petitioners[0] if inside.petitioners else Petitioner(primary=True)
    petitioner = Petitioner(
        primary=True,
        name=names[0] if names else None,
        phones=_phones(form.get("phone"), told),
        email=labelled_email(form) or _reply_address(mail, hint, from_, whole="content" not in form),
        id_type="resident_id" if number or told.id_no else None,
        id_no=number.number if number else told.id_no,
        address=labelled_address(form),
        gender=next((each for each in "男女" if each in form.get("gender", "")), number.gender if number else None),
        workplace=form.get("workplace"),
        postcode=postcode(form.get("postcode")),
    )
    others = tuple(Petitioner(name=name) for name in names[1:])
    return Sender((petitioner, *others), from_.name if from_ else None, doubts)


def _form_names(written: str) -> tuple[str, ...]:
    """The names a form gives; 王女士 stays as written, since 王 alone is nobody."""
    if is_nameless(written) or written in _NONE:
        return ()
    if together := listed(written):
        return together
    bare = TITLE_END.sub("", written)
    return (bare if is_person_name(bare) else written,) if written else ()


def _phones(written: str | None, told: Petitioner) -> tuple[str, ...]:
    """The form's own numbers; the citizen's words are asked only where the form has no such field."""
    return told.phones if written is None else phones(written, field=True)


def _identity(written: str | None) -> IdentityNumber | None:
    if not written:
        return None
    number = next(iter(identity_numbers(written, field=True)), None) or identity_number(written)
    return number if re.fullmatch(r"[\dX]{12,20}", number.number) else None


def _doubts(form: Mapping[str, str]) -> tuple[Warning_, ...]:
    """Which of the numbers filled in cannot be right."""
    number = _identity(form.get("id_no"))
    id_is_wrong = "id_no" in form and not (number and number.valid)
    found = ((DOUBTFUL_PHONE, is_doubtful(form.get("phone", ""))), (DOUBTFUL_ID, id_is_wrong))
    return tuple(doubt for doubt, applies in found if applies)


def _reply_address(mail: Entity, hint: str | None, from_: Mailbox | None, *, whole: bool) -> str | None:
    """The citizen's address where a website put it: Reply-To; From only of a `whole` mail that no machine sent."""
    sent_from = from_.address if from_ else None
    replies: Iterable[Mailbox] = mailboxes(mail.get("reply-to"), hint)
    for box in replies:
        if box.address and box.address != sent_from:
            return box.address
    by_person = whole and sent_from and not _MACHINE.match(sent_from) and not mail.get("auto-submitted")
    return sent_from if by_person else None
