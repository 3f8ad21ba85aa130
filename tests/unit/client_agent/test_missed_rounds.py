"""What a restored phone keeps of rounds that it cannot remember: nothing less than they can have cost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from client_agent.binding import TaskBinding
from client_agent.journal import AgentJournal
from client_agent.missed_rounds import MissedRound, dearest_charged, dearest_of, followed_as_dearest
from client_agent.privacy.example_budgets import ExampleBudgets
from client_agent.privacy.ledger import HOME, DataUse, PrivacyLedger, Spending
from client_agent.privacy.own_figures import own_figures
from protocol.messages.learning import MICRO
from storage.records.memory import MemoryRecords
from tests.samples import DOMAIN, sample_policy, sample_spec, with_terms

SPEC = sample_spec()
BINDING = TaskBinding.of(DOMAIN, 1, bytes(32))


def test_every_example_may_have_been_in_every_step_of_a_missed_round() -> None:
    missed = tuple(MissedRound(number, dearest_of(SPEC)) for number in (2, 3))
    journal, names = AgentJournal(MemoryRecords()), np.arange(3, dtype=np.uint64)
    journal.restore(b"\x07" * 32)
    journal.resume(3, followed_as_dearest(SPEC, missed), enrolled=False)
    assert (journal.is_resumed, journal.passed, len(journal.followed)) == (True, 3, 2)
    figures = own_figures(journal.followed)
    assert figures is not None and figures.rounds == 2 and figures.bayesian == ()
    assert figures.steps == 2 * SPEC.learning.mechanism.local_steps
    spent = ExampleBudgets(1000 * MICRO, SPEC, lambda: journal.followed).admission(SPEC.learning, names).budgets
    fresh = ExampleBudgets(1000 * MICRO, SPEC, lambda: ()).admission(SPEC.learning, names).budgets
    assert (spent.spent > fresh.spent).all()


def test_the_dearest_is_what_the_task_may_ever_plan() -> None:
    adaptive = replace(SPEC, control=replace(SPEC.control, max_local_steps=9))
    assert dearest_of(adaptive).mechanism.local_steps == 9
    few, many = (with_terms(SPEC.learning, local_steps=steps).mechanism for steps in (1, 5))
    charged = {DataUse(HOME, BINDING, bytes(32), one): frozenset({1}) for one in (many, few)}
    found = dearest_charged(Spending(charged=charged), BINDING)
    assert found is not None and found.mechanism == many
    assert dearest_charged(Spending(charged=charged), replace(BINDING, task=2)) is None


def test_what_is_spent_is_charged_beyond_any_limit_and_once_for_one_phone() -> None:
    records = MemoryRecords()
    privacy, mechanism = PrivacyLedger(lambda: records), SPEC.learning.mechanism
    first, later = (DataUse(HOME, BINDING, digest, mechanism) for digest in (b"\x01" * 32, b"\x02" * 32))
    for number in range(1, 200):
        privacy.record(first, number, frozenset())
    limits = sample_policy().privacy
    assert privacy.spending().figure(HOME, limits.total_delta_exponent).epsilon_micro > limits.total_epsilon
    privacy.record(later, 7, frozenset({first.envelope}))
    assert later not in privacy.spending().charged
    privacy.record(later, 7, frozenset())
    assert privacy.spending().charged[later] == {7}
