"""Sums that come to garbage, and servers that say so of another one.

given a client that encrypts under other keys than it enrolled
    when the server publishes the model as it was, with keys that agree beyond doubt
        should pass: everybody has its participation, nobody a contribution, servers their fees; later rounds go on
    when it publishes a step
        should fail
    when it cries garbage by so few keys that corrupt ones may have made it
        should fail, because nobody can tell
given an honest sum
    when the server cries garbage over it
        should fail, and name the authorities whose keys open the sum
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from protocol.audit.report import Report, Status
from protocol.identifiers import ZERO_DIGEST, Address
from protocol.messages.chain import Publication, RoundPublished
from protocol.messages.settlement import GARBAGE, PUBLISHED, Allocation, RoundRecord
from protocol.messages.task import Committee
from protocol.signing import address_of
from protocol.sparse.codec import encode_sums
from scripts.commands.auditor import run_audit
from tests.played_conduct import Conduct
from tests.played_task import Player
from tests.samples import sample_spec
from tests.tiny_task import authority_key, funded_ledger

REWARDS = sample_spec().rewards


def _earned(player: Player) -> dict[Address, int]:
    return {entry.client: entry.cumulative for entry in player.allocation.entitlements}


def _audit(player: Player) -> Report:
    return run_audit(player.reader, player.store, player.task)


def _failed(report: Report) -> set[int]:
    return {line.number for line in report.lines if line.status is Status.FAIL}


def test_one_sender_of_garbage_gains_its_participation_at_most() -> None:
    player = Player(funded_ledger("garbage"), rounds=3)
    clients = [household.address for household in player.households]
    player.play(1, Conduct())
    before, model = _earned(player), player.past.model
    player.play(2, Conduct(garbled=(0,)))
    gained = {holder: wei - before.get(holder, 0) for holder, wei in _earned(player).items()}
    assert gained == dict.fromkeys(clients, REWARDS.participation) | {player.edge.sender: REWARDS.edge_fee} | {
        address_of(authority_key(j)): REWARDS.authority_fee for j in (1, 2, 3)
    }
    *_, event = (event for event in player.reader.events(player.task) if isinstance(event, RoundPublished))
    assert event.model == model, "the model stays"
    player.play(3, Conduct())
    report = _audit(player)
    assert report.status is Status.PASS, report.failed
    (line,) = [line for line in report.lines if (line.number, line.subject) == (17, "round 2")]
    assert "no keys open the sum" in line.detail


def test_garbage_under_a_task_whose_first_round_it_is() -> None:
    """No round has moved the model yet: the next one goes on from the initial one."""
    player = Player(funded_ledger("garbage first"), rounds=2)
    player.play(1, Conduct(garbled=(1, 2), direct=(1,)))
    player.play(2, Conduct())
    report = _audit(player)
    assert report.status is Status.PASS, report.failed


def test_garbage_published_as_a_step_fails() -> None:
    player = Player(funded_ledger("garbage as step"), rounds=1)
    model = player.put(b"a model of nothing")

    def step(record: RoundRecord) -> RoundRecord:
        sums = player.put(encode_sums(np.zeros(28, dtype=np.int64)))
        return replace(record, outcome=PUBLISHED, aggregate=sums, model=model)

    def published(publication: Publication) -> Publication:
        return replace(publication, model=model)

    player.play(1, Conduct(garbled=(0,), lies={"record": step, "publication": published}))
    assert 17 in _failed(_audit(player))


def test_garbage_with_another_model_fails() -> None:
    player = Player(funded_ledger("garbage moves"), rounds=1)
    model = player.put(b"a model of nothing")
    lies = {
        "record": lambda record: replace(record, model=model),
        "publication": lambda publication: replace(publication, model=model),
    }
    player.play(1, Conduct(garbled=(0,), lies=lies))
    assert 18 in _failed(_audit(player))


def test_garbage_by_too_few_keys_fails() -> None:
    """One authority may be corrupt: if it lied, it could make garbage of any sum."""
    player = Player(funded_ledger("garbage in part"), rounds=1, committee=_with_a_corrupt_one(3))
    player.play(1, Conduct(garbled=(0,), lies={"record": lambda record: replace(record, keys=record.keys[:2])}))
    report = _audit(player)
    assert 15 in _failed(report)
    assert any("so few keys that they may be to blame" in line.detail for line in report.failed)


def test_garbage_passes_though_an_authority_lies() -> None:
    """The other three agree on the key, and two of them at least are honest."""
    player = Player(funded_ledger("garbage and a lie"), rounds=1, authorities=4, committee=_with_a_corrupt_one(4))
    player.play(1, Conduct(garbled=(0,), lying=(4,)))
    report = _audit(player)
    assert report.status is Status.PASS, report.failed


def test_a_false_cry_of_garbage_fails() -> None:
    player = Player(funded_ledger("false cry"), rounds=1, authorities=4, committee=_with_a_corrupt_one(4))
    model, before = player.spec.initial_model, player.trained

    def cry(record: RoundRecord) -> RoundRecord:
        return replace(record, outcome=GARBAGE, aggregate=ZERO_DIGEST, max_residual=0, model=model)

    def unpaid(allocation: Allocation) -> Allocation:
        clients = {household.address for household in player.households}
        leaves = [
            replace(entry, cumulative=REWARDS.participation) if entry.client in clients else entry
            for entry in allocation.entitlements
        ]
        return replace(allocation, entitlements=tuple(leaves))

    lies: dict[str, Callable[[Any], Any]] = {
        "model": lambda _: before,
        "record": cry,
        "allocation": unpaid,
    }
    player.play(1, Conduct(lying=(4,), lies=lies))
    report = _audit(player)
    assert _failed(report) == {17}, report.failed
    (line,) = [line for line in report.lines if line.status is Status.FAIL]
    assert "the keys of authorities 1, 2 open the sum" in line.detail


def _with_a_corrupt_one(authorities: int) -> Committee:
    return Committee(2, tuple(address_of(authority_key(j)) for j in range(1, authorities + 1)), 1)
