"""A phone's own money: sent once with its enrolment, within its owner's limit, and back whenever the ledger lets it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from client_agent.binding import TaskBinding
from client_agent.consent import disclose
from client_agent.consent_text import as_text
from client_agent.followed_task import FollowedTask
from client_agent.journal import AgentJournal
from client_agent.membership import Membership
from client_agent.place import AccountBoundError, EnrolmentOverError, require_place
from client_agent.privacy.ledger import HOME, Spending
from client_agent.stake import fetch_stake
from protocol.errors import HearthError
from protocol.identifiers import NATIVE_COIN, Address, to_hex
from protocol.messages.submission import Leave, SignedLeave
from protocol.messages.task import DepositTerms, TaskSpec
from protocol.randomness import SeededRandomness
from protocol.round.planning import terms_of
from storage.content.memory import MemoryStore
from storage.ledger.deposits import FundsError
from storage.ledger.ethereum.ledger import EthereumLedger
from storage.ledger.interface import LedgerError, TransactionRevertedError
from storage.ledger.signer import Signer
from storage.records.journal import Journal
from tests.ports.chain_token import ChainToken, sent_by
from tests.ports.chains import running_chain
from tests.samples import DOMAIN, private_key, sample_policy
from tests.unit.backend.key_authority import scene as authority

STAKE = 10**15
BINDING = TaskBinding.of(DOMAIN, 1, bytes(32))
COIN = 10**18
LIMITS = sample_policy().privacy


class Scene:
    """A posted task with a stake, and one phone; it must do with an edge server that gives it keys alone."""

    def __init__(self, folder: Path, name: str) -> None:
        self.chain, self.folder, self.store = running_chain("memory"), folder, MemoryStore()
        self.address, self.told = self.chain.deploy(), list[str]()
        self.phone = Signer(private_key(f"phone of {name}"))  # the chain outlives the test, and its accounts with it
        self.poster = self.chain.ledger(self.address, Signer(private_key("manufacturer")))
        self.chain.fund(self.address, self.poster.sender)
        self.ledger: EthereumLedger = self.chain.ledger(self.address, self.phone)
        self.token = ChainToken(self.chain, self.address)

    def close(self) -> None:
        for ledger in (self.poster, self.ledger, self.token):
            ledger.close()

    def post(self, token: Address = NATIVE_COIN) -> TaskSpec:
        spec = authority.spec()
        rewards = replace(spec.rewards, token=token, participation=1, contribution=0)
        spec = replace(spec, confirmations=0, rewards=rewards, deposits=DepositTerms(edge_server=10, client=STAKE))
        if token != NATIVE_COIN:
            self.token.mint(self.poster.sender, spec.budget())
            self.poster.approve(token, spec.budget())
        self.poster.post_task(terms_of(spec), spec.budget() if token == NATIVE_COIN else 0)
        return spec

    @contextmanager
    def membership(self) -> Iterator[Membership]:
        """One life of the phone's process."""
        journal, nobody = AgentJournal(Journal(self.folder / "journal")), mock.Mock(spec_set=("window_keys",))
        nobody.window_keys.return_value = [
            (authority.authority_signer(j).address, authority.key_pair(j).public_bytes()) for j in (1, 2, 3)
        ]
        made = Membership(
            signer=self.phone,
            ledger=self.ledger,
            store=self.store,
            edge=nobody,
            journal=journal,
            followed=FollowedTask(self.ledger, self.store, 1, self.phone.address),
            randomness=SeededRandomness(b"phone"),
            tell=self.told.append,
        )
        try:
            yield made
        finally:
            journal.close()

    def enrol(self, spec: TaskSpec) -> None:
        with self.membership() as phone:
            if step(phone, spec) is not None:
                assert step(phone, spec) is None, "one transaction, and then the chain knows"

    @property
    def view(self) -> Any:
        return self.ledger.enrolment(1, self.phone.address)


def step(phone: Membership, spec: TaskSpec) -> float | None:
    phone.followed.refresh()
    return phone.step(spec, phone.followed.now)


@pytest.fixture
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path, request.node.name)
    yield made
    made.close()


def refused(scene: Scene, spec: TaskSpec, kind: type[HearthError]) -> HearthError:
    """Nothing is half done: no keys, no envelope, no transaction."""
    stored = dict(scene.store.objects)
    with scene.membership() as phone:
        with pytest.raises(kind) as caught:
            step(phone, spec)
        assert not phone.journal.has_keys
        assert phone.journal.envelope is None
    assert scene.store.objects == stored
    assert sent_by(scene.ledger) == 0
    return caught.value


def test_the_phone_enrols_itself_with_exactly_its_stake_and_once(scene: Scene) -> None:
    spec = scene.post()
    scene.chain.fund(scene.address, scene.phone.address, COIN)
    scene.enrol(spec)
    assert scene.view.staked
    assert scene.ledger.task(1).deposits == STAKE
    for _ in range(2):
        scene.enrol(spec)
    assert sent_by(scene.ledger) == 1


@pytest.mark.parametrize("coin", [1, STAKE, STAKE + 10**12])
def test_a_phone_without_enough_coin_says_so_and_does_nothing(scene: Scene, coin: int) -> None:
    spec = scene.post()
    assert scene.ledger.fee_wei(1) > 10**8, "or the last of them were enough"
    scene.chain.fund(scene.address, scene.phone.address, coin)
    error = refused(scene, spec, FundsError)
    assert error.code == "E_FUNDS"
    assert f"holds {coin} wei" in str(error)
    assert f"deposit of {STAKE} wei" in str(error)
    assert "\n" not in str(error)


def test_a_phone_without_enough_of_the_token_approves_nothing(scene: Scene) -> None:
    spec = scene.post(scene.token.address)
    scene.token.mint(scene.phone.address, STAKE - 1)
    scene.chain.fund(scene.address, scene.phone.address, COIN)
    assert to_hex(scene.token.address) in str(refused(scene, spec, FundsError))
    scene.token.mint(scene.phone.address, 1)
    scene.enrol(spec)
    assert scene.ledger.balance(scene.phone.address, scene.token.address) == 0


def test_a_phone_with_tokens_and_no_coin_for_gas_approves_nothing(scene: Scene) -> None:
    spec = scene.post(scene.token.address)
    scene.token.mint(scene.phone.address, STAKE)
    scene.chain.fund(scene.address, scene.phone.address, scene.ledger.fee_wei(270_000))  # one call, not two
    assert "for gas" in str(refused(scene, spec, FundsError))


def test_a_restart_between_approval_and_enrolment_approves_once(scene: Scene) -> None:
    spec = scene.post(scene.token.address)
    scene.token.mint(scene.phone.address, STAKE)
    scene.chain.fund(scene.address, scene.phone.address, COIN)
    with mock.patch.object(EthereumLedger, "enrol", side_effect=LedgerError("killed")), pytest.raises(LedgerError):
        scene.enrol(spec)
    assert scene.ledger.allowance(scene.token.address, scene.phone.address) == STAKE
    assert not scene.view.staked
    scene.enrol(spec)
    assert scene.view.staked
    assert sent_by(scene.ledger) == 2
    assert scene.ledger.allowance(scene.token.address, scene.phone.address) == 0


def test_an_older_approval_is_cut_to_the_stake(scene: Scene) -> None:
    """Terms that ask for more than the spec told its owner find nothing more to fetch."""
    spec = scene.post(scene.token.address)
    scene.token.mint(scene.phone.address, 3 * STAKE)
    scene.chain.fund(scene.address, scene.phone.address, COIN)
    scene.ledger.approve(scene.token.address, 3 * STAKE)
    scene.enrol(spec)
    assert scene.ledger.allowance(scene.token.address, scene.phone.address) == 0
    assert scene.ledger.balance(scene.phone.address, scene.token.address) == 2 * STAKE


def test_a_restart_before_the_enrolment_is_known_stakes_once(scene: Scene) -> None:
    """The transaction of the earlier life is mined only after the new one has looked."""
    spec = scene.post()
    scene.chain.fund(scene.address, scene.phone.address, COIN)
    with scene.membership() as phone:
        phone.followed.refresh()
        signed = phone._signed_enrolment(spec)
    enrol = EthereumLedger.enrol

    def late(ledger: EthereumLedger, *arguments: Any) -> Any:
        enrol(ledger, [signed], STAKE)
        return enrol(ledger, *arguments)

    with mock.patch.object(EthereumLedger, "enrol", late):
        scene.enrol(spec)
    assert scene.ledger.task(1).deposits == STAKE
    assert sent_by(scene.ledger) == 1


def test_a_task_that_takes_no_more_clients_gets_no_money(scene: Scene) -> None:
    spec = scene.post()
    scene.chain.fund(scene.address, scene.phone.address, COIN)
    scene.chain.pass_time(spec.durations.enrolment_seconds + 1)  # and so the task has found too few
    refused(scene, spec, EnrolmentOverError)


def test_an_account_that_works_for_another_task_brings_that_one_no_money(scene: Scene) -> None:
    spec = scene.post()
    scene.post()
    scene.chain.fund(scene.address, scene.phone.address, COIN)
    scene.enrol(spec)
    second, now = scene.ledger.task(2), scene.ledger.now()
    assert second.enrolled == 0
    terms = terms_of(replace(spec, title="another"))
    with pytest.raises(AccountBoundError, match="works for task 1 until its last reward there is claimed"):
        require_place(scene.ledger, 2, terms, scene.phone.address, (), now)
    with pytest.raises(EnrolmentOverError, match="another folder"):
        require_place(scene.ledger, 1, terms, scene.phone.address, (), now)


def test_a_token_that_does_not_bring_the_stake_is_named_and_not_asked_again(scene: Scene) -> None:
    """It may have blocked the account."""
    spec = scene.post(scene.token.address)
    scene.chain.fund(scene.address, scene.phone.address, COIN)
    scene.token.mint(scene.phone.address, STAKE)
    wrong = TransactionRevertedError("EscrowWrong", (0, STAKE))
    with (
        scene.membership() as phone,
        mock.patch.object(EthereumLedger, "enrol", side_effect=wrong),
        pytest.raises(EnrolmentOverError, match=f"EscrowWrong.*{to_hex(scene.token.address)} does not let"),
    ):
        step(phone, spec)


def test_a_phone_that_leaves_before_anything_was_earned_has_its_stake_at_once(scene: Scene) -> None:
    spec = scene.post()
    scene.chain.fund(scene.address, scene.phone.address, COIN)
    scene.enrol(spec)
    fetch_stake(scene.ledger, 1, scene.phone.address, scene.told.append)
    assert scene.view.staked
    assert "last claim" in scene.told[-1]
    leave = Leave(1, scene.phone.address)
    scene.ledger.leave(SignedLeave(leave, scene.phone.sign(scene.ledger.domain, leave)))
    with scene.membership() as phone:
        assert phone.followed.refresh().left == {scene.phone.address: 0}
    for _ in range(2):
        fetch_stake(scene.ledger, 1, scene.phone.address, scene.told.append)
        assert scene.told[-1] == "the stake is back"
    assert scene.ledger.task(1).deposits == 0
    assert sent_by(scene.ledger) == 3


def test_a_phone_of_a_task_that_never_began_has_its_stake_after_enrolment(scene: Scene) -> None:
    spec = scene.post()
    scene.chain.fund(scene.address, scene.phone.address, COIN)
    scene.enrol(spec)
    scene.chain.pass_time(spec.durations.enrolment_seconds + 1)
    fetch_stake(scene.ledger, 1, scene.phone.address, scene.told.append)
    assert not scene.view.staked


def test_the_owner_is_told_what_where_why_and_for_how_long() -> None:
    plain = authority.spec()
    assert "stake" not in as_text(disclose(plain, BINDING, 3, HOME, Spending(), LIMITS))
    staked = replace(plain, deposits=replace(plain.deposits, client=STAKE))
    text = as_text(disclose(staked, BINDING, 3, HOME, Spending(), LIMITS))
    longest = staked.durations.task_seconds + staked.durations.claim_seconds
    for part in (f"{STAKE} wei", "nobody can take it", "with your last claim", f"locked until {longest} seconds"):
        assert part in text
    in_token = replace(staked, rewards=replace(staked.rewards, token=b"\x77" * 20))
    assert "token 0x" + "77" * 20 in as_text(disclose(in_token, BINDING, 3, HOME, Spending(), LIMITS))
