"""`xinqiao user`: accounts and roles of the console."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from typing import Any

from ingest.cli import UsersMistake, WrongUsage
from ingest.commands import Refused, installation, perform
from ingest.config import Config
from ingest.sayings.speech import Speech, padded


def user(arguments: argparse.Namespace) -> int:
    if arguments.action == "list":
        return _list(installation(arguments.config), as_json=arguments.json)
    if arguments.name is None:
        raise WrongUsage(f"user {arguments.action}: expected the account's name")
    asked: dict[str, Any] = {"name": arguments.name}
    if arguments.action in ("add", "role"):
        if arguments.role is None:
            raise WrongUsage(f"user {arguments.action}: expected --role")
        asked["role"] = arguments.role
    config = installation(arguments.config)
    said = Speech(config.service.language)
    if arguments.action in ("add", "password"):
        asked["password"] = _password(said, from_stdin=arguments.password_stdin)
    operation = f"user-{arguments.action}"
    if arguments.action in ("enable", "disable"):
        operation, asked["enabled"] = "user-enable", arguments.action == "enable"
    answer = perform(config, operation, asked)
    print(json.dumps(answer, ensure_ascii=False) if arguments.json else said("user.done", name=answer["name"]))
    return 0


def _list(config: Config | Refused, *, as_json: bool) -> int:
    accounts = perform(config, "user-list", {})["accounts"]
    if as_json:
        print(json.dumps(accounts, ensure_ascii=False))
        return 0
    said = Speech(config.service.language)
    for one in accounts:
        role, disabled = said.code("role", one["role"]), said("user.disabled") if one["disabled"] else ""
        print(f"{padded(one['name'], 24)} {padded(role, 12)} {disabled}".rstrip())
    return 0


def _password(said: Speech, *, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    if not sys.stdin.isatty():
        raise UsersMistake("user: no terminal to ask for the password; use --password-stdin")
    try:
        first, second = getpass.getpass(said("user.password")), getpass.getpass(said("user.again"))
    except EOFError as error:
        raise UsersMistake("user: no password was typed") from error
    if first != second:
        raise UsersMistake("user: the two passwords differ")
    return first
