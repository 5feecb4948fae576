#!/bin/sh
# Installs xinqiao from this bundle, without any network. Safe to repeat. Give it as root:
#
#   sh install.sh             install, or put back what is missing
#   sh install.sh --check     only look whether this machine will do
#   sh install.sh --upgrade   install beside the old version, stop, back up, start; goes back by itself if it does not work
#   sh install.sh --rollback  back to the version before the last upgrade, with the data as they were then
set -eu
umask 022
cd "$(dirname "$0")"

OPT=/opt/xinqiao
ETC=/etc/xinqiao
UNITS=/etc/systemd/system
LINK=/usr/bin/xinqiao # where sudo looks everywhere: on openEuler, Kylin and RHEL it does not in /usr/local/bin
BACKUPS=/var/backups/xinqiao
RELEASE=$(cat RELEASE)
HERE=$OPT/$RELEASE
LAST=$OPT/last-upgrade # OLD VERSION, newline, BACKUP
ROOM=1500 # MB that a version takes in /opt
SETTLED=10 # seconds a new version must live after it said that it works

usage() { sed -n 's/^#  //p' install.sh; }
say() { echo "xinqiao: $*"; }
die() {
    echo "xinqiao: $*" >&2
    exit 1
}

main() {
    case ${1:-} in
        "")
            check
            install_here
            ;;
        --check)
            check
            say "this machine will do"
            ;;
        --upgrade)
            check
            upgrade
            ;;
        --rollback)
            must_be_root
            roll_back_by_hand
            ;;
        --help) usage ;;
        *)
            usage >&2
            exit 2
            ;;
    esac
}

# --- looking ----------------------------------------------------------------------------------------------------------

must_be_root() { [ "$(id -u)" = 0 ] || die "must be root, since it makes an account and a service"; }

check() {
    must_be_root
    [ "$(uname -s)" = Linux ] || die "needs Linux"
    case $(uname -m) in
        x86_64 | aarch64) ;;
        *) die "needs a processor of the kind x86_64 or aarch64, this one is $(uname -m)" ;;
    esac
    PYTHON=$(find_python) || die "needs Python 3.11 or 3.12 with its venv and sqlite3 modules (Debian 12: apt install python3); PYTHON=/path/to/python3.12 names one"
    "$PYTHON" -c 'import os, sys; sys.exit(tuple(map(int, os.confstr("CS_GNU_LIBC_VERSION").split()[1].split("."))) < (2, 28))' \
        || die "needs glibc 2.28 or newer (Debian 10, openEuler 20.03, Kylin V10 or later)"
    ls wheels/*"$(tag)"*"$(uname -m)"*.whl >/dev/null 2>&1 || die "this bundle was made without $("$PYTHON" --version) on $(uname -m)"
    for needed in sha256sum useradd runuser; do
        command -v $needed >/dev/null || die "needs the program $needed"
    done
    if has_systemd && [ "$(systemctl --version | awk 'NR == 1 {print int($2)}')" -lt 247 ]; then
        say "this systemd is older than 247: it ignores a part of the service's confinement, and says so in the journal"
    fi
    room "$OPT" $ROOM
    sha256sum --check --strict --quiet SHA256SUMS || die "this bundle is damaged; copy it anew"
}

find_python() {
    for name in ${PYTHON:-} python3.12 python3.11 python3; do
        if "$name" -c 'import sys, venv, sqlite3, ssl; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    return 1
}

tag() { "$PYTHON" -c 'import sys; print("cp%d%d" % sys.version_info[:2])'; }

size() { du -cm "$@" | awk 'END {print $1}'; } # FILE...: megabytes

room() { # FOLDER MEGABYTES: whether there is so much free where the folder is or will be
    place=$1
    while [ ! -e "$place" ]; do place=$(dirname "$place"); done
    free=$(df -Pm "$place" | awk 'NR == 2 {print $4}')
    [ "$free" -ge "$2" ] || die "needs $2 MB free in $1, there are $free"
}

# --- installing -------------------------------------------------------------------------------------------------------

install_here() {
    installed=$(current)
    if [ -n "$installed" ] && [ "$installed" != "$RELEASE" ]; then
        die "$installed is installed; sh install.sh --upgrade replaces it"
    fi
    make_account
    install_version
    place_configuration
    place_units "$HERE"
    switch_to "$RELEASE"
    say "$RELEASE is installed"
    [ -n "$installed" ] || what_next
}

current() { [ ! -L $OPT/current ] || readlink $OPT/current; }

make_account() {
    getent passwd xinqiao >/dev/null && return
    useradd --system --user-group --home-dir /var/lib/xinqiao --no-create-home --shell /usr/sbin/nologin xinqiao
    say "made the account xinqiao"
}

install_version() { # into a folder of its own, beside whatever else is there
    if [ -e "$HERE/.complete" ]; then return; fi
    say "installing $RELEASE with $("$PYTHON" --version) in $HERE"
    rm -rf "$HERE"
    mkdir -p "$HERE"
    "$PYTHON" -m venv --without-pip "$HERE"
    set -- "$HERE/bin/python" "$(ls wheels/pip-*.whl)/pip" --isolated --disable-pip-version-check --quiet install \
        --no-index --no-cache-dir --no-deps --root-user-action ignore
    "$@" --find-links wheels --only-binary :all: --require-hashes -r requirements.lock
    "$@" wheels/xinqiao-*.whl
    "$HERE/bin/xinqiao" --version >/dev/null
    cp -R share licences sbom.cdx.json "$HERE/"
    touch "$HERE/.complete"
}

place_configuration() { # only what is not there: nothing of the site's is ever written over
    install -d -m 0750 -o root -g xinqiao $ETC $ETC/secrets
    install -d -m 0700 -o xinqiao -g xinqiao /var/lib/xinqiao $BACKUPS
    for file in config.yaml calendar.yaml; do
        if [ ! -e $ETC/$file ]; then install -m 0640 -o root -g xinqiao "$HERE/share/$file" $ETC/$file; fi
    done
    install -m 0644 "$HERE/share/config.example.yaml" $ETC/config.example.yaml
    if [ ! -e $ETC/secrets/key ] && grep -q "file:$ETC/secrets/key" $ETC/config.yaml; then
        [ ! -e /var/lib/xinqiao/xinqiao.db ] || die "$ETC/secrets/key is missing, and there are data sealed with it: put it back"
        (umask 077 && head -c 32 /dev/urandom | base64 >$ETC/secrets/key)
        chown root:xinqiao $ETC/secrets/key
        chmod 0640 $ETC/secrets/key
        say "made a new sealing key: $ETC/secrets/key"
    fi
}

place_units() { # FOLDER OF A VERSION
    [ -d $UNITS ] || { say "no systemd here: $1/share/xinqiao.service tells what to start" && return; }
    for unit in xinqiao.service xinqiao-backup.service xinqiao-backup.timer; do
        if [ -e $UNITS/$unit ] && ! is_ours $unit; then
            cp $UNITS/$unit $UNITS/$unit.saved
            say "$UNITS/$unit was changed by hand: kept as $unit.saved; changes belong into $UNITS/$unit.d/site.conf"
        fi
        if [ -e "$1/share/$unit" ]; then install -m 0644 "$1/share/$unit" $UNITS/$unit; else rm -f $UNITS/$unit; fi
    done
    if has_systemd; then systemctl daemon-reload; fi
}

is_ours() { # UNIT: whether a version has placed it as it is
    for known in "$OPT"/*/share/"$1"; do
        if cmp -s "$known" "$UNITS/$1"; then return 0; fi
    done
    return 1
}

has_systemd() { [ -d /run/systemd/system ]; }

switch_to() { # VERSION
    ln -sfn "$1" $OPT/.current
    mv -T $OPT/.current $OPT/current
    if [ -L $LINK ] || [ ! -e $LINK ]; then mkdir -p "$(dirname $LINK)" && ln -sfn $OPT/current/bin/xinqiao $LINK; fi
}

what_next() {
    cat <<END

What to do next
  1. Copy $ETC/secrets/key to a safe, apart from the backups. Whoever loses it loses the data.
  2. Add doors and targets to $ETC/config.yaml; $ETC/config.example.yaml explains every key.
     sudo -u xinqiao xinqiao check --connect -c $ETC/config.yaml
  3. systemctl enable --now xinqiao xinqiao-backup.timer
     sudo -u xinqiao xinqiao user add NAME --role operator -c $ETC/config.yaml
  4. Put a reverse proxy with TLS before 127.0.0.1:8650.
  All of it: $OPT/current/share/docs/deployment.md (中文: deployment.zh-CN.md)
END
}

# --- upgrading, and the way back --------------------------------------------------------------------------------------

upgrade() {
    old=$(current)
    [ -n "$old" ] || die "nothing is installed yet; sh install.sh"
    if [ "$old" = "$RELEASE" ]; then
        say "$RELEASE is installed already"
        return
    fi
    install_version
    as_service "$HERE/bin/xinqiao" check -c $ETC/config.yaml || die "$RELEASE does not take the configuration; nothing was changed, $old is in force"
    data=$(data_folder)
    if ! is_shared && [ -e "$data/xinqiao.db" ]; then room "$data" $((2 * $(size "$data"/xinqiao.db*))); fi # the backup, and putting it back
    works=no backup='' started=no before=''
    if is_wanted; then works=yes; fi
    if [ -e $LAST ]; then before=$(cat $LAST); fi
    trap undo EXIT
    trap 'exit 1' HUP INT TERM
    stop
    back_up
    place_configuration
    place_units "$HERE"
    switch_to "$RELEASE"
    if [ $works = yes ]; then
        started=yes
        start || no_start
    fi
    trap - EXIT HUP INT TERM
    # Of a shared database the backup may be another host's.
    if [ -n "$backup" ] && ! is_shared; then find "$data/backups" -mindepth 1 -maxdepth 1 -name 'before-*' ! -path "$backup" -exec rm -rf {} +; fi
    say "$RELEASE is in force; the way back: sh install.sh --rollback"
    [ $works = yes ] || say "it was not started, since $old was not running: systemctl start xinqiao"
}

no_start() {
    say "$RELEASE does not become ready; its last words:" >&2
    journalctl --unit xinqiao --lines 15 --no-pager --output cat >&2 || true
    exit 1
}

undo() { # whatever went wrong after the old version was stopped
    trap - EXIT HUP INT TERM
    if [ "$started" = no ]; then backup=''; fi # nothing has touched the data
    is_shared || stop
    go_back "$old" "$backup"
    if [ -n "$before" ]; then printf '%s\n' "$before" >$LAST; else rm -f $LAST; fi # the way back leads on from here
    start_again "$old" "$works"
    die "$old is in force again, with the data as they were"
}

back_up() { # sets $backup, unless there is nothing to back up; beside the data, where files are linked, not copied
    if is_shared; then
        found=$(tables "$RELEASE") || die "PostgreSQL cannot be asked for its tables"
        [ "$found" != current ] || say "another host has brought the tables up to date: no backup of them is made again"
    elif [ -e "$data/xinqiao.db" ]; then found=older; else found=none; fi
    if [ "$found" = older ]; then
        as_service mkdir -p "$data/backups"
        backup=$data/backups/before-$RELEASE-$(date +%Y%m%dT%H%M%S)
        say "backing up to $backup"
        # It also fails where a file was missing before: then it is made all the same.
        as_service "$HERE/bin/xinqiao" backup -c $ETC/config.yaml --to "$backup" || [ -e "$backup/manifest.json" ]
    fi
    printf '%s\n%s\n' "$old" "$backup" >$LAST
}

roll_back_by_hand() {
    [ -e $LAST ] || die "no upgrade is known that could be undone"
    old=$(sed -n 1p $LAST)
    backup=$(sed -n 2p $LAST)
    [ -e "$OPT/$old/.complete" ] || die "$OPT/$old is gone"
    [ "$old" != "$(current)" ] || die "$old is in force already: nothing was changed, the data are as they are"
    works=no
    if is_wanted; then works=yes; fi
    HERE=$OPT/$(current)
    go_back "$old" "$backup"
    rm $LAST
    start_again "$old" $works
    say "$old is in force again"
}

is_wanted() { # whether it is to run: it does, is being started or started again, or has failed and is enabled
    has_systemd || return 1
    case $(systemctl show xinqiao --property ActiveState --value) in
        inactive | "") return 1 ;;
        failed) systemctl is-enabled --quiet xinqiao ;;
    esac
}

go_back() { # VERSION BACKUP; where that cannot be done, what stands is said
    set +e # before `||` a failure would end nothing further down
    (
        set -e
        roll_back "$1" "$2"
    )
    status=$?
    set -e
    [ $status != 0 ] || return 0
    [ ! -e "$2/manifest.json" ] || say "the data before the upgrade lie in $2; when what hinders is mended: sh install.sh --rollback" >&2
    die "$1 is not in force again: $(current) stays in force and is $(is_at_work && echo running || echo 'not running')"
}

is_at_work() { has_systemd && systemctl is-active --quiet xinqiao; }

roll_back() { # VERSION BACKUP
    data=$(data_folder) brought=no
    if is_shared; then
        expect_tables "$1" "$2"
    elif [ -n "$2" ]; then
        bring_out "$2" # before anything is stopped: this may fail
        brought=yes
    fi
    stop
    if [ $brought = yes ]; then put_back; fi
    place_units "$OPT/$1"
    switch_to "$1"
}

start_again() { # VERSION yes|no: whether it is to run
    if [ "$2" = yes ]; then
        start || die "$1 is in force again, but does not become ready either: journalctl --unit xinqiao"
    else
        say "$1 is not started, since xinqiao was not running: systemctl start xinqiao"
    fi
}

expect_tables() { # VERSION BACKUP: those in PostgreSQL, with which other hosts may be at work, are put back by a person
    found=$(tables "$1") || die "PostgreSQL cannot be asked for its tables: what is in force stays so"
    [ "$found" = newer ] || return 0
    [ -n "$2" ] || set -- "$1" "the backup that was made before the upgrade"
    cat >&2 <<END
xinqiao: the tables in PostgreSQL are newer than $1 knows, and shared: they are not put back by themselves.
To go on with $(basename "$HERE"): systemctl start xinqiao. To go back to $1:
  1. stop xinqiao on every host
  2. make an empty database, name it in $ETC/config.yaml, and restore into it $2
     (deployment.md, "Upgrade", tells how)
  3. sh install.sh --rollback
END
    exit 1
}

bring_out() { # BACKUP: proved and restored, beside the data of now
    [ -e "$1/manifest.json" ] || die "$1 is not there; was it put aside with the data folder, for a restore? Then move it back"
    as_service rm -rf "$data/restored"
    room "$data" "$(size "$1/xinqiao.db")"
    as_service "$HERE/bin/xinqiao" restore -c $ETC/config.yaml --from "$1" --to "$data/restored" && return
    as_service rm -rf "$data/restored"
    die "the backup cannot be restored"
}

put_back() { # what was brought out; the data of now are set aside, not lost
    aside=$data/set-aside-$(date +%Y%m%dT%H%M%S)
    as_service mkdir "$aside"
    for part in xinqiao.db xinqiao.db-wal xinqiao.db-shm blobs; do
        if [ -e "$data/$part" ]; then as_service mv "$data/$part" "$aside/"; fi
    done
    for part in blobs xinqiao.db; do
        if [ -e "$data/restored/$part" ]; then as_service mv "$data/restored/$part" "$data/"; fi
    done
    as_service rmdir "$data/restored"
    say "the data are as they were at the backup; those of now lie in $aside. What came since is fetched again from"
    say "platforms and mailbox; scans of letters since then: move them back from the archive into the scanner's folder"
}

stop() {
    if has_systemd; then systemctl stop xinqiao; fi
}

start() { # whether it says that it works, and still lives a little later
    systemctl reset-failed xinqiao 2>/dev/null || true
    systemctl start xinqiao || return 1
    started=$(systemctl show xinqiao --property NRestarts --value)
    sleep $SETTLED
    systemctl is-active --quiet xinqiao && [ "$(systemctl show xinqiao --property NRestarts --value)" = "$started" ]
}

data_folder() { setting 'print(config.data.folder)'; }

is_shared() { setting 'raise SystemExit(not config.shared)'; }

tables() { # VERSION: whether the tables in PostgreSQL are none, older, current or newer by what it knows
    as_service "$OPT/$1/bin/python" - "$ETC/config.yaml" <<'END'
import pathlib, sys
from ingest.config import load
from store.migrate import TablesNewer, head, heads, refuse_unknown
from store.snapshot import connected

with connected(load(pathlib.Path(sys.argv[1])).database) as conn:
    found = heads(conn)
try:
    refuse_unknown(found, "")
except TablesNewer:
    print("newer")
else:
    print("none" if not found else "current" if found == {head()} else "older")
END
}

setting() { # PYTHON: asks the configuration
    as_service "$HERE/bin/python" -c "import pathlib; from ingest.config import load; config = load(pathlib.Path('$ETC/config.yaml')); $1"
}

as_service() ( # COMMAND...: as the service's account, with the environment its unit gives it
    if [ -e $ETC/environment ]; then
        while IFS= read -r line || [ -n "$line" ]; do
            case $line in
                [A-Za-z_]*=*)
                    value=${line#*=}
                    value=${value#[\"\']}
                    export "${line%%=*}=${value%[\"\']}"
                    ;;
            esac
        done <$ETC/environment
    fi
    cd /
    umask 077
    exec runuser -u xinqiao -- "$@"
)

main "$@"
