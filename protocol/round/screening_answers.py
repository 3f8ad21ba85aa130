"""The authorities' signed answers to a round's GramRequest, what they open, and the verdict that follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from protocol.content.cid import cid_of
from protocol.domain import Domain
from protocol.errors import EncryptionError, MalformedError, Party, VerificationError
from protocol.identifiers import Address, Digest, Signature, to_hex
from protocol.messages.round import RoundPlan
from protocol.messages.screening import GramRequest, OpeningAnswer, OpeningStatement, SignedOpening, StepSum
from protocol.messages.task import Committee, TaskSpec
from protocol.round.commitments import domain_of
from protocol.round.update_noise import update_noise
from protocol.screening.arithmetic import WIDTH, Integers
from protocol.screening.decision import Openings, Screened
from protocol.screening.gram import square, triangle_words
from protocol.screening.openings import needed, opened, opening_liars
from protocol.screening.sketch import BLOCKS
from protocol.signing import verify

_NOTHING: Final = np.zeros((0, 0), np.int64)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Words of each of the three answers to one request."""

    gram: int
    norms: int
    history: int

    @classmethod
    def of(cls, request: GramRequest) -> Sizes:
        clients, public, histories = len(request.entries), len(request.public), len(request.histories)
        return cls(triangle_words(clients + public), BLOCKS * clients, triangle_words(histories))

    @property
    def all_bytes(self) -> int:
        return WIDTH * (self.gram + self.norms + self.history)


@dataclass(frozen=True, slots=True)
class Agreed:
    """What the answers of ``members`` of the committee, by position, open; ``accused`` signed something else."""

    members: tuple[int, ...]
    accused: tuple[int, ...]
    openings: Openings


def least_answers(committee: Committee) -> int:
    """Answers that agree and are right then: as many as open something are honest, or all there are agree."""
    return min(needed(committee.threshold) + committee.corrupt, len(committee.members))


def answer_openings(
    plan: RoundPlan,
    request: GramRequest,
    authority: Address,
    answers: bytes,
    sign: Callable[[Domain, OpeningStatement], Signature],
) -> OpeningAnswer:
    """``answers``: the three of them, one behind the other, as :class:`Sizes` has them."""
    statement = opening_statement(plan, request.digest(), authority, cid_of(answers).digest)
    return OpeningAnswer(SignedOpening(statement, sign(domain_of(plan), statement)), answers)


def opening_statement(plan: RoundPlan, request: Digest, authority: Address, answers: Digest) -> OpeningStatement:
    return OpeningStatement(plan.task, plan.round, plan.label(), request, authority, plan.key_epoch, answers)


def check_openings(plan: RoundPlan, committee: Committee, request: Digest, signed: Sequence[SignedOpening]) -> None:
    """Signatures and order, whatever was answered. Raises VerificationError."""
    position = {member: j for j, member in enumerate(committee.members, start=1)}
    order = [position.get(one.statement.authority, 0) for one in signed]
    if 0 in order or order != sorted(set(order)):
        raise VerificationError("openings not ascending by committee member", fault=Party.EDGE_SERVER)
    for one in signed:
        authority = one.statement.authority
        if one.statement != opening_statement(plan, request, authority, one.statement.answers):
            message = f"the opening of {to_hex(authority)} is of another round or request"
            raise VerificationError(message, fault=Party.EDGE_SERVER)
        verify(domain_of(plan), one.statement, one.signature, authority, Party.EDGE_SERVER)


def agree_on(answers: Mapping[int, bytes], committee: Committee, request: GramRequest) -> Agreed:
    """``answers``: bytes by position in the committee. One that is of another size counts as a lie.

    Raises EncryptionError ``E_SHARES`` (too few that agree), ``E_SHARE_INCONSISTENT`` (some lie; which is open).
    """
    m, t, sizes = len(committee.members), committee.threshold, Sizes.of(request)
    whole = {j: data for j, data in answers.items() if len(data) == sizes.all_bytes}
    misfits = set(answers) - set(whole)
    while True:
        if len(whole) < least_answers(committee):
            message = f"{len(whole)} authorities open what {least_answers(committee)} must"
            raise EncryptionError(message, code="E_SHARES", fault=Party.KEY_AUTHORITY)
        try:
            found = _opened(whole, m, t, sizes, request)
        except MalformedError:
            found = None
            liars = tuple(j for j, data in whole.items() if not _readable(data, m, t, sizes))
        except EncryptionError:
            found = None
            liars = _liars(whole, m, t, sizes)
            if not liars:
                raise
        if found is not None:
            return Agreed(tuple(sorted(whole)), tuple(sorted(misfits)), found)
        misfits |= set(liars)
        whole = {j: data for j, data in whole.items() if j not in liars}


def open_answers(answers: Mapping[int, bytes], committee: Committee, request: GramRequest) -> Openings:
    """What all of ``answers`` open together. Raises EncryptionError, MalformedError, also where they are too few."""
    m, t, sizes = len(committee.members), committee.threshold, Sizes.of(request)
    if len(answers) < least_answers(committee):
        raise EncryptionError(f"{len(answers)} answers open nothing", code="E_SHARES", fault=Party.EDGE_SERVER)
    return _opened(answers, m, t, sizes, request)


def screened_of(
    spec: TaskSpec,
    plan: RoundPlan,
    request: GramRequest,
    counts: Mapping[Address, int],
    step_noise: int = 0,
    before: tuple[StepSum, ...] = (),
) -> Screened:
    """What is known of a round before its openings; ``counts``: of all histories, of which those requested are told."""
    weights = {entry.client: entry.weight for entry in plan.weights}
    return Screened(
        label=plan.label(),
        request=request.digest(),
        round=plan.round,
        terms=spec.screening,
        noise=update_noise(spec, plan),
        weights={entry.client: weights[entry.client] for entry in request.entries},
        counts={client: counts[client] for client in request.histories},
        step_noise=step_noise,
        before=before,
    )


def _opened(answers: Mapping[int, bytes], m: int, t: int, sizes: Sizes, request: GramRequest) -> Openings:
    parts = {j: _split(data, sizes) for j, data in answers.items()}

    def of(place: int, words: int) -> Integers:
        return opened({j: part[place] for j, part in parts.items()}, m, t, words)

    rows, histories = len(request.entries) + len(request.public), len(request.histories)
    history = square(of(2, sizes.history), histories) if histories else _NOTHING
    return Openings(square(of(0, sizes.gram), rows), of(1, sizes.norms), history)


def _liars(answers: Mapping[int, bytes], m: int, t: int, sizes: Sizes) -> tuple[int, ...]:
    """By any of the three answers."""
    parts, words = {j: _split(data, sizes) for j, data in answers.items()}, (sizes.gram, sizes.norms, sizes.history)
    found = set[int]()
    for place, count in enumerate(words):
        if count:
            found |= set(opening_liars({j: part[place] for j, part in parts.items()}, m, t, count))
    return tuple(sorted(found))


def _readable(data: bytes, m: int, t: int, sizes: Sizes) -> bool:
    """Every word is below the modulus."""
    try:
        opened({1: data}, m, t, len(data) // WIDTH)
    except MalformedError:
        return False
    except EncryptionError:
        return True  # one answer opens nothing, but it was read
    return True


def _split(data: bytes, sizes: Sizes) -> tuple[bytes, bytes, bytes]:
    """Raises MalformedError (fault: key authority)."""
    if len(data) != sizes.all_bytes:
        message = f"answers of {len(data)} bytes, {sizes.all_bytes} expected"
        raise MalformedError(message, fault=Party.KEY_AUTHORITY)
    first, second = WIDTH * sizes.gram, WIDTH * (sizes.gram + sizes.norms)
    return data[:first], data[first:second], data[second:]
