"""A reading process over which some Raws are its death, or confuse it: for the tests of who must go on."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping

from adapters.base import Json
from normalize.reading_process import answer
from normalize.serve import Message, serve


def odd(head: Mapping[str, Json], data: bytes) -> Message:
    if b"the last mail it reads" in data:
        os.kill(os.getpid(), signal.SIGSEGV)
    if b"the last file it opens" in data and '"documents": true' in json.dumps(head):
        os.kill(os.getpid(), signal.SIGSEGV)
    if b"the mail it never ends with" in data:
        time.sleep(600)
    said, content = answer(head, data)
    if b"the mail over which it forgets one" in data and isinstance(said["read"], list):
        said["read"].pop()
    return said, content


if __name__ == "__main__":
    serve(odd)
