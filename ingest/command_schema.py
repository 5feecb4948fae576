"""`xinqiao schema`: the JSON Schema of what the webhook carries, from the code itself."""

from __future__ import annotations

import argparse
import json
from typing import Any

from dispatch.payload import Payload


def schema(_arguments: argparse.Namespace) -> int:
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "xinqiao webhook payload"}
    print(json.dumps(document | _open(Payload.json_schema()), ensure_ascii=False, indent=2))
    return 0


def _open(schema: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    """As receivers keep to it: fields are added in later versions, so more than there are now must not be refused."""
    if isinstance(schema, dict):
        return {key: _open(value) for key, value in schema.items() if (key, value) != ("additionalProperties", False)}
    return [_open(one) for one in schema] if isinstance(schema, list) else schema
