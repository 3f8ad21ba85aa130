"""The request for a round's openings, as edge server, authorities and auditors derive it from chain and content."""

from __future__ import annotations

from collections.abc import Callable, Collection

from protocol.errors import EncryptionError, Party, VerificationError
from protocol.identifiers import Address, Digest, to_hex
from protocol.messages.screening import GramRequest
from protocol.messages.task import TaskSpec
from protocol.round.objection import key_after
from protocol.screening.beacon import beacon, commitments_root
from protocol.screening.request import check_gram_request, gram_request
from protocol.screening.windows import Windows
from protocol.task.documents import Absent, UnderivableError, there
from protocol.task.past import stepped
from protocol.task.round_facts import RoundFacts
from protocol.task.state import TaskState


def closed_at(facts: RoundFacts) -> int:
    """The instant after which no commitment of the round can come any more, or change: the last second, in block
    time, at which the sketch must not be known."""
    batched = facts.batched.count if facts.batched else 0
    everyone = batched + len(facts.directs) >= facts.opened.cohort
    return key_after(facts.opened.commit_until, facts.batched.object_until if facts.batched else 0, everyone)


def find_beacon_block(facts: RoundFacts, confirmations: int, head: int, time_of: Callable[[int], int]) -> int | None:
    """Number of the block whose hash draws the round's sketch: ``confirmations`` after the first one that is later
    than :func:`closed_at`, and than the block of the last commitment: one that completes the cohort moves that instant
    into the past. None while it is not there, by the ``head`` of the chain. ``time_of``: a block's.
    """
    closed, low, high = closed_at(facts), facts.opened.block, head
    if high <= low or time_of(high) <= closed:
        return None
    while high - low > 1:  # time_of(low) <= closed < time_of(high): no block is older than the one before it
        middle = (low + high) // 2
        low, high = (low, middle) if time_of(middle) > closed else (middle, high)
    drawn = max(high, _last_sent(facts) + 1) + confirmations
    return drawn if drawn <= head else None


def check_beacon_block(facts: RoundFacts, confirmations: int, time_of: Callable[[int], int]) -> None:
    """Of a round whose openings were requested: the hash on chain is of the block that had to draw the sketch, so
    nobody chose it. Raises VerificationError (fault: edge server)."""
    event = facts.screening
    assert event is not None  # its caller looks at a round that has one
    first, closed, sent = event.beacon_block - confirmations, closed_at(facts), _last_sent(facts)
    is_first = first > sent and (first == sent + 1 or time_of(first - 1) <= closed)
    if not is_first or time_of(first) <= closed:
        message = f"block {event.beacon_block} is not the one that draws the sketch of round {facts.number}"
        raise VerificationError(message, fault=Party.EDGE_SERVER)


def _last_sent(facts: RoundFacts) -> int:
    """Block of the last commitment, or of the opening."""
    batched = facts.batched.block if facts.batched else 0
    return max(facts.opened.block, batched, *(event.block for event in facts.directs.values()))


def beacon_of(state: TaskState, number: int, block_hash: Digest) -> Digest:
    """Raises UnderivableError where the committed set cannot be read."""
    committed = there(state.committed(number))
    root = commitments_root({c: (s.commitment.nonce, s.commitment.ciphertext) for c, s in committed.items()})
    return beacon(state.rounds[number - 1].opened.label, root, block_hash)


def windows_before(state: TaskState, spec: TaskSpec, number: int) -> Windows:
    """Updates in everybody's history at the opening of round ``number``, from the verdicts of all rounds before it.

    Raises UnderivableError while one of these is not derived (``TaskState.screened``).
    """
    windows = Windows(spec.screening.window)
    for earlier in range(1, number):
        if earlier not in state.screened:
            raise UnderivableError(f"nobody has derived yet what the openings of round {earlier} say")
        verdict = state.screened[earlier]
        windows.settle(earlier, verdict.passed if verdict else ())
        if state.rounds[earlier - 1].loses_histories:
            windows.clear()
    for client in gone_before(state, number):
        windows.forget(client)
    return windows


def gone_before(state: TaskState, number: int) -> frozenset[Address]:
    """Who left before round ``number`` was opened: their histories are erased."""
    return frozenset(client for client, rounds in state.left.items() if rounds < number)


def public_vectors(state: TaskState, number: int) -> tuple[Digest, ...]:
    """Content digests of what free riders may copy: the sums of the round that made the model which the plan of round
    ``number`` starts from; none for the initial one. Raises UnderivableError."""
    made = making_round(state, number)
    return () if made is None else (there(state.record(made)).aggregate,)


def making_round(state: TaskState, number: int) -> int | None:
    """The round that made the model which the plan of round ``number`` starts from; None for the initial one. Raises
    UnderivableError."""
    model = there(state.plan(number)).model
    for earlier in range(number - 1, 0, -1):
        event = stepped(state, earlier)
        if event is not None and event.model == model:
            return earlier
    return None


def request_for(
    state: TaskState, spec: TaskSpec, number: int, block_hash: Digest, came: Collection[Address]
) -> GramRequest:
    """Of the updates of all who ``came``, whatever their weights. Raises UnderivableError."""
    return gram_request(
        state.rounds[number - 1].opened.label,
        beacon_of(state, number, block_hash),
        there(state.committed(number)),
        sorted(came),
        public_vectors(state, number),
        windows_before(state, spec, number).openable(),
    )


def check_request_for(state: TaskState, spec: TaskSpec, number: int, request: GramRequest) -> None:
    """That ``request``, whose digest is on chain, asks for what it may: of this round, all histories and no others, and
    of updates that were committed. Which of these came is the edge server's word.

    Raises EncryptionError (fault: edge server), UnderivableError.
    """
    facts, committed = state.rounds[number - 1], state.committed(number)
    if facts.screening is None or isinstance(committed, Absent):
        raise UnderivableError(f"no openings of round {number} were requested on this chain, or its batch is missing")
    histories = windows_before(state, spec, number).openable()
    label, drawn = facts.opened.label, beacon_of(state, number, facts.screening.beacon)
    check_gram_request(request, label, drawn, public_vectors(state, number), histories)
    for entry in request.entries:
        signed = committed.get(entry.client)
        if signed is None or (signed.commitment.nonce, signed.commitment.ciphertext, signed.signature) != (
            entry.nonce,
            entry.ciphertext,
            entry.signature,
        ):
            message = f"{to_hex(entry.client)} did not commit to this in round {number}"
            raise EncryptionError(message, code="E_UNKNOWN_CLIENT", fault=Party.EDGE_SERVER)
