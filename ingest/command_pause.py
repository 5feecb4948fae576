"""`xinqiao pause` and `xinqiao resume`: doors and targets."""

from __future__ import annotations

import argparse
import json

from ingest.commands import perform


def pause(arguments: argparse.Namespace) -> int:
    asked = {"what": arguments.what, "name": arguments.name, "reason": arguments.reason}
    answer = perform(arguments.config, arguments.act, asked)
    print(
        json.dumps(answer, ensure_ascii=False)
        if arguments.json
        else f"{arguments.what} {arguments.name}: {answer['state']}"
    )
    return 0
