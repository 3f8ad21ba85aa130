"""A round's verdict from its openings: integers alone, the same bits for edge server, authorities and auditors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from protocol.errors import EncryptionError, Party, VerificationError
from protocol.identifiers import Address, Digest, Label
from protocol.messages.screening import GRAM, HISTORY, NORM, RULE, ClientLevel, ScreeningVerdict, StepSum
from protocol.messages.screening_terms import ALIGNMENT, FOOLSGOLD, KRUM, ScreeningTerms
from protocol.messages.settlement import Rejection
from protocol.screening.alignment import alignment, alignments
from protocol.screening.arithmetic import Integers
from protocol.screening.contribution import (
    contribution_shares,
    copies,
    idle_by_alignment,
    idle_by_length,
    projections,
)
from protocol.screening.copied_steps import add_steps, copied_steps
from protocol.screening.foolsgold import foolsgold
from protocol.screening.krum import krum, lower_median
from protocol.screening.norms import (
    PPM,
    check_diagonal,
    corrected_norms,
    out_of_range,
    too_long_histories,
    within_norms,
)
from protocol.screening.sketch import BLOCKS
from protocol.screening.windows import LEAST_UPDATES


@dataclass(frozen=True)
class Screened:
    """What is known of a round before its openings; everything in it is public."""

    label: Label
    request: Digest
    round: int
    terms: ScreeningTerms
    noise: int  # E: expected squared norm of one update's noise
    weights: Mapping[Address, int]  # y of every client whose update came, 0 too
    counts: Mapping[Address, int]  # updates in each history that is opened
    step_noise: int = 0  # expected squared norm of the noise in the first public vector, the model's last step; 0: none
    before: tuple[StepSum, ...] = ()  # of the last verdict of the task

    @property
    def clients(self) -> tuple[Address, ...]:
        return tuple(sorted(self.weights))

    @property
    def histories(self) -> tuple[Address, ...]:
        return tuple(sorted(self.counts))


@dataclass(frozen=True, eq=False)
class Openings:
    """Centred modulo p. Rows are clients ascending; those of public vectors follow in ``gram``."""

    gram: Integers  # shape (n + u, n + u)
    norms: Integers  # shape (4 n,)
    history: Integers  # shape (h, h)


@dataclass(frozen=True)
class _Histories:
    """Of those that pass: who they are, and what is said of them."""

    clients: tuple[Address, ...]
    wrapped: frozenset[Address]
    too_long: frozenset[Address]
    gram: Integers
    counts: tuple[int, ...]


def decide_screened(screened: Screened, openings: Openings) -> ScreeningVerdict:
    """Raises EncryptionError ``E_PARAMS`` for openings of other sizes, VerificationError ``E_GRAM_RANGE`` for ones that
    contradict each other."""
    clients, terms = screened.clients, screened.terms
    _check_shapes(screened, openings)
    check_diagonal(openings.gram, openings.norms)
    reasons: dict[Address, str] = {}

    fits = within_norms(openings.norms, terms.norm_bound)
    inside = [i for i, fit in enumerate(fits) if fit]
    wrapped = out_of_range(openings.gram, inside)
    passed = [i for i in inside if i not in wrapped]
    reasons |= {clients[i]: NORM for i, fit in enumerate(fits) if not fit}
    reasons |= {clients[i]: GRAM for i in wrapped}

    histories = _passing(screened, openings.history)
    for client in histories.wrapped | histories.too_long:
        reasons.setdefault(client, GRAM if client in histories.wrapped else HISTORY)
    place = {client: i for i, client in enumerate(clients)}
    compared = [
        i
        for i in passed
        if clients[i] not in reasons and (screened.weights[clients[i]] > 0 or clients[i] not in screened.counts)
    ]
    scores = _scores(histories, [clients[i] for i in compared])
    out, stated, levels = _rule(screened, openings, histories, [clients[i] for i in compared], scores)
    for client in out:
        reasons.setdefault(client, RULE)

    standing = [i for i in passed if clients[i] not in reasons and screened.weights[clients[i]] > 0]
    accepted = [] if screened.round <= terms.probation else standing
    chosen = openings.gram[np.ix_(accepted, accepted)]
    projected = projections(chosen, [screened.weights[clients[i]] for i in accepted], screened.noise)
    names = tuple(clients[i] for i in accepted)
    steps = _steps(screened, openings, standing)
    idle = _idle(screened, openings, histories, passed, scores)
    idle |= copied_steps(steps, {clients[i] for i in standing}) & {clients[i] for i in passed}
    aligned = scores if scores and lower_median(list(scores.values())) > 0 else {}
    return ScreeningVerdict(
        screened.label,
        screened.request,
        tuple(clients[i] for i in passed),
        names,
        tuple(Rejection(client, reasons[client]) for client in sorted(reasons) if client in place),
        stated,
        levels,
        contribution_shares(names, idle, aligned, dict(zip(names, projected, strict=True))),
        tuple(sorted(idle)),
        screened.round - 1,
        steps,
    )


def check_verdict(shown: ScreeningVerdict, derived: ScreeningVerdict) -> None:
    """What an authority asks before it releases its sum key: VerificationError ``E_VERDICT`` (fault: edge server)."""
    if shown != derived:
        raise VerificationError(
            "the verdict does not follow from the openings", code="E_VERDICT", fault=Party.EDGE_SERVER
        )


def _passing(screened: Screened, matrix: Integers) -> _Histories:
    everyone, terms = screened.histories, screened.terms
    counts = [screened.counts[client] for client in everyone]
    lost = out_of_range(matrix, range(len(everyone)))
    diagonal = matrix.diagonal().tolist()
    long = too_long_histories(diagonal, counts, screened.noise, terms.clip, terms.slack_ppm)
    kept = [i for i in range(len(everyone)) if i not in lost and not long[i]]
    return _Histories(
        tuple(everyone[i] for i in kept),
        frozenset(everyone[i] for i in lost),
        frozenset(client for client, is_long in zip(everyone, long, strict=True) if is_long),
        matrix[np.ix_(kept, kept)],
        tuple(counts[i] for i in kept),
    )


def _scores(histories: _Histories, compared: Sequence[Address]) -> dict[Address, int]:
    """Alignment of the compared clients that have a history."""
    own = [i for i, client in enumerate(histories.clients) if client in set(compared)]
    scores = alignments(histories.gram[np.ix_(own, own)], [histories.counts[i] for i in own])
    return {} if scores is None else {histories.clients[i]: score for i, score in zip(own, scores, strict=True)}


def _rule(
    screened: Screened,
    openings: Openings,
    histories: _Histories,
    compared: Sequence[Address],
    scores: Mapping[Address, int],
) -> tuple[frozenset[Address], bool, tuple[ClientLevel, ...]]:
    """Who is out by the task's rule, whether it states anything, and the levels that it gives for the next round."""
    terms, clients = screened.terms, screened.clients
    if terms.rule == KRUM:
        rows = [clients.index(client) for client in compared]
        chosen = krum(openings.gram[np.ix_(rows, rows)], terms.suspects_ppm * len(rows) // PPM)
        return _named(chosen, compared), chosen is not None, ()
    if terms.rule == ALIGNMENT:
        judged = sorted(scores)
        chosen = alignment([scores[client] for client in judged])
        return _named(chosen, judged), chosen is not None, ()
    assert terms.rule == FOOLSGOLD
    # over all histories, also of those at level 0: else one of two equal clients would come back when both are down
    diagonal = histories.gram.diagonal().tolist()
    corrected = corrected_norms(diagonal, histories.counts, screened.noise, terms.floor_ppm)
    levels = dict.fromkeys(screened.histories, 0)
    levels |= dict(zip(histories.clients, foolsgold(histories.gram, corrected), strict=True))
    return frozenset(), len(histories.clients) > 1, tuple(ClientLevel(c, level) for c, level in sorted(levels.items()))


def _named(chosen: frozenset[int] | None, clients: Sequence[Address]) -> frozenset[Address]:
    return frozenset() if chosen is None else frozenset(clients[i] for i in chosen)


def _idle(
    screened: Screened,
    openings: Openings,
    histories: _Histories,
    passed: Sequence[int],
    scores: Mapping[Address, int],
) -> frozenset[Address]:
    """Free riders among those whose update passed: by length, by alignment, or by a public vector that they copy."""
    terms, clients = screened.terms, screened.clients
    present = {clients[i] for i in passed}
    short = idle_by_length(histories.gram.diagonal().tolist(), histories.counts, screened.noise, terms.idle_ppm)
    judged = sorted(scores)
    aside = idle_by_alignment([scores[client] for client in judged], terms.idle_ppm)
    rows = [*passed, *range(len(clients), len(openings.gram))]
    copied = copies(openings.gram[np.ix_(rows, rows)], len(passed), screened.noise, terms.floor_ppm, terms.copy_ppm)
    found = {histories.clients[i] for i in short} | {judged[i] for i in aside} | {clients[passed[i]] for i in copied}
    return frozenset(found & present)


def _steps(screened: Screened, openings: Openings, standing: Sequence[int]) -> tuple[StepSum, ...]:
    """With this round's: the first public vector is the model's last step."""
    clients, gram = screened.clients, openings.gram
    row, window = len(clients), screened.terms.window
    there = len(gram) > row
    met = {clients[i]: (int(gram[i, row]) if there else 0, int(gram[i, i])) for i in standing}
    step = int(gram[row, row]) if there else 0
    return add_steps(screened.before, screened.counts.keys(), met, step, screened.step_noise, window)


def _check_shapes(screened: Screened, openings: Openings) -> None:
    n, h = len(screened.weights), len(screened.counts)
    rows = len(openings.gram)
    if (
        rows < n
        or openings.gram.shape != (rows, rows)
        or openings.norms.shape != (BLOCKS * n,)
        or openings.history.shape != (h, h)
        or min(screened.counts.values(), default=LEAST_UPDATES) < LEAST_UPDATES
    ):
        raise EncryptionError("the openings are not those of the request", code="E_PARAMS")
