"""The owner is told everything before anything is sent, and a no is a no."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from client_agent.agent import Agent
from client_agent.consent import Disclosure
from client_agent.consent_text import as_text
from client_agent.journal import AgentJournal
from client_agent.privacy.ledger import HOME, PrivacyLedger
from protocol.canonical import encode
from protocol.messages.chain import EnrolmentView, Event, Standing, TaskPosted
from protocol.messages.learning import BayesianTerms, Layer, MechanismTerms, ModelSpec
from protocol.messages.screening_terms import ScreeningTerms
from protocol.messages.task import ReputationTerms, RewardTerms
from protocol.privacy.figure import PrivacyFigure
from protocol.round.planning import terms_of
from protocol.task.proposed_screening import screened
from storage.content.memory import MemoryStore
from storage.ledger.interface import Head
from storage.ledger.signer import Signer
from storage.records.journal import Journal
from storage.records.memory import MemoryRecords
from tests.samples import DOMAIN, private_key, sample_policy, with_terms
from tests.unit.client_agent.scene_consent import SPEC, told_of
from tests.unit.client_agent.scene_server import SmallTrainer
from tests.voucher_keys import KEYS

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
    "learning.mechanism.noise_multiplier_micro": lambda noise: noise // 2,
    "learning.mechanism.kind": lambda kind: "distributed",
    "learning.mechanism.unit": lambda unit: "appliance",
    "learning.mechanism.unit_examples": lambda examples: examples + 1,
    "learning.mechanism.honest_clients": lambda clients: clients + 1,
    "learning.mechanism.least_weight_ppm": lambda share: share,  # of "distributed": another test
    "learning.mechanism.separation": lambda rounds: rounds,  # of "correlated": another test
    "learning.mechanism.band_micro": lambda band: (-500_000,),
    "learning.bayesian.epsilon_micro": lambda epsilon: epsilon + 1,
    "learning.bayesian.delta_exponent": lambda exponent: exponent + 1,
    "learning.bayesian.held_out_ppm": lambda share: 2 * share,
    "learning.bayesian.rungs_micro": lambda rungs: rungs[:2],
    "learning.bayesian.default_rung": lambda rung: rung - 1,
    "learning.bayesian.selection_epsilon_micro": lambda epsilon: epsilon + 1,
    "control.max_local_steps": lambda steps: steps + 5,
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
    *(f"control.{name}" for name in ("phi_micro", "patience", "averaged_rounds", "step_cost_ppm")),
    "learning.optimiser.class_weights_micro",
    *(f"learning.server.{name}_micro" for name in ("rate", "momentum", "second_moment", "stability")),
    "learning.server.kind",
    *("durations.enrolment_seconds", "durations.commit_seconds", "durations.settle_seconds"),
    *("durations.roster_seconds", "cohort.flap_changes", "cohort.flap_rounds", "durations.objection_seconds"),
    *("durations.takeover_seconds", "deposits.edge_server", "deposits.authority"),
    *("rewards.edge_fee", "rewards.authority_fee"),
    *("schedule.training_seconds", "schedule.max_examples"),
    *(f"screening.{field.name}" for field in fields(ScreeningTerms)),  # of a screened task: a test of its own
    *("vouchers.modulus", "vouchers.roots"),  # that one is needed is told: a test of its own
}
WHOLE = (ModelSpec,)  # told as one


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


UNCHANGED = {"privacy.accountant", "learning.mechanism.least_weight_ppm", "learning.mechanism.separation"}


@pytest.mark.parametrize("name", sorted(TOLD.keys() - UNCHANGED))
def test_what_costs_money_data_or_privacy_is_a_fact_and_in_the_text(name: str) -> None:
    spec = _changed(SPEC, name.split("."), TOLD[name])
    told, usual = told_of(spec), told_of(SPEC)
    assert told != usual
    assert as_text(told) != as_text(usual)


def test_a_voucher_is_a_fact_and_in_the_text() -> None:
    told = told_of(replace(SPEC, vouchers=KEYS[0].terms()))
    assert told.needs_voucher and not told_of(SPEC).needs_voucher
    assert "a voucher, which the code of your appliance brings once" in as_text(told)
    assert "voucher" not in as_text(told_of(SPEC))


@pytest.mark.parametrize("field", fields(Disclosure), ids=lambda field: field.name)
def test_the_text_leaves_no_fact_out(field: Any) -> None:
    usual = told_of(SPEC)
    value = getattr(usual, field.name)
    match value:
        case int():
            other: Any = value + 10_000
        case str():
            other = value + "?"
        case bytes():
            other = bytes(len(value))
        case tuple() if field.name == "charges":
            other = tuple(
                replace(charge, figure=replace(charge.figure, epsilon_micro=charge.epsilon_micro + 10_000))
                for charge in value
            )
        case MechanismTerms():
            other = replace(value, clip_micro=value.clip_micro + 1)
        case BayesianTerms():
            other = replace(value, epsilon_micro=value.epsilon_micro + 1)
        case ScreeningTerms():
            other = ScreeningTerms("krum", 100, 50, 10)
        case PrivacyFigure():
            other = replace(value, epsilon_micro=value.epsilon_micro + 10_000)
        case tuple():
            other = (*value, value[0])
        case RewardTerms():
            other = replace(value, participation=value.participation + 1)
        case ReputationTerms():
            other = replace(value, maximum=value.maximum + 1)
    assert as_text(replace(usual, **{field.name: other})) != as_text(usual)


SCREENED = screened(replace(SPEC, rounds=9, learning=replace(SPEC.learning, bayesian=BayesianTerms())), "foolsgold", 2)
UNTOLD = {"clip", "suspects_ppm", "slack_ppm", "floor_ppm", "idle_ppm", "copy_ppm"}  # how a verdict is reached


@pytest.mark.parametrize("name", sorted({field.name for field in fields(ScreeningTerms)} - UNTOLD))
def test_of_a_screened_task_every_term_that_tells_of_an_owner_is_in_the_text(name: str) -> None:
    other: Any = {"rule": "krum", "unopened": "continue"}.get(name) or getattr(SCREENED.screening, name) + 2
    changed = replace(SCREENED, screening=replace(SCREENED.screening, **{name: other}))
    assert as_text(told_of(changed)) != as_text(told_of(SCREENED))


def test_what_a_screened_task_opens_is_told_and_nothing_of_it_elsewhere() -> None:
    text, usual = as_text(told_of(SCREENED)), as_text(told_of(SPEC))
    for part in (
        "How your updates are compared with those of others", "how many examples you have is no secret",
        "how long each of its updates is", "anybody can tell most of your mean update", "adds nothing to the figures",
    ):  # fmt: skip
        assert part in text and part not in usual
    assert "  - how many they are\n" in usual and "  - how many they are\n" not in text
    assert "3 or more of the 3 key authorities" in text
    assert max(len(line) for line in text.splitlines()) <= 220


def test_says_what_is_sent_kept_public_and_left() -> None:
    told = told_of(SPEC)
    text = as_text(told)
    for part in ("sent in every round", "never sent", "becomes public, for ever", "budget 20.000", "leave at any time"):
        assert part in text
    for fact in (*told.sent_every_round, *told.sent_once, *told.never_sent, *told.public_for_ever):
        assert f"\n  - {fact}\n" in text
    assert "42 examples" in text
    assert "11 of the model's 21 numbers" in text  # half of the coordinates
    assert max(len(line) for line in text.splitlines()) <= 220


def test_coordinates_that_are_always_sent_count_as_sent() -> None:
    two_layers = tuple(Layer("linear", {"outputs": outputs, "bias": 1}) for outputs in (2, 3))
    sparse = replace(SPEC, model=ModelSpec((60,), 3, two_layers), learning=with_terms(SPEC.learning, density_ppm=1))
    assert told_of(sparse).sent_parameters == 12  # all biases, the last layer, and one that has its turn


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

    def events(self, *_: Any) -> list[Event]:
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
