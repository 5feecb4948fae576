"""The xinqiao command: what each subcommand takes; what it does stands in modules of its own."""

from __future__ import annotations

import argparse
import errno
import gc
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import entry_points, version
from pathlib import Path

DESCRIPTION = "信桥: brings every citizen's petition from four doors into the OA, once, in one shape, in time."
Command = Callable[[argparse.Namespace], int]
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
LARGEST = 2**63 - 1
"""That a number in the database can be."""


class UsersMistake(Exception):
    """Something the person at the keyboard can put right; said in a line, without a traceback."""

    status = 1
    said = False
    """Whether it is in the language of who reads it already."""


class WrongUsage(UsersMistake):
    """The command line itself makes no sense."""

    status = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit status: 0 done, 1 a finding or failure, 2 wrong usage."""
    parsed = build_parser().parse_args(arguments)
    try:
        status: int = parsed.func(parsed)
        sys.stdout.flush()
    except UsersMistake as error:
        return _failed(error, parsed)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _leave_unsaid(ends=arguments is None)
        return 141
    except OSError as error:
        if error.filename is not None or error.errno not in NO_ROOM:
            raise
        _leave_unsaid(ends=arguments is None)
        return _failed(UsersMistake(f"the output cannot be written: {error.strerror}"), parsed)
    finally:
        if arguments is None:  # the process ends: what it leaves behind need not be looked through first
            gc.freeze()
    return status


def _failed(error: UsersMistake, parsed: argparse.Namespace) -> int:
    print("\n".join(f"xinqiao: {line}" for line in _lines(error, parsed)), file=sys.stderr)
    return error.status


def _leave_unsaid(*, ends: bool) -> None:
    """What could not be written is not tried again as the interpreter ends, which would say so in its own words."""
    if ends:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _lines(error: UsersMistake, parsed: argparse.Namespace) -> list[str]:
    """In the installation's language, as far as that can be told."""
    lines = str(error).splitlines()
    if error.said:
        return lines
    from ingest.sayings.problems import language_at  # noqa: PLC0415 - only who errs waits for them
    from ingest.sayings.rewording import rewording  # noqa: PLC0415

    return list(map(rewording(language_at(getattr(parsed, "config", None))), lines))


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="xinqiao", description=DESCRIPTION, epilog="Each command has its own --help, with an example."
    )
    parser.add_argument("--version", action="version", version=f"xinqiao {version('xinqiao')}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _run(commands)
    _check(commands)
    _try(commands)
    _read(commands)
    _status(commands)
    _replay(commands)
    _reconcile(commands)
    _correct(commands)
    _quarantine(commands)
    _pause(commands)
    _sheet(commands)
    _schema(commands)
    _user(commands)
    _move(commands)
    _backup(commands)
    _restore(commands)
    _verify(commands)
    for plug_in in entry_points(group="xinqiao.commands"):
        plug_in.load()(commands)
    return parser


Commands = argparse._SubParsersAction


def _add(
    commands: Commands[argparse.ArgumentParser],
    name: str,
    does: str,
    example: str,
    function: str,
    *,
    config: bool = True,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=does,
        description=does[0].upper() + does[1:] + ".",
        epilog=f"Example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if config:
        parser.add_argument(
            "-c", "--config", type=Path, default=Path("config.yaml"), metavar="FILE", help="default: ./config.yaml"
        )
    parser.set_defaults(func=_late(function))
    return parser


def _late(function: str) -> Command:
    """`module:function`, imported when the command runs: `schema` need not load an IMAP library."""

    def run(parsed: argparse.Namespace) -> int:
        module, _, name = function.partition(":")
        with _none_collected():
            command: Command = getattr(import_module(module), name)
        return command(parsed)

    return run


@contextmanager
def _none_collected() -> Iterator[None]:
    """What is loaded stays: looking through it for garbage again and again is a tenth of the time it takes."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _count(written: str) -> int:
    if not written.isdecimal() or len(written) > len(str(LARGEST)) or not 1 <= int(written) <= LARGEST:
        raise argparse.ArgumentTypeError(f'"{written}" is no number that can be, expected 1 to {LARGEST}')
    return int(written)


_CHANGES = "a field and what to write into it; nothing after = empties it, @FILE reads it from a file"


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")


def _run(commands: Commands[argparse.ArgumentParser]) -> None:
    example = "xinqiao run -c /etc/xinqiao/config.yaml\n  xinqiao run --stages read,probes"
    parser = _add(commands, "run", "run the daemon until SIGTERM", example, "ingest.command_run:run")
    parser.add_argument(
        "--stages",
        metavar="LIST",
        help="only these, comma-separated: poll,read,dispatch,keep,console,probes (default: all);"
        " probes: /healthz, /readyz and /metrics, which console has already",
    )


def _check(commands: Commands[argparse.ArgumentParser]) -> None:
    does = "validate the configuration, every error at once with its place"
    parser = _add(commands, "check", does, "xinqiao check --connect", "ingest.command_check:check")
    parser.add_argument("--connect", action="store_true", help="then try each door, target, sink, and the store")
    parser.add_argument("--tell", action="store_true", help="the same, and send each sink of alarms a test message")
    _json(parser)


def _try(commands: Commands[argparse.ArgumentParser]) -> None:
    does = "poll a channel once without storing or acknowledging anything; print its cases as JSON lines"
    parser = _add(commands, "try", does, "xinqiao try sunshine --limit 3", "ingest.command_try:try_channel")
    parser.add_argument("channel", metavar="CHANNEL", help="its name in the configuration")
    parser.add_argument("--limit", type=_count, default=10, metavar="N", help="stop after so many cases (default: 10)")
    parser.add_argument("--since", metavar="TIME", help="from when on, such as 2026-03-01 (default: the channel's own)")


def _read(commands: Commands[argparse.ArgumentParser]) -> None:
    does = "read files as the daemon would; print one JSON line for each case in them"
    example = (
        "xinqiao read --kind mailbox letter-to-the-director.eml\n  xinqiao read --kind letter scan-0001.tif\n"
        "  xinqiao read --kind feed --channel sunshine exported.xlsx"
    )
    parser = _add(commands, "read", does, example, "ingest.command_read:read_files")
    parser.add_argument(
        "--kind", required=True, choices=("mailbox", "letter", "feed"), help="feed: records as JSON, XML or .xlsx"
    )
    parser.add_argument("--channel", metavar="NAME", help="whose field map reads the records (for --kind feed)")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.set_defaults(config=None)  # mails and scans are read by the built-in rules where there is no file


def _status(commands: Commands[argparse.ArgumentParser]) -> None:
    does = "show doors, counts by stage, what waits, quarantine, deliveries, deadlines"
    _json(_add(commands, "status", does, "xinqiao status --json", "ingest.command_status:status"))


def _replay(commands: Commands[argparse.ArgumentParser]) -> None:
    does = "read again (an event follows only a change), send again (same id, same bytes), skip what was rejected"
    example = (
        "xinqiao replay --quarantine --dry-run\n"
        "  xinqiao replay --read --case 2026-000123\n"
        "  xinqiao replay --send --dead --target oa\n"
        "  xinqiao replay --skip --case 2026-000123 --target oa\n"
        "  xinqiao replay --send --target old-oa --to oa\n"
        "  xinqiao replay --arrived --case 2026-000123 --target ecology --receiver-id 8888"
    )
    parser = _add(commands, "replay", does, example, "ingest.command_replay:replay")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--quarantine", action="store_true", help="read again what was kept aside (of --case, --since)")
    what.add_argument("--read", action="store_true", help="read again: with --case or --since")
    what.add_argument("--send", action="store_true", help="send again: with --case, --since, --dead or --target")
    what.add_argument(
        "--skip",
        action="store_true",
        help="go on without the event the target rejected: with --case and --target; without what is owed to a target "
        "that left the configuration: with --target",
    )
    what.add_argument(
        "--arrived",
        action="store_true",
        help="what may have arrived has: with --case and --target, and --receiver-id if known",
    )
    parser.add_argument("--case", metavar="ID", help="case_id or case number")
    parser.add_argument("--since", metavar="TIME", help="taken in, or created, since: 2026-03-01 or 2026-03-01T08:00")
    parser.add_argument("--until", metavar="TIME", help="of these, only what was taken in, or created, before")
    parser.add_argument(
        "--target",
        metavar="NAME",
        help="only to this target; if it was paused it is resumed; without --case or --since only what it rejected and "
        "what waits for another attempt later",
    )
    parser.add_argument(
        "--to", metavar="NAME", help="what is owed to a --target that left the configuration goes to this one instead"
    )
    parser.add_argument("--dead", action="store_true", help="only what the target rejected")
    parser.add_argument("--unknown", action="store_true", help="only what may have arrived, but has not: you looked")
    parser.add_argument(
        "--rate",
        type=float,
        metavar="N",
        help="so many a second (50; scans a fiftieth, a target with a rate half of it), so that new ones need not wait",
    )
    parser.add_argument("--receiver-id", metavar="NUMBER", help="the receiver's own number of what has arrived")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, do nothing")
    _json(parser)


def _reconcile(commands: Commands[argparse.ArgumentParser]) -> None:
    does = "compare what the targets should have with what they say they have; 1 if something is amiss"
    example = "xinqiao reconcile --since 2026-03-01\n  xinqiao reconcile --target oa --send"
    parser = _add(commands, "reconcile", does, example, "ingest.command_reconcile:reconcile")
    parser.add_argument("--target", metavar="NAME", help="only this one; without it, all with a holdings block")
    parser.add_argument("--since", metavar="TIME", help="only cases that changed since: 2026-03-01 or 2026-03-01T08:00")
    parser.add_argument("--send", action="store_true", help="send again what they took and do not have")
    _json(parser)


def _correct(commands: Commands[argparse.ArgumentParser]) -> None:
    does = "correct fields of a case: the next revision, and an event; the original stays"
    example = (
        "xinqiao correct 2026-000123 title=课后服务收费 request_type=complaint topics=fees,after_school\n"
        "  xinqiao correct 2026-000123 name=王秀兰 phones=13800001234,0519-81234567 content=@letter.txt\n"
        "  xinqiao correct 2026-000123 --undo title"
    )
    parser = _add(commands, "correct", does, example, "ingest.command_correct:correct")
    parser.add_argument("case", metavar="CASE", help="case_id or case number")
    parser.add_argument("changes", nargs="*", metavar="FIELD=VALUE", help=_CHANGES)
    parser.add_argument("--undo", metavar="FIELD", help="take back the last correction of this field")
    parser.add_argument("--revision", type=_count, metavar="N", help="only if this is still the case's last revision")
    _json(parser)


def _quarantine(commands: Commands[argparse.ArgumentParser]) -> None:
    does = "what could not be read, or opened no case: list it, read it again, register it by hand, lay it aside"
    example = (
        "xinqiao quarantine list --channel letters\n"
        "  xinqiao quarantine read 4711\n"
        "  xinqiao quarantine register 4711 title=反映收费问题 name=王秀兰 content=@typed.txt\n"
        '  xinqiao quarantine dismiss 4711 --reason other --note "a greeting card"'
    )
    parser = _add(commands, "quarantine", does, example, "ingest.command_quarantine:quarantine")
    parser.add_argument("action", choices=("list", "read", "register", "dismiss"))
    parser.add_argument("item", nargs="?", type=_count, metavar="ITEM", help="its number in the list")
    parser.add_argument("fields", nargs="*", metavar="FIELD=VALUE", help=_CHANGES)
    parser.add_argument("--channel", metavar="NAME", help="list: only of this channel")
    parser.add_argument("--kind", choices=("mail", "record", "letter"), help="list: only of this kind")
    parser.add_argument("--since", metavar="TIME", help="list: taken in since: 2026-03-01 or 2026-03-01T08:00")
    parser.add_argument("--until", metavar="TIME", help="list: taken in before")
    parser.add_argument("--before", type=_count, metavar="ITEM", help="list: the page after this item")
    states = parser.add_mutually_exclusive_group()
    states.add_argument(
        "--dismissed", dest="state", action="store_const", const="dismissed", help="list: what was laid aside"
    )
    states.add_argument(
        "--auto",
        dest="state",
        action="store_const",
        const="auto",
        help="list: mails taken for automatic ones, which opened no case",
    )
    parser.add_argument("--more", action="store_true", help="register: the original holds further matters")
    parser.add_argument(
        "--reason", choices=("duplicate", "advertisement", "internal", "test", "empty", "other"), help="dismiss: why"
    )
    parser.add_argument("--note", metavar="TEXT", help="dismiss: what else there is to say; kept sealed")
    _json(parser)


def _pause(commands: Commands[argparse.ArgumentParser]) -> None:
    words = {
        "pause": "leave a door's source alone, or send a target nothing, until it is resumed; nothing is lost",
        "resume": "poll a paused door again from where it was left, or send a paused target what waits",
    }
    for name, does in words.items():
        example = f'xinqiao {name} door hotline --reason "the platform is being moved"\n  xinqiao {name} target oa'
        example += ' --reason "workflow upgrade tonight"' if name == "pause" else ""
        parser = _add(commands, name, does, example, "ingest.command_pause:pause")
        parser.add_argument("what", choices=("door", "target"))
        parser.add_argument("name", metavar="NAME", help="the channel's or target's name in the configuration")
        parser.add_argument("--reason", required=name == "pause", help="shown to whoever finds it so")
        parser.set_defaults(act=name)
        _json(parser)


def _sheet(commands: Commands[argparse.ArgumentParser]) -> None:
    does = "write the sheet that puts a case before the leader (呈阅单) as a PDF of one page; it is noted as a view"
    example = "xinqiao sheet 2026-000123 --to sheet.pdf\n  xinqiao sheet 2026-000123 --assignment --to assignment.pdf"
    parser = _add(commands, "sheet", does, example, "ingest.command_sheet:sheet")
    parser.add_argument("case", metavar="CASE", help="case_id or case number")
    parser.add_argument("--to", required=True, type=Path, metavar="FILE", help="the PDF; only its owner may read it")
    parser.add_argument("--assignment", action="store_true", help="the one that hands the case to a unit (交办单)")
    parser.add_argument("--restricted", action="store_true", help="who reads it may see restricted cases")


def _schema(commands: Commands[argparse.ArgumentParser]) -> None:
    does = "print the JSON Schema of the webhook's payloads (draft 2020-12)"
    _add(commands, "schema", does, "xinqiao schema > xinqiao.schema.json", "ingest.command_schema:schema", config=False)


def _move(commands: Commands[argparse.ArgumentParser]) -> None:
    does = "carry an embedded installation over to PostgreSQL, proved row by row; stop the daemon first"
    address = "'postgresql+psycopg://xinqiao:${PG_PASSWORD}@db.example/xinqiao'"
    example = (
        f"xinqiao move --to {address} --dry-run\n"
        f"  xinqiao move --to {address} --blobs /mnt/share/xinqiao\n"
        "  xinqiao move --to config.new.yaml"
    )
    parser = _add(commands, "move", does, example, "ingest.command_move:move")
    parser.add_argument(
        "--to", required=True, metavar="DSN|FILE",
        help="address of an empty PostgreSQL database, or the configuration to be in force afterwards (database, "
        "data.folder, blobs)",
    )  # fmt: skip
    parser.add_argument(
        "--blobs", metavar="FOLDER", help="another data folder, on a share, for the large originals (default: the same)"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, do nothing")
    _json(parser)


def _user(commands: Commands[argparse.ArgumentParser]) -> None:
    does = "accounts and roles of the console"
    example = "xinqiao user add wang --role clerk\n  xinqiao user list"
    parser = _add(commands, "user", does, example, "ingest.command_user:user")
    parser.add_argument("action", choices=("add", "list", "password", "role", "disable", "enable"))
    parser.add_argument("name", nargs="?", help="the account")
    parser.add_argument("--role", choices=("operator", "clerk", "discipline", "leader", "auditor"))
    parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    _json(parser)


def _backup(commands: Commands[argparse.ArgumentParser]) -> None:
    does = "make a backup, the daemon at work or not; everything but the sealing key"
    example = "xinqiao backup --to /backup/xinqiao-2026-03-02\n  xinqiao backup --to /backup/xinqiao-2026-03-02.tar"
    parser = _add(commands, "backup", does, example, "ingest.command_backup:make_backup")
    parser.add_argument(
        "--to",
        required=True,
        type=Path,
        metavar="FILE|FOLDER",
        help="what is to be made, and is not there yet: a folder, or one file if it is called .tar",
    )
    parser.add_argument(
        "--no-originals",
        action="store_true",
        help="without the large originals: where a bucket or share keeps them safe by its own means",
    )
    _json(parser)


def _restore(commands: Commands[argparse.ArgumentParser]) -> None:
    does = "bring a backup back into an empty folder: proved whole, opened with the key, counted"
    example = "xinqiao restore --from /backup/xinqiao-2026-03-02 --to /var/lib/xinqiao"
    parser = _add(commands, "restore", does, example, "ingest.command_backup:restore_backup")
    parser.add_argument("--from", dest="backup", required=True, type=Path, metavar="BACKUP", help="file or folder")
    parser.add_argument("--to", required=True, type=Path, metavar="FOLDER", help="a new or an empty data folder")
    _json(parser)


def _verify(commands: Commands[argparse.ArgumentParser]) -> None:
    does = "prove history, case numbers, seals and originals, the daemon at work or not; 1 if something is amiss"
    example = "xinqiao verify\n  xinqiao verify --json --anchor 4711:5f0c…"
    parser = _add(commands, "verify", does, example, "ingest.command_verify:verify")
    parser.add_argument("--no-originals", action="store_true", help="without opening every original and attachment")
    parser.add_argument(
        "--anchor", metavar="ANCHOR", help="what it or the log said before: nothing up to there may have been cut off"
    )
    _json(parser)
