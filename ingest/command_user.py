"""`xinqiao user`: accounts and roles of the console."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from typing import Any

from ingest.cli import UsersMistake, WrongUsage
from ingest.commands import perform


def user(arguments: argparse.Namespace) -> int:
    if arguments.action == "list":
        return _list(arguments)
    if arguments.name is None:
        raise WrongUsage(f"user {arguments.action}: expected the account's name")
    asked: dict[str, Any] = {"name": arguments.name}
    if arguments.action in ("add", "role"):
        if arguments.role is None:
            raise WrongUsage(f"user {arguments.action}: expected --role")
        asked["role"] = arguments.role
    if arguments.action in ("add", "password"):
        asked["password"] = _password(from_stdin=arguments.password_stdin)
    operation = f"user-{arguments.action}"
    if arguments.action in ("enable", "disable"):
        operation, asked["enabled"] = "user-enable", arguments.action == "enable"
    answer = perform(arguments.config, operation, asked)
    print(json.dumps(answer, ensure_ascii=False) if arguments.json else f"account {answer['name']}: done")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    accounts = perform(arguments.config, "user-list", {})["accounts"]
    if arguments.json:
        print(json.dumps(accounts, ensure_ascii=False))
        return 0
    for one in accounts:
        print(f"{one['name']:24} {one['role']:12} {'disabled' if one['disabled'] else ''}".rstrip())
    return 0


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    if not sys.stdin.isatty():
        raise UsersMistake("user: no terminal to ask for the password; use --password-stdin")
    first, second = getpass.getpass("password: "), getpass.getpass("again: ")
    if first != second:
        raise UsersMistake("user: the two passwords differ")
    return first
