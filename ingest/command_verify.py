"""`xinqiao verify`: proves an installation, at work or at rest, just restored or moved."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial

from ingest.cli import UsersMistake, WrongUsage
from ingest.commands import STORE_REFUSES, Progress, in_a_line, load_config
from ingest.sayings.speech import Speech
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
    expected, said = _anchor(arguments.anchor), Speech(config.service.language)
    shown: list[Finding] = []
    number = 0
    try:
        with looked_at(config.database, config.data.folder, config.sealing.master(), config.bucket) as look:
            proof = Proof(look, partial(_tell, said, Progress()))
            for number, one in enumerate(_findings(proof, expected, quick=arguments.no_originals), 1):
                if number <= SHOWN:
                    shown.append(one)
                    if not arguments.json:
                        print(_told(one, said), flush=True)
    except STORE_REFUSES as error:
        raise UsersMistake(str(error)) from error
    except OSError as error:
        raise UsersMistake(in_a_line(error, config.data.folder)) from error
    print(_as_json(proof, number, shown) if arguments.json else "\n".join(_summed_up(proof, number, said)))
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


def _tell(said: Speech, progress: Progress, what: str, count: int) -> None:
    progress(said("verify.progress", what=said.code("proved", what), count=count))


def _told(one: Finding, said: Speech) -> str:
    kind = said.code("finding", one.kind)
    return said("verify.finding", kind=kind, what=said.again(one.what), advice=said.again(one.advice))


def _as_json(proof: Proof, number: int, shown: list[Finding]) -> str:
    found = [asdict(one) for one in shown]
    said = {"clean": not number, "count": number, "findings": found, "looked_at": dict(proof.counts)}
    return json.dumps({**said, "anchor": proof.anchor}, ensure_ascii=False)


def _summed_up(proof: Proof, number: int, said: Speech) -> Iterator[str]:
    if number > SHOWN:
        yield said("verify.more", count=number - SHOWN)
    yield said.counted("proved", proof.counts) if proof.counts else said("verify.nothing")
    if proof.anchor is not None:
        yield said("verify.anchor", anchor=proof.anchor)
    amiss = "verify.amiss" if number > 1 else "verify.amiss_one"
    yield said(amiss, count=number) if number else said("verify.clean")
