"""One task: whether the servers of its terms are up to date and can act, and whether its content can be read."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import partial
from typing import Final

from protocol.identifiers import Address, to_hex
from protocol.messages.chain import TaskPosted
from protocol.task.documents import Kind
from protocol.task.objects import TaskObject, objects_of
from scripts.doctor.account import WEI
from scripts.doctor.chain import provider_of
from scripts.doctor.servers import Answer
from scripts.doctor.subject import Subject
from scripts.doctor.verdict import Finding, Grade, Verdict, examined, fail, ok, skipped, warn
from storage.content.interface import ContentError, StoreUnavailableError, get_document
from storage.content.pinning import open_pins
from storage.http import shown_url
from storage.ledger.ethereum.reader import EthereumReader
from storage.task_reader import TaskReader

FEW_BLOCKS: Final = 5  # that a server may be behind when it is asked
TIMEOUT_SECONDS: Final = 10.0
_AWAY: Final = "look at the chain's line first"


def task_findings(subject: Subject, answers: list[Answer]) -> Iterator[Finding]:
    """``answers``: of the servers that were asked who they are."""
    if subject.rpc_url is None or subject.ledger is None:
        missing = "--rpc-url" if subject.rpc_url is None else "--ledger"
        yield Finding("servers", skipped(f"no {missing}: nothing to hold servers against"))
        return
    ledger = subject.ledger
    with provider_of(subject.rpc_url) as provider:
        reader = EthereumReader(provider, ledger.ledger, chain_id=ledger.chain_id, first_block=ledger.first_block)
        for answer in answers:
            yield examined("chain lag", partial(lag, answer, reader), _AWAY)
        if subject.task is None:
            for answer in answers:
                yield examined("its coin", partial(coin, answer, reader), _AWAY)
            yield Finding("task", skipped("no --task"))
            return
        found = list[TaskPosted]()
        yield examined(
            "task", partial(posted, subject.task, reader, found), "is it the number of a task of this ledger?"
        )
        for of in found:
            yield from _of_task(of, subject, reader, answers)


def lag(answer: Answer, reader: EthereumReader) -> Verdict:
    who, block = shown_url(answer.url), answer.identity.get("block")
    if not isinstance(block, int):
        return skipped(f"{who} does not say which block it has read")
    behind = reader.block_number() - block
    said = f"{who} has read block {block:,}, {max(0, behind):,} before the last"
    return ok(said) if behind <= FEW_BLOCKS else warn(said, "ask again; if it stays behind, look at its endpoint")


def coin(answer: Answer, reader: EthereumReader) -> Verdict:
    address = answer.identity.get("address")
    if not isinstance(address, str):
        return skipped(f"{shown_url(answer.url)} names no account")
    return _balance(address, reader.balance(bytes.fromhex(address.removeprefix("0x"))))


def posted(task: int, reader: EthereumReader, found: list[TaskPosted]) -> Verdict:
    found += [event for event in reader.events(task) if isinstance(event, TaskPosted)][:1]
    if not found:
        return fail(f"no task {task} on this ledger", "name another number with --task")
    terms = found[0].terms
    servers, authorities = len(terms.edge_servers), len(terms.authorities)
    return ok(f"task {task}: {servers} edge servers, {terms.threshold} of {authorities} authorities")


def member(
    address: Address, role: str, bond: int, of: TaskPosted, reader: EthereumReader, named: Mapping[str, str]
) -> Verdict:
    """One account of the terms. ``named``: URLs by the address that answered there."""
    who = to_hex(address)
    where = named.get(who)
    said = f"{role} {who} {f'at {where}' if where else 'was not asked'}"
    if bond and not reader.bond(of.task, address).placed:
        return warn(f"{said}: its bond of {bond} is not placed", f"hearth bond place --task {of.task} --holder {who}")
    coin = _balance(who, reader.balance(address))
    if coin.grade is not Grade.OK:
        return coin
    return ok(f"{said}; bond {bond}, {coin.said}") if where else skipped(f"{said}; name its URL")


def _of_task(of: TaskPosted, subject: Subject, reader: EthereumReader, answers: list[Answer]) -> Iterator[Finding]:
    terms = of.terms
    named = {str(answer.identity.get("address")): shown_url(answer.url) for answer in answers}
    for address in terms.edge_servers:
        yield examined("its server", partial(member, address, "edge server", terms.edge_bond, of, reader, named), _AWAY)
    for address in terms.authorities:
        check = partial(member, address, "authority", terms.authority_bond, of, reader, named)
        yield examined("its authority", check, _AWAY)
    if subject.store is None:
        yield Finding("content", skipped("no --store"))
        return
    stores, objects = (subject.store, *subject.pins), list[TaskObject]()
    yield examined("content", partial(listed, of.task, subject, reader, objects), "look at the store's line first")
    for place in stores:
        yield examined("read back", partial(read_back, place, objects), "is it running there?")
    if len(stores) < 2:
        yield Finding("copies", warn("the task's content is in one store alone", "start its server with --pin-url"))


def listed(task: int, subject: Subject, reader: EthereumReader, objects: list[TaskObject]) -> Verdict:
    """``objects`` gets those of the task that are to be read back."""
    assert subject.store is not None
    known = TaskReader(open_pins(subject.store, TIMEOUT_SECONDS), task, list(Kind))
    known.follow(reader.events(task))
    known.fetch(0)
    found = sorted({wanted.digest: wanted for wanted in objects_of(known.state)}.values(), key=lambda one: one.digest)
    chosen = random.Random(subject.seed).sample(found, min(subject.sample, len(found)))  # noqa: S311
    objects += chosen
    return ok(f"{len(found)} objects of the task, {len(chosen)} of them chosen by the seed {subject.seed}")


def read_back(place: str, objects: list[TaskObject]) -> Verdict:
    """Whole, and held against its digest; whatever the store says of its pins."""
    store, lacking = open_pins(place, TIMEOUT_SECONDS), list[TaskObject]()
    shown = shown_url(place) if "://" in place else place
    for wanted in objects:
        try:
            get_document(store, wanted.digest, wanted.max_bytes, wanted.chunk_bytes)
        except StoreUnavailableError:
            raise
        except ContentError:
            lacking.append(wanted)
    if lacking:
        first = lacking[0]
        what = f"the first is a {first.what}, {to_hex(first.digest)}"
        said = f"{shown}: {len(lacking)} of {len(objects)} cannot be read, {what}"
        return fail(said, "its server copies what is missing; what is nowhere, somebody who has it must put back")
    return ok(f"{shown}: {len(objects)} of {len(objects)} were read back")


def _balance(who: str, wei: int) -> Verdict:
    if not wei:
        return warn(f"{who} has no coin", "send it some: it has transactions to send")
    return ok(f"{who} has {Decimal(wei) / WEI:f} coins")
