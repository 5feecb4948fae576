"""Accounts and roles of the console."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ingest import accounts
from ingest.accounts import Role
from ingest.office import Office
from ingest.operations.terms import Answer, plain


async def user_add(office: Office, arguments: Mapping[str, Any], actor: str) -> Answer:
    name, role = arguments["name"], Role(arguments["role"])
    hashed = await asyncio.to_thread(accounts.hash_password, name, arguments["password"])
    now = office.clock()
    made = await office.store.write(lambda conn: accounts.add_account(conn, name, role, hashed, by=actor, now=now))
    return {"name": made.name, "role": made.role}


async def user_list(office: Office, _arguments: Mapping[str, Any], _actor: str) -> Answer:
    return {"accounts": plain(await office.store.read(accounts.list_accounts))}


async def user_password(office: Office, arguments: Mapping[str, Any], actor: str) -> Answer:
    name = arguments["name"]
    hashed = await asyncio.to_thread(accounts.hash_password, name, arguments["password"])
    now = office.clock()
    await office.store.write(lambda conn: accounts.set_password(conn, name, hashed, by=actor, now=now))
    return {"name": name}


async def user_role(office: Office, arguments: Mapping[str, Any], actor: str) -> Answer:
    name, role, now = arguments["name"], Role(arguments["role"]), office.clock()
    await office.store.write(lambda conn: accounts.set_role(conn, name, role, by=actor, now=now))
    return {"name": name, "role": role}


async def user_enable(office: Office, arguments: Mapping[str, Any], actor: str) -> Answer:
    name, now = arguments["name"], office.clock()
    change = accounts.enable_account if arguments["enabled"] else accounts.disable_account
    await office.store.write(lambda conn: change(conn, name, by=actor, now=now))
    return {"name": name, "enabled": arguments["enabled"]}
