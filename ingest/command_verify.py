"""`xinqiao verify`: proves an installation, at work or at rest, just restored or moved."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict

from ingest.cli import UsersMistake, WrongUsage
from ingest.commands import STORE_REFUSES, Progress, load_config
from ingest.verifying.chained import prove_history
from ingest.verifying.finding import Finding, Proof
from ingest.verifying.registered import prove_register
from ingest.verifying.sealed import prove_originals, prove_seals
from store.looking import looked_at

SHOWN = 1000
"""So many findings are named; all are counted."""


def verify(arguments: argparse.Namespace) -> int:
    """Prove history, register, seals and originals; 1 if something is not as it should be."""
    config = load_config(arguments.config)
    expected = _anchor(arguments.anchor)
    shown: list[Finding] = []
    number = 0
    try:
        with looked_at(config.database, config.data.folder, config.sealing.master(), config.bucket) as look:
            proof = Proof(look, Progress())
            for number, one in enumerate(_findings(proof, expected, quick=arguments.no_originals), 1):
                if number <= SHOWN:
                    shown.append(one)
                    _say(one, as_json=arguments.json)
    except STORE_REFUSES as error:
        raise UsersMistake(str(error)) from error
    except OSError as error:
        raise UsersMistake(f"{error.filename}: {error.strerror}") from error
    _sum_up(proof, number, shown, as_json=arguments.json)
    return 1 if number else 0


def _findings(proof: Proof, expected: tuple[int, str] | None, *, quick: bool) -> Iterator[Finding]:
    yield from prove_history(proof, expected)
    yield from prove_register(proof)
    yield from prove_seals(proof)
    if not quick:
        yield from prove_originals(proof)


def _anchor(written: str | None) -> tuple[int, str] | None:
    if written is None:
        return None
    upto, _, mac = written.partition(":")
    if not upto.isdecimal() or not mac:
        raise WrongUsage(f'verify: --anchor: "{written}" is none, expected what verify or the log said before')
    return int(upto), mac


def _say(one: Finding, *, as_json: bool) -> None:
    if not as_json:
        print(f"{one.kind}: {one.what}\n  → {one.advice}", flush=True)


def _sum_up(proof: Proof, number: int, shown: list[Finding], *, as_json: bool) -> None:
    if as_json:
        found = [asdict(one) for one in shown]
        said = {"clean": not number, "count": number, "findings": found, "looked_at": dict(proof.counts)}
        print(json.dumps({**said, "anchor": proof.anchor}, ensure_ascii=False))
        return
    if number > len(shown):
        print(f"and {number - len(shown)} more")
    print(", ".join(f"{count} {what}" for what, count in proof.counts.items()) or "nothing is in it yet")
    if proof.anchor is not None:
        print(f"anchor of the history: {proof.anchor}")
    print(f"{number} finding{'s' if number > 1 else ''}" if number else "everything is as it should be")
