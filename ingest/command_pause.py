"""`xinqiao pause` and `xinqiao resume`: doors and targets."""

from __future__ import annotations

import argparse
import json

from ingest.commands import installation, perform
from ingest.sayings.speech import Speech


def pause(arguments: argparse.Namespace) -> int:
    asked = {"what": arguments.what, "name": arguments.name, "reason": arguments.reason}
    config = installation(arguments.config)
    answer = perform(config, arguments.act, asked)
    if arguments.json:
        print(json.dumps(answer, ensure_ascii=False))
    else:
        said = Speech(config.service.language)
        print(said(f"pause.{arguments.what}", name=arguments.name, state=said.code("pause_state", answer["state"])))
    return 0
