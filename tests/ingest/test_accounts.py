"""Passwords as they are kept."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from ingest import accounts, commands
from ingest.accounts import AccountRefused, Role
from tests.ingest.desk import open_desk


def test_nobodys_hash_refuses_every_password_at_todays_price() -> None:
    hashed = accounts.nobodys_hash()

    assert not accounts.verify_password(hashed, "whatever it may be")
    assert not accounts.needs_rehash(hashed)
    assert hashed != accounts.nobodys_hash()


@pytest.mark.parametrize("name", ["xinqiao", "XINQIAO", "source", "anonymous"])
def test_nobody_is_called_what_the_record_calls_the_program(tmp_path: Path, name: str) -> None:
    hashed = accounts.nobodys_hash()
    with open_desk(tmp_path) as desk, pytest.raises(AccountRefused, match="the record means something else by it"):
        desk.write(lambda conn: accounts.add_account(conn, name, Role.CLERK, hashed, by="x", now=desk.now))


def test_a_command_is_put_down_to_who_logged_in_whatever_account_he_works_as(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login, us = tmp_path / "loginuid", pwd.getpwuid(os.getuid()).pw_name
    monkeypatch.setattr(commands, "LOGIN", login)
    monkeypatch.setenv("LOGNAME", "somebody-else")
    monkeypatch.delenv("SUDO_USER", raising=False)
    plain = commands.asker()
    monkeypatch.setenv("SUDO_USER", "wang")
    by_sudo = commands.asker()
    login.write_text(f"{commands.NOBODY_LOGGED_IN}")
    not_kept = commands.asker()
    login.write_text(f"{pwd.getpwnam('daemon').pw_uid}")

    assert (plain, by_sudo, not_kept) == (f"{us}@command", "wang@command", "wang@command")
    assert commands.asker() == "daemon@command"
