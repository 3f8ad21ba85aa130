"""A task in an ERC-20 with bonds and stakes in it: its audit passes, and notices every changed fact about its money."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from protocol.audit.report import Status
from protocol.incentives.rewards import claim_proof
from protocol.messages.chain import BondForfeited, BondReturned, Claimed, Compensated, Refunded, StakeReturned
from protocol.messages.task import DepositTerms, RewardTerms
from protocol.signing import address_of
from storage.ledger.signer import Signer
from tests.attacks.tampering import Audited, Change, audited_task, changes
from tests.played_clients import enrol
from tests.played_conduct import SETTLED, Conduct
from tests.played_task import Player
from tests.ports.chain_token import ChainToken
from tests.samples import private_key
from tests.tiny_task import audited_chain, funded_ledger

EDGE_BOND, AUTHORITY_BOND, STAKE = 6_001, 303, 101
# Money in, out and as the views show it; what it does not concern is tests/attacks/test_tampering.py's.
MONEY = {
    "BondForfeited", "BondPlaced", "BondReturned", "Claimed", "Refunded", "StakeReturned", "bondOf", "balance",
    "Credited", "Withdrawn", "creditOf", "Compensated",
    *(f"TaskPosted.{name}" for name in ("token", "escrow", "stake", "edgeBond", "authorityBond", "participation")),
    *(f"TaskPosted.{name}" for name in ("contribution", "edgeFee", "authorityFee", "maxCohort")),
    *(f"taskOf.{name}" for name in ("token", "escrow", "deposits", "claimed", "allocated", "allocationRoot")),
    *(f"taskOf.{name}" for name in ("reserved", "participation", "contribution", "pendingServer", "stopped")),
    *(f"taskOf.{name}" for name in ("pendingRound", "pendingAllocated", "pendingRoot", "payableFrom")),
    *(f"enrolmentOf.{name}" for name in ("claimed", "staked")), "RoundFrozen.culprit",
}  # fmt: skip
CHECKS = {2, 4, 22, 23, 24, 26}
WORD_ALONE = {"Withdrawn.to"}  # a holder may have its money paid where it likes; only the task's word tells
CLAIMS_NOTHING = {
    "balance +1": "anybody can send tokens to a contract, so only a shortfall says something",
}


@pytest.fixture(scope="module")
def audited() -> Iterator[Audited]:
    ledger, chain, issuer = funded_ledger("token"), audited_chain(), Signer(private_key("issuer of the token"))
    chain.fund(ledger, issuer.address)
    token = ChainToken(chain, ledger, issuer)  # labels depend on its address, which no other test must change
    for role in ("edge", "manufacturer"):
        token.mint(address_of(private_key(role)), 10**9)
    rewards = RewardTerms(599, 401, target_gain_ppm=500_000, edge_fee=70, authority_fee=30, token=token.address)
    deposits = DepositTerms(EDGE_BOND, AUTHORITY_BOND, STAKE)
    player = Player(ledger, rounds=2, late=(4,), rewards=rewards, deposits=deposits)
    token.ban(player.edge.sender, True)
    enrol(player, 0, 4)  # the first of them is there already: its stake is owed to whoever sent it
    token.ban(player.edge.sender, False)
    player.play(1, Conduct())
    player.claim(0)
    player.play(2, Conduct(frozen=SETTLED))
    player.claim(0, 1)  # so that the contract still owes something to the others
    assert player.reader.credit(player.task, player.edge.sender) == STAKE
    player.compensate(2, 2, 3)
    authority = player.authorities[0]
    player.edge.claim(player.task, claim_proof(player.allocation, authority.sender))
    token.ban(authority.sender, True)
    player.edge.return_bond(player.task, authority.sender)
    token.ban(authority.sender, False)
    authority.withdraw(player.task, authority.sender, authority.sender)
    player.refund()
    token.close()
    with audited_task(player) as made:
        yield made


def test_what_the_ledger_holds_is_what_it_owes(audited: Audited) -> None:
    player = audited.player
    view, token = player.reader.task(player.task), player.spec.rewards.token
    events = player.reader.events(player.task)
    for kind in (BondForfeited, BondReturned, Claimed, Compensated, Refunded, StakeReturned):
        assert any(isinstance(event, kind) for event in events), kind
    assert player.reader.balance(player.reader.ledger, token) == view.escrow + view.deposits > 0
    assert player.reader.balance(player.reader.ledger) == 0


def test_every_changed_fact_about_the_money(audited: Audited) -> None:
    """Where it is said first, and where it is said last."""
    first, last = dict[str, Change](), dict[str, Change]()
    for change in changes(audited.entries):
        name, _, detail = change.what.replace(" ", ".").partition(".")
        if MONEY & {change.what, name} and detail not in (
            "blockNumber", "logIndex", "transactionHash", "address", "everyone",
        ):  # fmt: skip
            first.setdefault(change.what, change)
            last[change.what] = change
    assert {name for name in MONEY if any(what.startswith(name) for what in last)} == MONEY
    for what, change in (*first.items(), *((what, one) for what, one in last.items() if one is not first[what])):
        report = audited.audit(change)
        if what in CLAIMS_NOTHING:
            assert report.status is Status.PASS, (what, report.failed)
            continue
        failed = {line.number for line in report.lines if line.status is Status.FAIL}
        assert failed & ({27} if what in WORD_ALONE else CHECKS), (what, report.failed)
