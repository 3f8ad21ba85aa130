"""Whether a task can be screened as its terms say, and what its manufacturer should know of that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from protocol.encryption import suite as suites
from protocol.encryption.port import largest_value
from protocol.errors import MalformedError, SpecError
from protocol.messages.learning import MICRO
from protocol.messages.screening import MAX_HISTORIES
from protocol.messages.screening_terms import ALIGNMENT, FOOLSGOLD, MAX_SCREENED
from protocol.messages.task import TaskSpec
from protocol.privacy.figure import OpenedFigure
from protocol.privacy.spending import planned, spent
from protocol.round.planning import sent_parameters
from protocol.round.screening_answers import least_answers
from protocol.round.update_noise import longest_of, longest_sent, variance_of
from protocol.screening.openings import needed

PACKING: Final = 6  # bytes of a word: with four, norms of updates could be made to wrap
ENOUGH_ROUNDS: Final = 20  # of histories, before they tell anybody apart through noise
OWN_MARGIN: Final = (2401, 2500)  # .98 squared: of its bound on norms, what a phone takes at most


def check_screenable(spec: TaskSpec) -> None:
    """Raises SpecError for the first line with which a screened task could not be screened."""
    if not spec.screening.on:
        return
    for check in (_check_suite, _check_committee, _check_cohort, _check_noise, _check_histories, _check_norms):
        check(spec)


def screening_doubts(spec: TaskSpec) -> Iterator[str]:
    """Of a task that can run: one line each, the task file's line first."""
    terms, committee = spec.screening, spec.committee
    if not terms.on:
        return
    if len(committee.members) < (most := 2 * committee.threshold + 1):
        yield (
            f"committee.members: {len(committee.members)} open what screening asks, and when one lies nobody can say"
            f" which; {most} can"
        )
    if len(committee.members) == least_answers(committee):
        yield "committee.members: all of them have to answer before a round can be screened"
    if terms.rule == ALIGNMENT:
        yield "screening.rule: alignment says nothing of households whose data are not alike; foolsgold is for these"
    if terms.rule == FOOLSGOLD:
        yield "screening.rule: foolsgold takes honest households whose data are alike for one; alignment is for these"
    if noise_hides(spec) and terms.probation < ENOUGH_ROUNDS:
        yield (
            f"screening.probation: with this noise histories tell nobody apart before some {ENOUGH_ROUNDS} rounds,"
            f" and the model moves after {terms.probation}"
        )
    if noise_hides(spec) and terms.copy_ppm > MICRO // 2:
        yield "screening.copy: so much of an update is noise that a copy looks like none; 0.3 finds most of them"
    if terms.clip < (longest := longest_of(spec, spec.schedule.max_examples)):
        yield (
            f"screening.clip: updates of {spec.schedule.max_examples} examples that pull in one direction are"
            f" {longest} long; phones with much data may have to send noise alone"
        )
    elif not _fits(longest_sent(terms.clip, variance_of(spec), sent_parameters(spec)), terms.norm_bound):
        yield "screening.norm_bound: leaves little room for noise; some phones will have to send noise alone"


def noise_hides(spec: TaskSpec) -> bool:
    """A typical household's update is shorter than its noise."""
    noise = variance_of(spec) * sent_parameters(spec)
    return noise > longest_of(spec, spec.learning.optimiser.reference_count) ** 2


def _check_suite(spec: TaskSpec) -> None:
    if spec.suite != suites.PAD:
        raise SpecError("task.suite", f'a screened task needs "{suites.PAD}": with no other can sketches be opened')
    if spec.learning.encoding.packing != PACKING:
        given = spec.learning.encoding.packing
        raise SpecError("learning.encoding.packing", f"{given}: a screened task needs {PACKING}, or norms could wrap")


def _check_committee(spec: TaskSpec) -> None:
    committee = spec.committee
    least = needed(committee.threshold)
    if len(committee.members) < least:
        raise SpecError(
            "committee.members",
            f"{len(committee.members)}: with a threshold of {committee.threshold} inner products are opened by"
            f" {least} answers; more members, or a lower threshold",
        )


def _check_cohort(spec: TaskSpec) -> None:
    cohort = spec.cohort
    if cohort.max_cohort > MAX_SCREENED:
        why = f"{cohort.max_cohort} is more than the {MAX_SCREENED} clients whose updates can be compared in a round"
        raise SpecError("cohort.max_cohort", why)
    if cohort.max_clients > MAX_HISTORIES:
        why = f"{cohort.max_clients} is more than the {MAX_HISTORIES} clients whose histories can be compared"
        raise SpecError("cohort.max_clients", why)


def _check_noise(spec: TaskSpec) -> None:
    """What a figure counts, and whether everybody knows how long an update's noise is."""
    learning = spec.learning
    if learning.mechanism.kind == "distributed":
        why = "distributed: noise that is counted in a sum bounds nothing where single updates are compared"
        raise SpecError("learning.mechanism.kind", why)
    if learning.mechanism.kind == "correlated":
        why = "correlated: a history has less noise than its updates, so its length cannot be told from the noise's"
        raise SpecError("learning.mechanism.kind", why)
    try:
        OpenedFigure(spent(planned(spec, 1), learning, spec.privacy).figure)
    except MalformedError as error:
        raise SpecError("learning.mechanism.honest_clients", str(error.args[0])) from error
    if learning.bayesian.selection_epsilon_micro:
        why = "lets each phone choose its noise, whose length screening has to know"
        raise SpecError("learning.bayesian.selection_epsilon", why)
    if spec.control.max_local_steps:
        why = (
            f"{spec.control.max_local_steps}: the updates in a history have to have one known noise, so no round adapts"
        )
        raise SpecError("control.max_local_steps", why)


def _check_histories(spec: TaskSpec) -> None:
    if spec.learning.sparsity.density_ppm != MICRO:
        raise SpecError(
            "learning.sparsity.density",
            f"{spec.learning.sparsity.density_ppm / MICRO:g}: who comes for some numbers alone is never compared with"
            " who comes for others; a screened task sends all in each round, with density 1 and scale 1",
        )
    if spec.screening.probation >= spec.rounds:
        why = f"{spec.screening.probation} of {spec.rounds} rounds would move no model, so none ever moves"
        raise SpecError("screening.probation", why)


def _check_norms(spec: TaskSpec) -> None:
    terms, bits = spec.screening, spec.learning.quantiser.bits
    largest = largest_value(bits)
    if 5 * terms.norm_bound**2 > 4 * largest**2:
        raise SpecError(
            "screening.norm_bound",
            f"{terms.norm_bound}: an update within it can have a number beyond the {largest} of {bits} bits, with which"
            " no sum is opened; more learning.quantiser.bits",
        )
    noise = longest_sent(0, variance_of(spec), sent_parameters(spec))
    if not _fits(noise, terms.norm_bound):
        why = f"{terms.norm_bound} is less than the noise of an update needs, which is up to {noise} long"
        raise SpecError("screening.norm_bound", why)


def _fits(length: int, bound: int) -> bool:
    """As a phone asks of its own update."""
    part, whole = OWN_MARGIN
    return whole * length**2 <= part * bound**2
