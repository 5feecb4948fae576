"""The daemon's configuration for a sandbox at another place: the given file with this sandbox's ports and folders."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from sandbox.options import PORTS, Options

DERIVED = "config.yaml"
_USUAL = Options()
_PORT = re.compile(
    rf"(?P<before>127\.0\.0\.1:|^[ ]+port: )(?P<port>{'|'.join(map(str, PORTS.values()))})\b", re.MULTILINE
)
_FOLDER = re.compile(rf"(?<=: ){_USUAL.data}(?=/)")
_RELATIVE = re.compile(r"^(?P<before>[ ]*(?:calendar|ca_file): )(?P<path>[\w.][^\s#]*)", re.MULTILINE)


def configuration(options: Options, ports: Mapping[str, int]) -> Path:
    """The file given where everything is at its usual place, else DATA/config.yaml made from it. Raises OSError.

    What the given file says of the stand-ins' usual ports and of sandbox-data/ is changed, nothing else.
    """
    if options.data == _USUAL.data and all(ports[name] == usual for name, usual in PORTS.items() if name in ports):
        return options.config
    text = options.config.read_text("utf-8")
    data, beside = options.data.absolute(), options.config.absolute().parent
    usual = {str(port): str(ports.get(name, port)) for name, port in PORTS.items()}
    text = _PORT.sub(lambda found: found["before"] + usual[found["port"]], text)
    text = _FOLDER.sub(lambda _: str(data), text)
    text = _RELATIVE.sub(lambda found: f"{found['before']}{beside / found['path']}", text)
    derived = options.data / DERIVED
    if derived.absolute() == options.config.absolute():
        return derived
    derived.write_text(f"# Made by `xinqiao sandbox` from {options.config}.\n{text}", "utf-8")
    return derived
