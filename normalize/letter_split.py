"""One scan cut into the letters it holds: by separator sheets, and by pages that begin as letters do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from normalize.dates import signature_date
from normalize.letter_form import begins_letter
from normalize.letter_rules import LetterRules
from normalize.paragraphs import paragraphs
from normalize.scan import Page, Scan

_LETTER = 150
"""A page with a separator's barcode and as much Chinese is a letter someone stuck the barcode on. (Bought separator
sheets are full of instructions, in other languages.)"""


@dataclass(frozen=True)
class Letter:
    """The pages of one letter within a scan, and the number on its barcode."""

    pages: tuple[Page, ...]
    number: str | None = None


def letters_in(scan: Scan, rules: LetterRules) -> list[Letter]:
    """The letters in page order, empty backs and separator sheets left out; none when there is nothing else."""
    letters: list[Letter] = []
    pages: list[Page] = []
    number: str | None = None
    for page in scan.pages:
        separator = next((code for code in page.barcodes if _is_separator(code, rules)), None)
        if separator is not None:
            letters.append(Letter(tuple(pages), number))
            pages, number = [], register_number([page], rules)
            if _chinese(page) < _LETTER:
                continue
        pages.append(page)
    letters.append(Letter(tuple(pages), number))
    if rules.split_by_form:
        letters = [part for letter in letters for part in _split_by_form(letter)]
    written = [letter for letter in letters if not all(page.blank for page in letter.pages)]
    return written or [letter for letter in letters if letter.pages][:1]


def _chinese(page: Page) -> int:
    return sum(1 for line in page.lines for character in line.text if "\u4e00" <= character <= "\u9fff")


def _split_by_form(letter: Letter) -> Iterator[Letter]:
    pages: list[Page] = []
    number = letter.number
    for page in letter.pages:
        if pages and begins_letter(paragraphs([page])) and signature_date("\n".join(paragraphs(pages[-1:]))):
            yield Letter(tuple(pages), number)
            pages, number = [], None
        pages.append(page)
    yield Letter(tuple(pages), number)


def _is_separator(code: str, rules: LetterRules) -> bool:
    return re.fullmatch(rules.separator, code.partition("|")[0].strip(), re.IGNORECASE) is not None


def register_number(pages: Sequence[Page], rules: LetterRules) -> str | None:
    """The register number a barcode carries: on its own, else behind a separator's `|`."""
    codes = [code for page in pages for code in page.barcodes]
    behind = [code.partition("|")[2] for code in codes if _is_separator(code, rules)]
    candidates = [code for code in codes if not _is_separator(code, rules)] + behind
    return next((code for code in candidates if re.fullmatch(rules.register_number, code)), None)
