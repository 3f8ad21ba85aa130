"""What the openings of a round come to: the verdict that everybody derives again, and the accepted set of the round."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeVar

from protocol.errors import EncryptionError, MalformedError, SpecError, VerificationError
from protocol.identifiers import Address, Digest
from protocol.messages.round import RoundPlan
from protocol.messages.screening import GramRequest, Screening, ScreeningVerdict, SignedOpening, StepSum
from protocol.messages.settlement import LEVEL, PROBATION, Rejection, Verdict
from protocol.messages.task import TaskSpec
from protocol.round.screening_answers import Sizes, agree_on, check_openings, screened_of
from protocol.round.screening_request import check_request_for, gone_before, making_round, windows_before
from protocol.round.update_noise import update_noise
from protocol.screening.decision import Openings, decide_screened
from protocol.screening.norms import mean_noise
from protocol.task.documents import Absent, Lack, UnderivableError, there
from protocol.task.state import TaskState

T = TypeVar("T")
CORRELATED: Final = "correlated"  # the mechanism whose noise takes back some of the round before
Read = Callable[[Digest, int], bytes]  # content of a digest, of at most so many bytes; raises UnderivableError


def derive_verdict(state: TaskState, spec: TaskSpec, number: int, openings: Openings) -> ScreeningVerdict:
    """From what was opened. Raises UnderivableError, EncryptionError, VerificationError ``E_GRAM_RANGE``."""
    plan, request = there(state.plan(number)), there(state.gram_request(number))
    counts = windows_before(state, spec, number)
    known = {client: counts.count(client) for client in counts.openable()}
    noise, before = step_noise(state, spec, number), steps_before(state, number)
    return decide_screened(screened_of(spec, plan, request, known, noise, before), openings)


def check_screening(state: TaskState, spec: TaskSpec, number: int, screening: Screening, read: Read) -> None:
    """That ``screening`` holds: its request is the one on chain and asks for what it may, the openings are signed,
    agree with each other and lead to its verdict, and whom it accuses lied.

    Sightings and the block of the beacon are for auditors: authorities signed no opening without them. Raises
    VerificationError, EncryptionError, MalformedError; UnderivableError where something is missing.
    """
    plan, request = there(state.plan(number)), there(state.gram_request(number))
    if screening.request != request.digest():
        raise VerificationError("the screening is of another request than the one on chain")
    check_request_for(state, spec, number, request)
    said = tuple(sorted((*screening.openings, *screening.accused), key=_place(spec)))
    check_openings(plan, spec.committee, screening.request, screening.openings)
    check_openings(plan, spec.committee, screening.request, said)
    answers = read_answers(spec, request, said, read)
    agreed = agree_on(answers, spec.committee, request)
    named = [tuple(map(_place(spec), signed)) for signed in (screening.openings, screening.accused)]
    if [agreed.members, agreed.accused] != named:
        raise VerificationError(f"authorities {agreed.members} agree and {agreed.accused} do not, unlike what is said")
    if derive_verdict(state, spec, number, agreed.openings) != screening.verdict:
        raise VerificationError("the verdict does not follow from the openings", code="E_VERDICT")


def read_answers(spec: TaskSpec, request: GramRequest, signed: Iterable[SignedOpening], read: Read) -> dict[int, bytes]:
    """By position in the committee."""
    most, place = 2 * Sizes.of(request).all_bytes, _place(spec)  # one of another size is read, and counts as a lie
    return {place(one): read(one.statement.answers, most) for one in signed}


def settled_verdict(state: TaskState, spec: TaskSpec, number: int, read: Read) -> ScreeningVerdict | None:
    """What counts of the openings of a round that has ended: for the histories, and the weights of later plans.

    None: nothing was opened, or what was published of it does not hold. Raises UnderivableError while that cannot be
    told, because something is missing.
    """
    screening = _document(state.screening(number))
    if screening is None or state.rounds[number - 1].screening is None:
        return None
    if _document(state.gram_request(number)) is None:
        return None
    try:
        check_screening(state, spec, number, screening, read)
    except (VerificationError, EncryptionError, MalformedError, SpecError):
        return None
    return screening.verdict


def round_verdict(
    plan: RoundPlan, unfit: Mapping[Address, str], screened: ScreeningVerdict | None, came: Iterable[Address]
) -> Verdict:
    """The accepted set, and why each other client that committed is not in it. ``unfit``: reasons of those whose
    ciphertexts did not come; ``screened`` None: nothing was opened, and the task's rule goes on without."""
    weights = {entry.client: entry.weight for entry in plan.weights}
    reasons = dict(unfit)
    if screened is None:
        accepted = [client for client in came if weights[client] > 0]
    else:
        accepted = list(screened.accepted)
        reasons |= {entry.client: entry.reason for entry in screened.rejected}
    for client in came:
        if client not in accepted and client not in reasons:
            reasons[client] = PROBATION if weights[client] > 0 else LEVEL
    rejected = tuple(Rejection(client, reason) for client, reason in sorted(reasons.items()))
    return Verdict(plan.label(), tuple(sorted(accepted)), rejected)


def levels_before(state: TaskState, number: int) -> dict[Address, int]:
    """Of the last round before ``number`` whose verdict gave any, by client: 0..15 of the weight that its reputation
    gives. Raises UnderivableError while a verdict in between is not derived."""
    levels = next((verdict.levels for verdict in _verdicts_before(state, number) if verdict.levels), ())
    return {entry.client: entry.level for entry in levels}


def steps_before(state: TaskState, number: int) -> tuple[StepSum, ...]:
    """What the last verdict before round ``number`` hands on, of clients that have not left. Raises UnderivableError
    while a verdict in between is not derived."""
    last, gone = next(_verdicts_before(state, number), None), gone_before(state, number)
    return tuple(one for one in last.steps if one.client not in gone) if last else ()


def step_noise(state: TaskState, spec: TaskSpec, number: int) -> int:
    """Expected squared norm of the noise in the step that the public vector of round ``number`` is, a weighted mean; 0
    without one. Also 0 where phones' noise is correlated from round to round: an honest update meets a step's noise,
    too, then. Raises UnderivableError."""
    made = making_round(state, number)
    if made is None:
        return 0
    plan, weights = there(state.plan(made)), [entry.weight for entry in there(state.request(made)).entries]
    return 0 if plan.learning.mechanism.kind == CORRELATED else mean_noise(update_noise(spec, plan), weights)


def _verdicts_before(state: TaskState, number: int) -> Iterator[ScreeningVerdict]:
    """The last one first."""
    for earlier in range(number - 1, 0, -1):
        if earlier not in state.screened:
            raise UnderivableError(f"nobody has derived yet what the openings of round {earlier} say")
        verdict = state.screened[earlier]
        if verdict is not None:
            yield verdict


def _document(found: T | Absent | None) -> T | None:
    """None for one that is not there for good: malformed, which its digest fixes."""
    if isinstance(found, Absent):
        if found.lack is Lack.MALFORMED:
            return None
        raise UnderivableError(f"a document of a screened round is {found.lack}")
    return found


def _place(spec: TaskSpec) -> Callable[[SignedOpening], int]:
    """Position in the committee, 0 for who is not in it."""
    position = {member: j for j, member in enumerate(spec.committee.members, start=1)}
    return lambda signed: position.get(signed.statement.authority, 0)
