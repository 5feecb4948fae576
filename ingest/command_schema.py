"""`xinqiao schema`: the JSON Schema of what the webhook carries, from the code itself."""

from __future__ import annotations

import argparse
import json

from dispatch.payload import Payload


def schema(_arguments: argparse.Namespace) -> int:
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "xinqiao webhook payload"}
    print(json.dumps(document | Payload.json_schema(), ensure_ascii=False, indent=2))
    return 0
