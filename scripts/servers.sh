#!/bin/sh
# Installs what the tests speak to (Dovecot, PostgreSQL, Swift, Chromium, clamd, tinyproxy), turn clocks with (faketime)
# and judge units with (systemd-analyze) where it may; otherwise says what is missing and which tests skip.
# With `bundle` also what makes another Debian and boots it, for `make bundle-test`.
set -eu

missing=
has() { PATH="$PATH:/usr/sbin" command -v "$1" >/dev/null; }
has dovecot && has doveconf && [ -e /usr/lib/dovecot/imap ] || missing="$missing dovecot-imapd"
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
for part in proxy account container object; do
    has "swift-$part-server" || missing="$missing swift-$part"
done
has chromium || missing="$missing chromium"
has clamd || missing="$missing clamav-daemon"
has tinyproxy || missing="$missing tinyproxy-bin"
ls /usr/lib/*/libatomic.so.1 >/dev/null 2>&1 || missing="$missing libatomic1" # what drives the browser needs it
ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || missing="$missing libfaketime"
has systemd-analyze || missing="$missing systemd"
if [ "${1:-}" = bundle ]; then
    has debootstrap || missing="$missing debootstrap"
    has systemd-nspawn || missing="$missing systemd-container"
fi

if [ -z "$missing" ]; then
    echo "servers: all there"
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "servers: installing$missing"
    # Ours are started by the tests, each in a folder of its own: nothing is to start at installation.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' > "$policy"
        chmod +x "$policy"
        trap 'rm -f "$policy"' EXIT
    fi
    apt-get update -qq
    # shellcheck disable=SC2086  # a list of package names
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
    echo "servers: done"
    exit 0
fi
echo "servers: missing:$missing; tests that need them are skipped. Debian: apt-get install$missing" >&2
[ -z "${CI:-}" ]  # in CI nothing may be skipped
