#!/bin/sh
# Resolves pyproject.toml anew into the two locks (needs uv on the PATH). No index address is written.
set -eu
cd "$(dirname "$0")/.."
compile() { uv pip compile pyproject.toml --universal --generate-hashes --no-header --no-annotate --python-version 3.11 -q "$@"; }
compile --extra sandbox --group dev -o requirements/dev.lock
compile -c requirements/dev.lock -o requirements/run.lock
