"""An authority's own policy: no key for a task beyond it, whoever posted it, and none while its endpoints disagree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from unittest import mock

import pytest

from backend.key_authority.endpoints import ChainReader, Endpoints, EndpointsDisagreeError
from backend.key_authority.main import serve_authority
from backend.key_authority.policy import AuthorityPolicy, ChainLimits, WorkLimits, check_task, parse_policy
from backend.key_authority.settings import AuthoritySettings
from backend.listening import Listening
from backend.problem import status_of
from protocol.canonical import encode
from protocol.domain import Domain
from protocol.encryption.suite import PAD
from protocol.errors import MalformedError, PolicyError
from protocol.messages.chain import BondView
from protocol.messages.learning import EncodingTerms, Layer, ModelSpec
from protocol.messages.task import TaskSpec
from protocol.round.state_table import RoundState
from protocol.task.limits import CohortLimits
from scripts.commands.policy import SAMPLES
from storage.ledger.gas_limits import GasLimits
from storage.ledger.interface import LedgerError
from storage.ledger.signer import Signer
from tests.samples import DOMAIN, private_key
from tests.unit.backend.key_authority.scene import (
    CLIENTS,
    SMALL,
    TASK,
    FakeLedger,
    Scene,
    envelope,
    plan,
    request,
    spec,
)

WITHIN = replace(spec(), cohort=replace(spec().cohort, min_clients=5, max_share_ppm=333_333))


def _large(outputs: int, density_ppm: int) -> TaskSpec:
    """A PAD/1 task with keys of four bytes for each number that is sent."""
    learning = replace(
        WITHIN.learning,
        sparsity=replace(WITHIN.learning.sparsity, density_ppm=density_ppm),
        encoding=EncodingTerms(4),
    )
    model = ModelSpec((1_000,), 10, (Layer("linear", {"outputs": outputs, "bias": 0}), Layer("tanh", {}), _LAST))
    return replace(WITHIN, suite=PAD, model=model, learning=learning)


_LAST = Layer("linear", {"outputs": 10, "bias": 0})
BEYOND: dict[str, tuple[TaskSpec, str]] = {
    "cohort.min_clients": (replace(WITHIN, cohort=replace(WITHIN.cohort, min_clients=4)), "at least 5"),
    "cohort.max_share": (replace(WITHIN, cohort=replace(WITHIN.cohort, max_share_ppm=333_334)), "at most 0.333333"),
    "chain.min_confirmations": (replace(WITHIN, confirmations=2), "at least 3"),
    "work.key_bytes": (_large(19_000, 500_000), "at most 16777216"),
}


def test_what_is_just_within_every_line_passes() -> None:
    check_task(AuthorityPolicy(), WITHIN)
    check_task(AuthorityPolicy(), _large(8_000, 500_000))
    check_task(AuthorityPolicy(), _large(19_000, 100_000))


@pytest.mark.parametrize("line", BEYOND)
def test_what_is_beyond_a_line_is_refused_by_it_before_it_is_kept(line: str, empty: Scene) -> None:
    task, allowed = BEYOND[line]
    empty.policy = AuthorityPolicy()
    empty.restart()
    empty.ledger.post(task)
    with pytest.raises(PolicyError) as caught:
        empty.authority.accept_task(TASK, encode(task))
    assert caught.value.line == line
    assert allowed in str(caught.value)
    assert status_of(caught.value) == 422
    assert empty.records.tasks() == set()


def test_every_line_has_its_test() -> None:
    policy = AuthorityPolicy()
    lines = {f"{table.name}.{line.name}" for table in fields(policy) for line in fields(getattr(policy, table.name))}
    assert lines == {*BEYOND, "gas.max_price", "gas.max_units"}  # of transactions: below, and test_lying_endpoint.py


def test_the_limits_of_its_transactions_are_those_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text("[gas]\nmax_price = 7\n")
    settings = AuthoritySettings(tmp_path, "http://127.0.0.1:9", DOMAIN, Listening(0))
    with mock.patch("backend.key_authority.main.EthereumLedger", side_effect=KeyboardInterrupt) as ledger:
        with pytest.raises(KeyboardInterrupt):
            serve_authority(settings, Signer(private_key("authority")), seed=None)
    assert ledger.call_args.kwargs["limits"] == GasLimits(max_price=7)


STRICTER = [
    replace(SMALL, cohort=CohortLimits(3, 900_000)),
    replace(SMALL, chain=ChainLimits(4)),
    replace(SMALL, work=WorkLimits(1)),
]


@pytest.mark.parametrize("stricter", STRICTER)
def test_a_policy_that_became_stricter_gives_no_key_any_more(scene: Scene, stricter: AuthorityPolicy) -> None:
    agreed = plan()
    scene.policy = stricter
    scene.restart()
    scene.ledger.record(request(agreed))
    with pytest.raises(PolicyError):
        scene.ask(agreed, request(agreed))
    scene.policy = SMALL
    scene.restart()
    assert scene.ask(agreed, request(agreed))


def test_the_sample_is_the_defaults() -> None:
    assert parse_policy((SAMPLES / "authority-policy.toml").read_bytes()) == parse_policy(b"") == AuthorityPolicy()
    with pytest.raises(MalformedError, match=r"line 2: work.key_byte: .* did you mean key_bytes"):
        parse_policy(b"[work]\nkey_byte = 3")


# several endpoints


@contextmanager
def _two(folder: Path) -> Iterator[tuple[Scene, FakeLedger]]:
    """An authority with its task and clients known, and its second endpoint."""
    scene, other = Scene(folder), FakeLedger()
    both: ChainReader = Endpoints([scene.ledger, other])
    scene.authority._checks.reader = both
    other.post(spec())
    for client in CLIENTS:
        other.enrol(client)
    scene.prepare()
    try:
        yield scene, other
    finally:
        scene.records.close()


def test_endpoints_that_agree_get_an_answer(tmp_path: Path) -> None:
    agreed = plan()
    with _two(tmp_path) as (scene, other):
        other.record(request(agreed))
        assert scene.ask_recorded(agreed, request(agreed))


DIFFERENCES: dict[str, Callable[[FakeLedger], None]] = {
    "another request": lambda other: other.record(request(plan(), CLIENTS[:2])),
    "no request": lambda other: other.rounds.clear(),
    "a round that is over": lambda other: other.record(request(plan()), state=RoundState.PUBLISHED),
    "another signer of a client": lambda other: other.enrol(CLIENTS[0], signer=bytes(20)),
    "another screening": lambda other: other.record(request(plan()), screening=b"\1" * 32),
    "another role of this authority": lambda other: setattr(other, "bond_view", BondView(0, 0, False, 0, 0)),
    "another chain": lambda other: setattr(other, "domain", Domain(1, other.domain.ledger)),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_an_endpoint_that_says_something_else_gets_none(name: str, tmp_path: Path) -> None:
    agreed = plan()
    with _two(tmp_path) as (scene, other):
        other.record(request(agreed))
        DIFFERENCES[name](other)
        with pytest.raises(EndpointsDisagreeError) as caught:
            scene.ask_recorded(agreed, request(agreed))
        assert status_of(caught.value) == 503


def test_an_endpoint_that_is_away_is_no_agreement(tmp_path: Path) -> None:
    agreed = plan()
    with _two(tmp_path) as (scene, other):
        other.record(request(agreed))
        other.down = True
        with pytest.raises(LedgerError):
            scene.ask_recorded(agreed, request(agreed))


def test_the_later_clock_ends_a_round(tmp_path: Path) -> None:
    agreed = plan()
    with _two(tmp_path) as (scene, other):
        other.record(request(agreed))
        other.clock = 2_001
        with pytest.raises(Exception, match="E_EXPIRED"):
            scene.ask_recorded(agreed, request(agreed))


def test_a_task_and_an_enrolment_must_be_on_both(tmp_path: Path) -> None:
    with _two(tmp_path) as (scene, other):
        other.specs[TASK] = b"\1" * 32
        with pytest.raises(EndpointsDisagreeError, match="task 7"):
            scene.authority.accept_task(TASK, encode(spec()))
        other.envelopes.clear()
        with pytest.raises(EndpointsDisagreeError, match="enrolment"):
            scene.authority.accept_client(TASK, CLIENTS[0], envelope(CLIENTS[0]))


def test_a_block_is_what_all_endpoints_say_it_is() -> None:
    ours, theirs = FakeLedger(blocks={7: (90, b"\1" * 32)}), FakeLedger(blocks={7: (90, b"\1" * 32)})
    both = Endpoints([ours, theirs])
    assert (both.block_timestamp(7), both.block_hash(7), both.block_hash(8)) == (90, b"\1" * 32, None)
    theirs.blocks[7] = (91, b"\2" * 32)
    with pytest.raises(EndpointsDisagreeError, match="the time of block 7"):
        both.block_timestamp(7)
    with pytest.raises(EndpointsDisagreeError, match="on block 7"):
        both.block_hash(7)
    del theirs.blocks[7]
    with pytest.raises(EndpointsDisagreeError, match="on block 7"):
        both.block_hash(7)
