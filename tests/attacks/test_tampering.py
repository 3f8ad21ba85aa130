"""Whatever is changed, in an object or in an answer of the chain, the audit names the check that notices."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from protocol.audit.audit import audit_task
from protocol.audit.report import CHECKS, Status
from protocol.canonical import decode, encode
from protocol.content.cid import CHUNK_BYTES, Cid
from protocol.identifiers import Digest, sha256
from protocol.messages.chain import (
    BatchCommitted,
    DirectCommitted,
    Enrolled,
    KeyRequested,
    RoundOpened,
    RoundPublished,
)
from protocol.messages.settlement import RoundRecord
from protocol.messages.submission import CommitmentBatch
from protocol.task.documents import Lack
from scripts.commands.auditor import run_audit
from storage.content.interface import get_document
from storage.content.memory import MemoryStore
from storage.evidence import fetch_from, published_codes, read_evidence, read_state
from storage.ledger.ethereum.reader import EthereumReader
from tests.attacks.noticing import NOTICED, check_every_field, failed
from tests.attacks.tampering import Audited, Told, audited_task, changes
from tests.played_conduct import Conduct
from tests.played_task import Player
from tests.tiny_task import funded_ledger
from tests.unit.storage.ledger.node import node


@pytest.fixture(scope="module")
def audited() -> Iterator[Audited]:
    player = Player(funded_ledger("tampering"), rounds=2, authorities=4)
    player.play(1, Conduct(direct=(0,), lying=(2,)))
    player.claim(0, 1, 2, 3, 4)
    player.play(2, Conduct(direct=(1,), leaving=(4,), malformed=(3,)))
    player.claim(0, 1)  # so that the contract still owes something
    player.refund()
    with audited_task(player) as made:
        assert {line.number for line in made.audit().lines} == CHECKS.keys() - {26, 30}
        yield made


def test_every_changed_field_of_every_answer(audited: Audited) -> None:
    """Of a task whose rounds were published."""
    seen = check_every_field(audited)
    assert len(seen) > 120
    assert {name for name in NOTICED if "." in name or " " in name} <= seen


def test_every_changed_timestamp(audited: Audited) -> None:
    for change in changes(audited.entries):
        if change.what.startswith("block timestamp"):
            assert 27 in failed(audited.audit(change)), change.what


def test_every_changed_byte_of_every_object(audited: Audited) -> None:
    player = audited.player
    expected = _objects(player)
    assert sorted(_asked(player)) == sorted(expected), "each object once"
    places_of = {Cid("raw", digest).text: check for digest, check in expected.items()}
    places_of |= {Cid("dag-pb", digest).text: check for digest, check in expected.items()}
    assert set(player.store.objects) <= set(places_of), "an object that no check looks at"
    for text, data in player.store.objects.items():
        for place in {0, len(data) // 2, len(data) - 1}:
            changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
            report = audited.audit(store=_with(player.store, {text: changed}))
            assert report.status is Status.UNKNOWN, (places_of[text], text, place)  # the store's doing alone
            blamed = {line.number for line in report.failed if "(fault: content store)" in line.detail}
            assert blamed == {places_of[text]}, report.failed
        kept = {name: other for name, other in player.store.objects.items() if name != text}
        absent = MemoryStore()
        absent.objects = kept
        assert audited.audit(store=absent).status is Status.UNKNOWN, places_of[text]


def _asked(player: Player) -> list[Digest]:
    """What an audit asks a store for."""
    asked, evidence = list[Digest](), read_evidence(player.reader, player.task)

    class Noting(MemoryStore):
        def get(self, cid: Cid, max_bytes: int, chunk_bytes: int = CHUNK_BYTES) -> bytes:
            found = super().get(cid, max_bytes, chunk_bytes)
            asked.append(cid.digest)
            return found

    store = Noting()
    store.objects = player.store.objects
    audit_task(evidence, read_state(store, evidence), fetch_from(store), published_codes())
    return asked


def _with(store: MemoryStore, changed: dict[str, bytes]) -> MemoryStore:
    copy = MemoryStore()
    copy.objects = {**store.objects, **changed}
    return copy


def _objects(player: Player) -> dict[Digest, int]:
    """Every object that the task refers to, and the check that reads it."""
    spec = player.spec
    found: dict[Digest, int] = {sha256(encode(spec)): 3, spec.initial_model: 3, spec.test_set: 3}
    for event in player.reader.events(player.task):
        match event:
            case Enrolled():
                found[event.envelope] = 4
            case RoundOpened():
                found[event.plan] = 7
            case BatchCommitted():
                found[event.batch] = 10
                batch = decode(CommitmentBatch, get_document(player.store, event.batch, 2**20))
                found |= {signed.commitment.ciphertext: 12 for signed in batch.commitments}
            case DirectCommitted():
                found[event.ciphertext] = 12
            case KeyRequested():
                found[event.request] = 14
            case RoundPublished():
                record = decode(RoundRecord, get_document(player.store, event.record, 2**20))
                found |= {event.record: 13, record.aggregate: 17, event.model: 18, record.allocation: 21}
                found |= {signed.statement.residues: 15 for signed in record.keys}
                found |= {signed.statement.residues: 25 for signed in record.accused}
            case _:
                pass
    return found


class _Body(bytes):
    """A ciphertext that says when it is forgotten."""

    alive = peak = 0

    def __new__(cls, data: bytes) -> _Body:
        cls.alive += 1
        cls.peak = max(cls.peak, cls.alive)
        return super().__new__(cls, data)

    def __del__(self) -> None:
        _Body.alive -= 1


def test_one_ciphertext_after_the_other_is_held(audited: Audited) -> None:
    player = audited.player
    evidence, fetch = read_evidence(player.reader, player.task), fetch_from(player.store)

    def counted(digest: Digest, max_bytes: int, chunk_bytes: int) -> bytes | Lack:
        found = fetch(digest, max_bytes, chunk_bytes)
        return _Body(found) if chunk_bytes != CHUNK_BYTES and isinstance(found, bytes) else found

    state = read_state(player.store, evidence)
    assert audit_task(evidence, state, counted, published_codes()).status is Status.PASS
    assert (_Body.alive, 0 < _Body.peak <= 2) == (0, True)


def test_through_a_real_lying_node(audited: Audited) -> None:
    """The same over HTTP, as the auditor's process would meet it."""
    lie = next(change for change in changes(audited.entries) if change.what == "RoundPublished.correct")
    entries = dict(audited.entries)
    entries[lie.question] = entries[lie.question] | {"result": lie.result}
    told = Told(entries)

    def answer(question: dict[str, Any]) -> bytes:
        found = told.make_request(question["method"], question["params"])
        return json.dumps({"jsonrpc": "2.0", "id": question["id"], "result": found["result"]}).encode()

    with node(answer) as url:
        report = run_audit(EthereumReader(url, audited.player.reader.ledger), audited.player.store, audited.player.task)
    assert failed(report) - {21} == {19, 27}  # the count and the word; and the rewards, where one answer more is paid


def test_an_endpoint_that_does_not_answer_is_unknown(audited: Audited) -> None:
    report = run_audit(EthereumReader(Told({}), audited.player.reader.ledger), audited.player.store, 1)
    assert report.status is Status.UNKNOWN
    assert len(report.lines) == 1
