"""What is wrong with a configuration, in the language it asks for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ingest.catalogue import Language, load_words
from ingest.config import language_in
from ingest.config_errors import ConfigErrors, Problem
from ingest.config_yaml import read
from ingest.sayings.check import FOLDER
from ingest.sayings.rewording import rewording


def language_for(errors: ConfigErrors) -> Language:
    """The one the configuration asks for; where that cannot be read, that of who gives the command."""
    return errors.language or of_locale(os.environ)


def language_at(path: Path | None) -> Language:
    """The one a configuration file asks for, whatever is wrong with it; else that of who gives the command."""
    try:
        asked = language_in(read(path).data) if path else None
    except ConfigErrors:
        asked = None
    return asked or of_locale(os.environ)


def of_locale(environment: Mapping[str, str]) -> Language:
    """The language of whoever gives the command, as POSIX has it told; English, unless it is Chinese."""
    told = next((said for name in ("LC_ALL", "LC_MESSAGES", "LANG") if (said := environment.get(name))), "")
    return "zh" if told.startswith("zh") else "en"


def said_in(language: Language, problems: Sequence[Problem]) -> list[Problem]:
    """The same, their texts in this language."""
    say = rewording(language)
    return [replace(problem, text=say(problem.text)) for problem in problems]


def as_warnings(language: Language, problems: Sequence[Problem]) -> list[str]:
    """A line for each, which says after the place that it is a warning."""
    word = load_words(FOLDER, language)("warning")
    return [str(problem).replace(": ", f": {word}: ", 1) for problem in said_in(language, problems)]
