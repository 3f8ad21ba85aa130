"""An edge server that lies in what it signs and settles: the audit names the check; honest bad luck passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from protocol.audit.report import Status
from protocol.cohort import sum_of
from protocol.encryption.suite import PAD
from protocol.identifiers import Address, to_hex
from protocol.messages.round import ClientWeight, CohortSum, RoundPlan
from protocol.messages.settlement import ABANDONED, MALFORMED, Allocation, Entitlement, Rejection, RoundRecord
from protocol.signing import address_of
from scripts.commands.auditor import run_audit
from storage.content.memory import MemoryStore
from tests.played_conduct import EXPIRED, Conduct
from tests.played_task import Player
from tests.samples import private_key, sample_spec
from tests.tiny_task import CLIENTS, authority_key, funded_ledger

Wei = tuple[int, ...]  # by client, ascending
FLAT = sample_spec().rewards.participation
ADDRESSES = sorted(address_of(private_key("client", number)) for number in range(CLIENTS))


def _paying(amounts: Callable[[Wei], Wei], **conduct: Any) -> Conduct:
    """A round whose allocation says ``amounts`` of what all clients have earned."""

    def said(allocation: Allocation) -> Allocation:
        return _with_earned(allocation, dict(zip(ADDRESSES, amounts(_earned(allocation)), strict=True)))

    return Conduct(lies={"allocation": said}, **conduct)


def _earned(allocation: Allocation) -> Wei:
    return tuple(entry.cumulative for entry in allocation.entitlements if entry.client in ADDRESSES)


def _with_earned(allocation: Allocation, earned: Mapping[Address, int]) -> Allocation:
    """Whoever has no leaf gets one."""
    leaves = {entry.client: entry for entry in allocation.entitlements}
    for holder, wei in earned.items():
        leaves[holder] = replace(leaves.get(holder, Entitlement(holder, 0, 0)), cumulative=wei)
    return replace(allocation, entitlements=tuple(leaves[holder] for holder in sorted(leaves)))


def _with_fee(holder: Address, wei: int) -> Conduct:
    return Conduct(lies={"allocation": lambda allocation: _with_earned(allocation, {holder: wei})})


def _forged_key(record: RoundRecord) -> RoundRecord:
    """Authority 2 is on record with a key that it did not sign, between 1 and 3 that answered."""
    one, three = record.keys
    two = replace(one, statement=replace(one.statement, authority=address_of(authority_key(2))))
    return replace(record, keys=(one, two, three))


def _charged(record: RoundRecord, changes: Any) -> RoundRecord:
    return replace(record, charge=replace(record.charge, figure=replace(record.charge.figure, **changes)))


def _charging(**changes: Any) -> Conduct:
    """A round whose record tells another charge."""
    return Conduct(lies={"record": lambda record: _charged(record, changes)})


# of the clients, the one with the first address
_FIRST = min(range(CLIENTS), key=lambda number: address_of(private_key("client", number)))
_EDGE_FEE, _AUTHORITY_FEE = sample_spec().rewards.edge_fee, sample_spec().rewards.authority_fee

SETTLED = {13, 16, 17, 18, 19, 20, 21, 25}  # checks of what a server put on chain with the round's end

LIES: Mapping[str, tuple[int, Conduct]] = {
    "a better accuracy": (19, Conduct(lies={"record": lambda record: replace(record, correct=record.correct + 1)})),
    "less privacy spent": (20, _charging(epsilon_micro=1)),
    "privacy by another accountant": (20, _charging(accountant="RENYI/1")),
    "privacy of a whole household": (20, _charging(unit="household")),
    "privacy from the noise of others": (20, _charging(honest_clients=5)),
    "a smaller residual": (17, Conduct(lies={"record": lambda record: replace(record, max_residual=0)})),
    "a client robbed of its place": (
        13,
        Conduct(lies={"verdict": lambda verdict: replace(verdict, accepted=verdict.accepted[1:])}),
    ),
    "a client rejected as malformed": (
        13,
        Conduct(
            lies={
                "verdict": lambda verdict: replace(
                    verdict,
                    accepted=verdict.accepted[1:],
                    rejected=(Rejection(verdict.accepted[0], MALFORMED),),
                )
            }
        ),
    ),
    "a favourite's weight": (8, Conduct(lies={"plan": lambda plan: _planned(plan, _heavier(plan.weights))})),
    "a cohort that adds up to another sum": (
        7,
        Conduct(lies={"plan": lambda plan: replace(plan, cohort=_lighter(plan))}),
    ),
    "a root that proves nobody's place": (
        29,
        Conduct(lies={"cohort": lambda cohort: replace(cohort, root=b"\1" * 32)}),
    ),
    "a client left out of the cohort": (
        8,
        Conduct(lies={"plan": lambda plan: _planned(plan, plan.weights[1:])}, silent=(_FIRST,)),
    ),
    "a client whose keys too few authorities hold": (
        8,
        Conduct(lies={"roster": lambda said: (said[0] - {min(said[0])}, said[1])}),
    ),
    "a client whose envelope an authority refused": (
        8,
        Conduct(lies={"roster": lambda said: (said[0], {min(said[0])})}),
    ),
    "an index set of another size": (
        9,
        Conduct(
            lies={"plan": lambda plan: replace(plan, dimension=plan.dimension - 1)},
            silent=tuple(range(CLIENTS)),  # no phone takes such a plan
            end=EXPIRED,
        ),
    ),
    "a root over other commitments": (10, Conduct(lies={"root": lambda root: bytes([root[0] ^ 1]) + root[1:]})),
    "a model of its own": (
        18,
        Conduct(lies={"model": lambda model: replace(model, parameters=model.parameters + np.float32(0.5))}),
    ),
    "a request that too few saw": (
        15,
        Conduct(lies={"record": lambda record: replace(record, sightings=record.sightings[2:])}),
    ),
    "a sighting that nobody signed": (
        15,
        Conduct(
            lies={
                "record": lambda record: replace(
                    record,
                    sightings=(
                        replace(record.sightings[0], signature=record.sightings[1].signature),
                        *record.sightings[1:],
                    ),
                )
            }
        ),
    ),
    "an honest authority accused": (
        25,
        Conduct(
            lying=(4,),
            lies={"record": lambda record: replace(record, keys=record.keys[:2], accused=record.keys[2:])},
        ),
    ),
    "an honest authority accused with the liar": (
        25,
        Conduct(
            lying=(4,),
            lies={
                "record": lambda record: replace(
                    record, keys=record.keys[:2], accused=(record.keys[2], *record.accused)
                )
            },
        ),
    ),
    "an accusation that the liar did not sign": (
        25,
        Conduct(
            lying=(4,),
            lies={
                "record": lambda record: replace(
                    record, accused=(replace(record.accused[0], signature=record.keys[0].signature),)
                )
            },
        ),
    ),
    "a favourite's reward": (21, _paying(lambda wei: (wei[0] + wei[-1], *wei[1:-1], 0))),
    "a favourite's contribution": (21, _paying(lambda wei: (2 * wei[0] - FLAT, *wei[1:-1], FLAT))),
    "a remainder that is rounded up": (21, _paying(lambda wei: (wei[0] + 1, *wei[1:]))),
    "a contribution held back": (21, _paying(lambda wei: (FLAT,) * len(wei))),
    "a contribution for no model": (
        21,
        _paying(lambda wei: tuple(amount + 1 for amount in wei), end=ABANDONED, requested=False, silent=(0, 1, 2)),
    ),
    "a fee of its own making": (21, _with_fee(address_of(private_key("edge")), _EDGE_FEE + 1)),
    "a fee for an authority that did not answer": (21, _with_fee(address_of(authority_key(2)), _AUTHORITY_FEE)),
    "an authority robbed of its fee": (21, _with_fee(address_of(authority_key(1)), 0)),
    "a fee for a stranger": (21, _with_fee(address_of(private_key("stranger")), 1)),
    "an authority on record that did not answer": (15, Conduct(lies={"record": _forged_key})),
    "a favourite's reputation": (21, Conduct(lies={"allocation": lambda allocation: _promoted(allocation)})),
}


@pytest.fixture(scope="module")
def enrolled() -> Player:
    return Player(funded_ledger("lies"), rounds=1, authorities=4)


@contextmanager
def _again(player: Player) -> Iterator[Player]:
    """The task as it stands, to be played on: afterwards chain, store and households are as before."""
    snapshot, copied = player.chain.snapshot(), copy(player)
    copied.store, copied.left = MemoryStore(), set(player.left)
    copied.store.objects = dict(player.store.objects)
    try:
        yield copied
    finally:
        player.chain.revert(snapshot)


@pytest.mark.parametrize("lie", LIES)
def test_every_lie_of_the_edge_server(enrolled: Player, lie: str) -> None:
    """Signed and settled on the real chain, as a lying server would; the audit names the check."""
    check, conduct = LIES[lie]
    with _again(enrolled) as player:
        player.play(1, conduct)
        report = run_audit(player.reader, player.store, player.task)
    assert report.status is Status.FAIL
    failed = {line.number for line in report.lines if line.status is Status.FAIL}
    assert check in failed and (check != 9 or failed == {9}), report.failed
    blamed = [line.detail for line in report.failed if line.number in SETTLED and line.status is Status.FAIL]
    server = to_hex(address_of(private_key("edge")))
    assert all(detail.endswith("(fault: edge server)") for detail in blamed), blamed
    assert not blamed or any(f"settled by {server}: " in detail for detail in blamed), blamed


def _planned(plan: RoundPlan, weights: tuple[ClientWeight, ...]) -> RoundPlan:
    return replace(plan, weights=weights, cohort=sum_of(weights))


def _lighter(plan: RoundPlan) -> CohortSum:
    """The largest share seems smaller."""
    return replace(plan.cohort, largest=plan.cohort.largest - 1)


def _heavier(weights: tuple[ClientWeight, ...]) -> tuple[ClientWeight, ...]:
    return (replace(weights[0], weight=weights[0].weight + 1), *weights[1:])


def _promoted(allocation: Allocation) -> Allocation:
    first, *others = allocation.entitlements
    return replace(allocation, entitlements=(replace(first, reputation=first.reputation + 1), *others))


def test_a_contribution_without_a_gain_is_named_with_its_client() -> None:
    """In the first round after the first one that is no better than the best so far: it releases nothing."""
    player, last = Player(funded_ledger("no gain"), rounds=9), 0
    best = player.best
    before: Wei = (0,) * CLIENTS

    def favouring(wei: Wei) -> Wei:
        nothing = all(now == earlier + FLAT for now, earlier in zip(wei, before, strict=True))
        return (*wei[:2], wei[2] + 1, *wei[3:]) if nothing else wei

    while last < 9 and (last == 0 or player.best > best):
        best, last = player.best, last + 1
        before = _earned(player.allocation)
        player.play(last, _paying(favouring))
    assert last > 1, "the first round is a gain"
    report = run_audit(player.reader, player.store, player.task)
    (line,) = [line for line in report.lines if line.status is Status.FAIL]
    assert (line.number, line.subject) == (21, f"round {last}")
    earned, favourite = before[2] + FLAT, to_hex(ADDRESSES[2])
    assert f"earned by {favourite}: {earned + 1} wei is claimed, {earned} wei follows" in line.detail


def test_what_the_verdict_calls_absent_cannot_be_refuted_and_changes_nothing() -> None:
    player = Player(funded_ledger("absent"), rounds=2)
    player.play(1, Conduct(unavailable=(1,), corrupt=(2,)))
    player.play(2, Conduct(silent=(0, 1, 2), requested=False, end=ABANDONED))
    report = run_audit(player.reader, player.store, player.task)
    assert report.status is Status.PASS, report.failed
    remarks = [line.detail for line in report.lines if "cannot be refuted" in line.detail]
    assert len(remarks) == 2


@pytest.mark.parametrize("packing", [4, 6])
def test_a_task_under_the_one_time_pad_passes_and_a_wrong_sum_does_not(packing: int) -> None:
    player = Player(funded_ledger(f"pad {packing}"), rounds=2, scheme=(PAD, packing))
    player.play(1, Conduct(malformed=(1,)))
    assert run_audit(player.reader, player.store, player.task).status is Status.PASS
    player.play(2, Conduct(lies={"record": lambda record: replace(record, aggregate=record.model)}))
    report = run_audit(player.reader, player.store, player.task)
    assert 17 in {line.number for line in report.lines if line.status is Status.FAIL}, report.failed


def test_expired_rounds_pass() -> None:
    player = Player(funded_ledger("expired"), rounds=2)
    player.play(1, Conduct(silent=(0,), end=EXPIRED))
    player.play(2, Conduct(direct=(2,), twice=(3,)))
    report = run_audit(player.reader, player.store, player.task)
    assert report.status is Status.PASS, report.failed
