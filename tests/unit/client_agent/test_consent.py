"""The owner is told everything before anything is sent, and a no is a no."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from client_agent.agent import Agent
from client_agent.binding import TaskBinding
from client_agent.consent import Disclosure, disclose
from client_agent.consent_text import as_text
from client_agent.journal import AgentJournal
from client_agent.privacy.ledger import HOME, DataUse, PrivacyLedger, Spending
from protocol.canonical import encode
from protocol.errors import MalformedError
from protocol.messages.chain import EnrolmentView, Event, Standing, TaskPosted
from protocol.messages.task import Layer, ModelSpec, ReputationTerms, RewardTerms, TaskSpec
from protocol.privacy.spending import spent
from protocol.round.planning import terms_of
from storage.content.memory import MemoryStore
from storage.ledger.interface import Head
from storage.ledger.signer import Signer
from storage.records.journal import Journal
from storage.records.memory import MemoryRecords
from tests.samples import DOMAIN, private_key, sample_policy, sample_spec, with_terms
from tests.unit.client_agent.scene_server import SmallTrainer

SPEC = sample_spec(durations=replace(sample_spec().durations, takeover_seconds=100))
# Field of the spec -> a change of it that the owner must be told of: it costs money, data or privacy.
TOLD: Mapping[str, Callable[[Any], Any]] = {
    "title": lambda title: title + "?",
    "model": lambda model: replace(model, layers=(Layer("linear", {"outputs": 3, "bias": 0}),)),
    "rounds": lambda rounds: rounds + 1,
    "edge_server": lambda address: b"\x09" * 20,
    "edge_substitutes": lambda addresses: (b"\x08" * 20,),
    "committee.threshold": lambda threshold: threshold + 1,
    "committee.corrupt": lambda corrupt: corrupt + 1,
    "committee.members": lambda members: members[:2],
    "learning.mechanism.local_steps": lambda steps: steps + 1,
    "learning.mechanism.sampling_rate_ppm": lambda rate: rate // 2,
    "learning.mechanism.clip_micro": lambda clip: 2 * clip,
    "learning.mechanism.noise_multiplier_micro": lambda noise: 2 * noise,
    "learning.sparsity.density_ppm": lambda density: density // 2,
    "privacy.epsilon_budget_micro": lambda budget: 2 * budget,
    "privacy.delta_exponent": lambda exponent: exponent + 1,
    "privacy.accountant": lambda name: name,  # one that the phone lacks is refused: another test
    "cohort.min_clients": lambda clients: clients + 1,
    "cohort.max_clients": lambda clients: clients + 1,
    "cohort.max_cohort": lambda clients: clients - 1,
    "cohort.max_share_ppm": lambda share: share // 2,
    "cohort.roster_rounds": lambda rounds: rounds + 1,
    "reputation.initial": lambda points: points + 1,
    "reputation.floor": lambda points: points + 1,
    "reputation.maximum": lambda points: points + 1,
    "reputation.waiting_rounds": lambda rounds: rounds - 1,
    "reputation.waiting_seconds": lambda seconds: seconds + 1,
    "reputation.admission": lambda points: points + 1,
    "reputation.sources": lambda sources: (*sources, b"\x78" * 20),
    "rewards.participation": lambda amount: amount + 1,
    "rewards.contribution": lambda amount: amount + 1,
    "rewards.target_gain_ppm": lambda gain: gain // 2,
    "rewards.token": lambda token: b"\x77" * 20,
    "durations.task_seconds": lambda seconds: seconds + 1,
    "durations.claim_seconds": lambda seconds: seconds + 1,
    "durations.dispute_seconds": lambda seconds: seconds + 1,
    "deposits.client": lambda amount: amount + 1,
}
NOT_TOLD = {  # they cost the owner nothing
    *("version", "suite", "initial_model", "test_set", "confirmations"),
    *("learning.optimiser.learning_rate_micro", "learning.optimiser.reference_count", "learning.encoding.packing"),
    "learning.sparsity.scale_micro",
    *("learning.quantiser.bound_micro", "learning.quantiser.bits"),
    *("durations.enrolment_seconds", "durations.commit_seconds", "durations.settle_seconds"),
    *("durations.roster_seconds", "cohort.flap_changes", "cohort.flap_rounds", "durations.objection_seconds"),
    *("durations.takeover_seconds", "deposits.edge_server", "deposits.authority"),
    *("rewards.edge_fee", "rewards.authority_fee"),
    *("schedule.training_seconds", "schedule.max_examples"),
}
LIMITS = sample_policy().privacy
WHOLE = (ModelSpec,)  # told as one
BINDING = TaskBinding.of(DOMAIN, 7, b"\5" * 32)


def _charged(spec: TaskSpec, rounds: int) -> Spending:
    use = DataUse(HOME, BINDING, b"\6" * 32, spec.learning.mechanism)
    return Spending(charged={use: frozenset(range(1, rounds + 1))})


def _told(spec: TaskSpec) -> Disclosure:
    """After one round of 42 examples."""
    return disclose(spec, BINDING, 42, HOME, _charged(spec, 1), LIMITS)


def _names(value: Any, prefix: str = "") -> Iterator[str]:
    for field in fields(value):
        part = getattr(value, field.name)
        if is_dataclass(part) and not isinstance(part, WHOLE):
            yield from _names(part, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name


def _changed(value: Any, path: Sequence[str], change: Callable[[Any], Any]) -> Any:
    part = getattr(value, path[0])
    return replace(value, **{path[0]: _changed(part, path[1:], change) if path[1:] else change(part)})


def test_every_field_of_the_spec_is_either_told_or_costs_nothing() -> None:
    assert set(_names(SPEC)) == TOLD.keys() | NOT_TOLD
    assert not TOLD.keys() & NOT_TOLD


@pytest.mark.parametrize("name", [name for name in TOLD if name != "privacy.accountant"])
def test_what_costs_money_data_or_privacy_is_a_fact_and_in_the_text(name: str) -> None:
    spec = _changed(SPEC, name.split("."), TOLD[name])
    told, usual = _told(spec), _told(SPEC)
    assert told != usual
    assert as_text(told) != as_text(usual)


@pytest.mark.parametrize("field", fields(Disclosure), ids=lambda field: field.name)
def test_the_text_leaves_no_fact_out(field: Any) -> None:
    usual = _told(SPEC)
    value = getattr(usual, field.name)
    match value:
        case int():
            other: Any = value + 10_000
        case str():
            other = value + "?"
        case bytes():
            other = bytes(len(value))
        case tuple() if field.name == "charges":
            other = tuple(replace(charge, epsilon_micro=charge.epsilon_micro + 10_000) for charge in value)
        case tuple():
            other = (*value, value[0])
        case RewardTerms():
            other = replace(value, participation=value.participation + 1)
        case ReputationTerms():
            other = replace(value, maximum=value.maximum + 1)
    assert as_text(replace(usual, **{field.name: other})) != as_text(usual)


def test_says_what_is_sent_kept_public_and_left() -> None:
    told = _told(SPEC)
    text = as_text(told)
    for part in ("sent in every round", "never sent", "becomes public, for ever", "budget 20.000", "leave at any time"):
        assert part in text
    for fact in (*told.sent_every_round, *told.sent_once, *told.never_sent, *told.public_for_ever):
        assert f"\n  - {fact}\n" in text
    assert "42 examples" in text
    assert "11 of the model's 21 numbers" in text  # half of the coordinates
    assert max(len(line) for line in text.splitlines()) <= 160


def test_privacy_is_told_as_spent_next_and_all() -> None:
    told = _told(SPEC)
    mechanism, privacy = SPEC.learning.mechanism, SPEC.privacy
    so_far, next_round, all_rounds = told.charges
    assert told.charges == tuple(spent(mechanism, privacy, rounds) for rounds in (1, 2, SPEC.rounds))
    text, left = as_text(told), 20 - so_far.epsilon
    assert f"spent so far {so_far.epsilon:.3f}, left {left:.3f}" in text
    assert f"one more round makes it {next_round.epsilon:.3f}" in text
    for assumption in so_far.assumptions:
        assert assumption in text
    assert "more than the budget" not in text
    small = replace(privacy, epsilon_budget_micro=all_rounds.epsilon_micro - 1)
    assert "more than the budget" in as_text(_told(replace(SPEC, privacy=small)))


def test_coordinates_that_are_always_sent_count_as_sent() -> None:
    two_layers = tuple(Layer("linear", {"outputs": outputs, "bias": 1}) for outputs in (2, 3))
    sparse = replace(SPEC, model=ModelSpec((60,), 3, two_layers), learning=with_terms(SPEC.learning, density_ppm=1))
    assert _told(sparse).sent_parameters == 12  # all biases, the last layer, and one that has its turn


def test_a_task_whose_figures_this_phone_cannot_check_is_refused() -> None:
    with pytest.raises(MalformedError):
        _told(replace(SPEC, privacy=replace(SPEC.privacy, accountant="UNKNOWN/1")))


def test_a_task_without_noise_is_told_as_one_without_a_guarantee() -> None:
    told = _told(replace(SPEC, learning=with_terms(SPEC.learning, noise_multiplier_micro=0)))
    text = as_text(told)
    assert told.charges == ()
    assert "NOTHING limits what it can reveal" in text
    for word in ("differential privacy", "budget", "your own noise", "noised"):
        assert word not in text


def test_what_all_tasks_have_cost_is_told() -> None:
    spending = _charged(SPEC, 2)
    other = DataUse(HOME, replace(BINDING, task=8), b"\7" * 32, SPEC.learning.mechanism)
    for number in (1, 2, 3):
        spending = spending.with_round(other, number)
    told = disclose(SPEC, BINDING, 42, HOME, spending, LIMITS)
    mechanism, privacy = SPEC.learning.mechanism, SPEC.privacy
    assert told.data_set_micro == spent(mechanism, privacy, 2 + 3).epsilon_micro
    assert told.data_set_after_micro == spent(mechanism, privacy, SPEC.rounds + 3).epsilon_micro
    assert told.charges[0] == spent(mechanism, privacy, 2)


class _Forbidden:
    """Whoever touches this has sent something."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was used without consent")


class _Ledger:
    domain = DOMAIN

    def enrolment(self, _: int, client: bytes) -> EnrolmentView:
        return EnrolmentView(bytes(32), 0, 0, 0, False, False)

    def task(self, _: int) -> Any:
        return SimpleNamespace(
            last_round=0, rounds=1, stopped=False, enrolled=0, min_clients=1, max_clients=2, enrol_until=600,
            task_until=9_000,
        )  # fmt: skip

    def standing(self, _: bytes) -> Standing:
        return Standing(0, 0, 0, 0)

    def head(self) -> Head:
        return Head(1, bytes(32), now=10)

    def events(self, *_: int) -> list[Event]:
        place: dict[str, Any] = {"block": 1, "log_index": 0, "transaction": bytes(32), "task": 1}
        deadlines: dict[str, Any] = {"enrol_until": 600, "task_until": 9_000, "claim_until": 9_999}
        return [TaskPosted(**place, **deadlines, manufacturer=bytes(20), terms=terms_of(SPEC), escrow=0)]


def test_without_consent_nothing_is_sent_or_kept(tmp_path: Path) -> None:
    store, told = MemoryStore(), list[str]()
    store.put(encode(SPEC))
    before = dict(store.objects)
    journal = AgentJournal(Journal(tmp_path / "journal"))
    anything: Any = _Forbidden()
    ledger: Any = _Ledger()
    agent = Agent(
        task=1,
        signer=Signer(private_key("client")),
        ledger=ledger,
        store=store,
        edge=anything,
        journal=journal,
        privacy=PrivacyLedger(MemoryRecords),
        data_set=HOME,
        policy=sample_policy(),
        proofs=tmp_path,
        make_trainer=lambda _: SmallTrainer(),
        measure=lambda _: 0.0,
        randomness=anything,
        tell=told.append,
        agree=lambda _: False,
    )
    assert agent.run() is False
    assert len(told) == 1
    assert store.objects == before
    assert not journal.has_keys
    assert journal.envelope is None
    journal.close()
