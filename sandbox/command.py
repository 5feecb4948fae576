"""The command `xinqiao sandbox`: reads the options, starts the stand-ins, and with --run the daemon, until Ctrl-C."""

from __future__ import annotations

import argparse
import sys
from argparse import ArgumentParser, Namespace
from datetime import timedelta
from pathlib import Path

from sandbox.faults import Fault, parse_faults
from sandbox.options import OWN_APIS, PORTS, STANDINS, Options, chosen, numbers

_EXAMPLE = """examples:
  xinqiao sandbox --run                     everything, with the daemon: open the printed addresses
  xinqiao sandbox --faults oa=500@0.3       only the stand-ins; the OA fails three times in ten
  xinqiao sandbox --rate 0 --preload sunshine=100,hotline=100 --revise 0.3 --data /tmp/trial
  xinqiao sandbox --only oa --ports oa=9000
  xinqiao sandbox --only ecology,seeyon     OAs with an interface of their own (docs/targets)"""


def add_command(subparsers: argparse._SubParsersAction[ArgumentParser]) -> None:
    """Add `sandbox` to the command line; its `func` takes the parsed arguments and answers the exit code."""
    parser = subparsers.add_parser(
        "sandbox",
        help="start stand-ins with invented data to try xinqiao against",
        description="Starts stand-ins (petition platform, hotline, mailbox, scans, OA inbox) with invented data.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("-c", "--config", type=Path, default=Path("config.yaml"), help="configuration for --run (%(default)s)")
    add("--run", action="store_true", help="also start the daemon, with secrets and demo accounts made for it")
    add("--data", type=Path, default=Path("sandbox-data"), help="where the sandbox keeps its things (%(default)s)")
    add("--rate", type=float, default=10, metavar="SECONDS", help="one act so often; 0: none (%(default)s)")
    add("--seed", type=int, default=1, help="which invented city (%(default)s)")
    add(
        "--faults",
        default="",
        metavar="STANDIN=FAULT[@SHARE],…",
        help=" ".join(fault for fault in Fault if fault is not Fault.NONE),
    )
    add("--ports", default="", metavar="NAME=PORT,…", help=f"0: any free one; names: {', '.join(PORTS)}")
    add(
        "--only",
        default=",".join(STANDINS),
        metavar="STANDIN,…",
        help=f"start only these (%(default)s); as well: {', '.join(OWN_APIS)}",
    )
    add("--preload", default="", metavar="DOOR=NUMBER,…", help="so many matters are there from the start")
    add("--revise", type=float, default=0, metavar="SHARE", help="this share of the preloaded changes afterwards")
    add("--revise-after", type=float, default=5, metavar="SECONDS", help="when (%(default)s)")
    parser.set_defaults(func=run)


def run(arguments: Namespace) -> int:
    """Until Ctrl-C or SIGTERM (0); 1 with one line on what failed; 2 for an option that makes no sense."""
    try:
        options = _options(arguments)
    except ValueError as error:
        return _fail(str(error), 2)
    try:
        # Here, not above: the command must be able to say which package is missing.
        from sandbox.performance import perform  # noqa: PLC0415
    except ModuleNotFoundError as error:
        return _fail(f"the package {error.name} is missing: pip install 'xinqiao[sandbox]'", 1)
    return perform(options)


def _options(arguments: Namespace) -> Options:
    if arguments.rate < 0 or not 0 <= arguments.revise <= 1:
        raise ValueError("--rate must not be negative, --revise lies between 0 and 1")
    return Options(
        data=arguments.data,
        config=arguments.config,
        run=arguments.run,
        seed=arguments.seed,
        rate=timedelta(seconds=arguments.rate),
        ports={**PORTS, **numbers(arguments.ports, "--ports", tuple(PORTS))},
        only=chosen(arguments.only),
        preload=numbers(arguments.preload, "--preload", STANDINS[:4]),
        revise=arguments.revise,
        revise_after=timedelta(seconds=arguments.revise_after),
        faults=tuple(parse_faults(arguments.faults)),
    )


def _fail(message: str, code: int) -> int:
    print(f"xinqiao sandbox: {message}", file=sys.stderr)
    return code
