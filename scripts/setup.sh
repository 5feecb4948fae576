#!/bin/sh
# Makes .venv from the lock, with the command at .venv/bin/xinqiao. Safe to repeat: does nothing when nothing changed.
set -eu
cd "$(dirname "$0")/.."

find_python() {
    for name in ${PYTHON:-} python3.11 python3.12 python3.13 python3; do
        if "$name" -c 'import sys, venv, ensurepip; sys.exit(not sys.version_info >= (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    return 1
}

if ! python=$(find_python); then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "setup: no Python 3.11 or newer with venv here; installing Debian's python3 and python3-venv"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3 python3-venv ca-certificates >/dev/null
        python=$(find_python)
    else
        echo "setup: needs Python 3.11 or newer with venv (Debian: apt-get install python3 python3-venv)" >&2
        exit 1
    fi
fi

stamp=.venv/.installed
wanted=$("$python" --version; { cat requirements/dev.lock scripts/setup.sh; sed -n "/^\[build-system/,/^\[tool/p" pyproject.toml; } | sha256sum)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
    exit 0
fi
if [ "$(.venv/bin/python --version 2>/dev/null)" != "$("$python" --version)" ]; then
    echo "setup: making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
fi
echo "setup: installing the locked packages (about 200 MB, a minute or two)"
.venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.lock
.venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
printf '%s' "$wanted" > "$stamp"
echo "setup: done; the command is .venv/bin/xinqiao"
