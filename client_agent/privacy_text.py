"""What a task costs in privacy, as its owner reads it before the phone enrols: every figure with all that it means."""

from __future__ import annotations

from collections.abc import Iterator

from client_agent.consent import Disclosure
from protocol.messages.learning import MICRO
from protocol.privacy.mechanisms import has_guarantee, unit_of


def privacy_of(told: Disclosure) -> Iterator[str]:
    """One fact each."""
    if not told.charges:
        yield "this task adds no noise: NOTHING limits what it can reveal of single examples, and no figure covers it"
    elif not has_guarantee(told.mechanism):
        yield "NOTHING limits what this task can reveal of single examples: it repeats a paper's method to study it"
    if told.charges:
        yield from _charges(told)
        yield from _mechanism(told)
    yield from _bayesian(told)
    limit = told.data_set_limit_micro / MICRO
    yield f"all tasks together have cost the data set {told.data_set} so far: {told.data_set_figure}"
    yield f"once this task is over: {told.data_set_after}; your policy allows epsilon {limit:.3f}"
    if told.rounds_without_guarantee:
        yield f"and {told.rounds_without_guarantee} rounds without a guarantee, which no figure covers"


def _charges(told: Disclosure) -> Iterator[str]:
    so_far, charge, all_rounds = told.charges
    budget = told.budget_micro / MICRO
    yield f"the whole task costs at most: {all_rounds.figure}"
    yield from (f"even if nobody else is honest: {own}" for own in all_rounds.own)
    yield f"budget {budget:.3f}, spent so far {so_far.epsilon:.3f}, left {budget - so_far.epsilon:.3f}"
    yield f"one more round makes it {charge.epsilon:.3f}, the whole task {all_rounds.epsilon:.3f}"
    if all_rounds.epsilon_micro > told.budget_micro:
        yield "that is more than the budget: in every round that would exceed it your update holds no examples"
    yield "a round counts as soon as its training starts, even if its update is lost"
    yield from (f"the figure {assumption}" for assumption in all_rounds.assumptions)


def _mechanism(told: Disclosure) -> Iterator[str]:
    mechanism, unit = told.mechanism, unit_of(told.mechanism)
    adapted = f", adapted up to {told.most_local_steps}" if told.most_local_steps != mechanism.local_steps else ""
    yield (
        f"training steps in a round: {mechanism.local_steps}{adapted}; each takes every {unit} with a chance of"
        f" {mechanism.sampling_rate_ppm / 10_000:g} %"
    )
    least = "at least " if _rungs_differ(told) else ""
    yield (
        f"one {unit} can change a sum of this task ({mechanism.kind}) by {mechanism.clip_micro / MICRO:.10g} at most;"
        f" the noise on every number is {least}{mechanism.noise_multiplier_micro / MICRO:.10g} times as large"
    )
    if mechanism.unit_examples > 1:
        yield f"of one {unit} a step takes {mechanism.unit_examples} examples at most"
    if mechanism.honest_clients > 1:
        yield f"a client weighs {mechanism.least_weight_ppm / 10_000:g} % of the one that weighs most, or more"
    if mechanism.band_micro:
        band = ", ".join(f"{number / MICRO:.10g}" for number in mechanism.band_micro)
        yield f"an example is used every {mechanism.separation} rounds; noise of earlier rounds is taken back: {band}"


def _bayesian(told: Disclosure) -> Iterator[str]:
    terms = told.bayesian
    if not terms.epsilon_micro:
        return
    rungs = ", ".join(f"{rung / MICRO:.10g}" for rung in terms.rungs_micro)
    yield (
        "beside it this phone shows you, and only you, a Bayesian figure, for examples like those that it holds out and"
        f" for no unusual one: its target is epsilon {terms.epsilon_micro / MICRO:.10g} at delta"
        f" 1e-{terms.delta_exponent}"
    )
    yield (
        f"each example is held out with a chance of {terms.held_out_ppm / 10_000:g} % and never trained on; whether the"
        " target is met changes nothing that is sent"
    )
    usual = terms.rungs_micro[terms.default_rung] / MICRO
    if _rungs_differ(told):
        yield f"the noise is one of {rungs} times the clip, by default {usual:g} times"
    if terms.selection_epsilon_micro:
        yield (
            "this phone chooses among them once, by lot, before it trains: that costs epsilon"
            f" {terms.selection_epsilon_micro / MICRO:.10g}, which is counted in all figures above"
        )


def _rungs_differ(told: Disclosure) -> bool:
    """From the floor, or from each other."""
    return bool(set(told.bayesian.rungs_micro) - {told.mechanism.noise_multiplier_micro})
