"""`xinqiao sheet`: a case on a sheet of paper."""

from __future__ import annotations

import argparse
import base64
import os
import stat
from pathlib import Path

from ingest.cli import UsersMistake
from ingest.commands import installation, perform
from ingest.sayings.speech import Speech


def sheet(arguments: argparse.Namespace) -> int:
    form = "assignment" if arguments.assignment else "reading"
    asked = {"case": arguments.case, "form": form, "restricted": arguments.restricted}
    config = installation(arguments.config)
    answer = perform(config, "sheet", asked)
    _write(arguments.to, base64.b64decode(answer["pdf"]))
    print(Speech(config.service.language)("titled", title=answer["case_no"], said=arguments.to))
    return 0


def _write(path: Path, content: bytes) -> None:
    """For its owner only: it names a citizen."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                os.fchmod(file.fileno(), 0o600)  # one that was there before keeps no wider rights
                file.truncate()
            file.write(content)
    except OSError as error:
        raise UsersMistake(f"{path}: {error.strerror}") from error
