"""Which open tasks are for a household: its own checks, by chain and content alone."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import numpy as np
import pytest

from client_agent.binding import TaskBinding
from client_agent.offer_book import OfferBook
from client_agent.offers import DataFacts, Offer, Reason, Seeker, data_facts
from client_agent.privacy.ledger import HOME, DataUse, Spending
from protocol.identifiers import Address
from protocol.messages.chain import Standing
from protocol.messages.learning import MICRO
from protocol.messages.task import TaskSpec
from protocol.model.dataset import Examples
from storage.ledger.interface import LedgerReader
from tests.samples import client_address, sample_policy, with_terms
from tests.unit.client_agent.scene_ledger import Directory
from tests.unit.client_agent.scene_phone import Phone, delivered, play_round
from tests.unit.client_agent.scene_server import PHONE, PlayedServer
from tests.voucher_keys import KEYS

NEWCOMER = client_address(0)
FITTING = DataFacts(7, (6,), 3, False)


def seeker(client: Address = NEWCOMER, **changes: Any) -> Seeker:
    return replace(Seeker(client, sample_policy(), Spending(), HOME, FITTING), **changes)


def look(directory: Directory, who: Seeker) -> tuple[Offer, ...]:
    return OfferBook(directory.ledger, directory.store).look(who)


def rewarded(spec: TaskSpec, times: int, noise: int = 1) -> TaskSpec:
    noisy = spec.learning.mechanism.noise_multiplier_micro * noise
    rewards = replace(spec.rewards, participation=times * 1_000, contribution=0)
    deposits = replace(spec.deposits, edge_server=spec.cohort.max_cohort * rewards.participation)
    learning = with_terms(spec.learning, noise_multiplier_micro=noisy)
    return replace(spec, rewards=rewards, deposits=deposits, learning=learning, title=f"task of {times}")


def reasons(offer: Offer) -> set[Reason]:
    return {one.reason for one in offer.obstacles}


def test_the_most_reward_for_the_same_privacy_comes_first() -> None:
    directory = Directory()
    spec = directory.spec()
    for number, (times, noise) in enumerate(((1, 1), (3, 1), (2, 1), (2, 2)), 1):
        assert directory.post(rewarded(spec, times, noise)) == number
    offers = look(directory, seeker())
    assert all(offer.qualifies and offer.figure is not None for offer in offers), [o.obstacles for o in offers]
    worths = [cast(Fraction, offer.reward_per_epsilon) for offer in offers]
    assert worths == sorted(worths, reverse=True) and len(set(worths)) == 4
    assert [offer.task for offer in offers].index(4) < [offer.task for offer in offers].index(3), (
        "less noise costs more"
    )
    best = offers[0]
    assert best.figure is not None and best.reward == best.rounds * best.terms.rewards.update_reward  # type: ignore[union-attr]
    assert worths[0] == Fraction(best.reward * MICRO, best.figure.epsilon_micro)


def test_a_task_without_a_guarantee_comes_last_whatever_it_pays() -> None:
    directory = Directory()
    spec = directory.spec()
    loud = replace(rewarded(spec, 1_000), learning=with_terms(spec.learning, kind="features"))
    directory.post(loud)
    directory.post(rewarded(spec, 1))
    offers = look(directory, seeker())
    assert [offer.task for offer in offers] == [2, 1]
    assert offers[1].figure is None and not offers[1].qualifies


def test_each_check_of_the_household_is_an_obstacle_of_its_own() -> None:
    directory = Directory()
    directory.post(directory.spec())
    policy = sample_policy()
    binding = TaskBinding(1, bytes(20), 9, bytes(32))
    mechanism = directory.spec().learning.mechanism
    spent = Spending(charged={DataUse(HOME, binding, bytes(32), mechanism): frozenset(range(1, 200))})
    strangers = replace(policy, trust=replace(policy.trust, authorities=()))
    for who, expected in (
        (seeker(), set()),
        (seeker(data=None), set()),
        (seeker(policy=strangers), {Reason.POLICY}),
        (seeker(policy=replace(policy, privacy=replace(policy.privacy, task_epsilon=1))), {Reason.POLICY}),
        (seeker(spending=spent), {Reason.PRIVACY}),
        (seeker(spending=spent, data_set="other"), set()),
        (seeker(data=replace(FITTING, shape=(7,))), {Reason.DATA}),
        (seeker(data=replace(FITTING, classes=4)), {Reason.LABELS}),
        (seeker(data=replace(FITTING, classes=None)), {Reason.LABELS}),
        (seeker(data=replace(FITTING, examples=0)), {Reason.EXAMPLES}),
        (seeker(data=replace(FITTING, examples=2**25)), {Reason.TOO_MANY}),
    ):
        (offer,) = look(directory, who)
        assert reasons(offer) == expected
    (offer,) = look(directory, seeker(policy=strangers))
    assert offer.obstacles[0].line == "trust.authorities"


def test_a_place_that_an_appliance_brings_is_not_offered_to_anybody() -> None:
    directory = Directory()
    directory.post(replace(directory.spec(), vouchers=KEYS[0].terms()))
    (offer,) = look(directory, seeker())
    assert reasons(offer) == {Reason.VOUCHER}


def test_an_obstacle_has_what_its_line_says_in_any_language() -> None:
    directory = Directory()
    directory.post(directory.spec())
    policy = sample_policy()
    narrow = replace(policy.privacy, task_epsilon=MICRO // 2)
    strict = replace(policy, privacy=narrow, cohort=replace(policy.cohort, min_clients=9_000))
    (offer,) = look(directory, seeker(policy=strict))
    spec = cast(TaskSpec, offer.terms)
    assert [(one.reason, one.line, dict(one.facts)) for one in offer.obstacles] == [
        (Reason.POLICY, "privacy.task_epsilon", {"asked": "20", "allowed": "at most 0.5"}),
        (Reason.POLICY, "cohort.min_clients", {"asked": str(spec.cohort.min_clients), "allowed": "at least 9000"}),
    ], "every line of the policy, not the first alone"
    for data, facts in (
        (replace(FITTING, shape=(3, 7)), {"asked": "6", "yours": "3 x 7"}),
        (replace(FITTING, classes=4), {"most": 2, "yours": 3}),
        (replace(FITTING, classes=None), {"most": 2}),
        (replace(FITTING, examples=2**25), {"most": spec.schedule.max_examples, "yours": 2**25}),
        (replace(FITTING, examples=0), {}),
    ):
        (offer,) = look(directory, seeker(data=data))
        assert [dict(one.facts) for one in offer.obstacles] == [facts]


def test_a_task_that_is_full_or_admits_others_says_so_in_numbers() -> None:
    directory = Directory()
    spec = directory.spec()
    known = replace(spec, reputation=replace(spec.reputation, admission=5))
    directory.post(known)
    book = OfferBook(directory.ledger, directory.store)
    view, standing = directory.ledger.task(1), Standing(2, directory.time, 0, 7)
    with patch.object(directory.ledger, "standing", lambda _: standing):
        (offer,) = book.look(seeker())
    assert [(one.reason, one.facts) for one in offer.obstacles] == [(Reason.REPUTATION, {"yours": 2, "least": 5})]
    full = replace(view, enrolled=view.max_clients)
    with patch.object(directory.ledger, "task", lambda _: full):
        (offer,) = book.look(seeker())
    most = view.max_clients
    assert [(one.reason, one.facts) for one in offer.obstacles] == [(Reason.FULL, {"enrolled": most, "most": most})]


def test_a_spec_that_cannot_be_read_is_told_and_hides_no_other_task() -> None:
    directory = Directory()
    directory.post(directory.spec(title="hidden"), kept=False)
    directory.post(directory.spec())
    offers = {offer.task: offer for offer in look(directory, seeker())}
    assert offers[2].qualifies
    assert (reasons(offers[1]), offers[1].terms, offers[1].title, offers[1].figure) == ({Reason.SPEC}, None, "", None)


def test_a_task_that_is_over_is_offered_to_nobody() -> None:
    directory = Directory()
    spec = directory.spec()
    directory.post(spec)
    book = OfferBook(directory.ledger, directory.store)
    assert len(book.look(seeker())) == 1
    directory.time += spec.durations.task_seconds + 1
    directory.chain.mine()
    assert book.look(seeker()) == ()


def test_titles_are_shown_as_text_of_one_line() -> None:
    directory = Directory()
    directory.post(directory.spec(title="free money \u202etxt"))
    (offer,) = look(directory, seeker())
    assert "\u202e" not in offer.title and reasons(offer) == {Reason.UNRUNNABLE}
    assert offer.obstacles[0].line == "task.title"


@pytest.mark.parametrize(("opened", "first"), [(0, 1), (1, 3), (2, 3)])
def test_who_enrols_late_takes_part_from_the_next_window_on(opened: int, first: int, tmp_path: Path) -> None:
    server = PlayedServer(roster_rounds=2)
    server.reputations.pop(PHONE.address)
    for _ in range(opened):
        server.open(dict.fromkeys(server.reputations, 2) | {bytes(19) + b"\x07": 2})
        server.publish()
    book = OfferBook(cast(LedgerReader, server.chain), server.store)
    (offer,) = book.look(seeker(PHONE.address))
    assert (offer.first_round, offer.rounds) == (first, server.spec.rounds - first + 1)
    assert offer.qualifies, offer.obstacles
    phone = Phone(server, tmp_path)
    phone.steps(60)
    (offer,) = book.look(seeker(PHONE.address))
    assert reasons(offer) == {Reason.ENROLLED}


def test_a_phone_that_enrols_after_round_1_is_in_the_next_window_and_not_before(tmp_path: Path) -> None:
    server = PlayedServer(roster_rounds=2)
    others = {client: 2 for client in server.reputations if client != PHONE.address} | {bytes(19) + b"\x07": 2}
    server.open(others)
    server.publish()
    phone = Phone(server, tmp_path)
    phone.steps(60)
    server.open(others)  # round 2: of the window whose rosters were closed before this phone came
    phone.steps(100)
    assert 2 not in server.submitted and phone.charged() == set()
    server.commit_batch()
    server.publish()
    play_round(phone)
    assert len(server.submitted[3]) == 1 and phone.charged() == {3} and server.windows == [0]
    assert delivered(server) <= {3}


def test_facts_of_examples() -> None:
    arrays: dict[str, Any] = {
        "inputs": np.zeros((4, 2, 3), dtype=np.float32),
        "labels": np.array([0, 2, 1, 0], dtype=np.uint8),
    }
    assert data_facts(Examples(arrays)) == DataFacts(4, (2, 3), 3, False)
    numbers = {**arrays, "labels": np.array([0.5, 1, 2, 3], dtype=np.float32)}
    assert data_facts(Examples(numbers)).classes is None
