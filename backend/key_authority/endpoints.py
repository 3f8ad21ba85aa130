"""The chain as a key authority reads it: of one endpoint, or of several that must agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeVar

from protocol.domain import Domain
from protocol.identifiers import Address, Digest
from protocol.messages.chain import (
    BatchCommitted,
    BondView,
    DirectCommitted,
    Enrolled,
    EnrolmentView,
    Event,
    KeyRequested,
    Left,
    RoundAbandoned,
    RoundExpired,
    RoundFrozen,
    RoundOpened,
    RoundPublished,
    RoundView,
    ScreeningRequested,
    TaskPosted,
    TaskView,
)
from storage.ledger.interface import LedgerError

T = TypeVar("T")

_OF_ROUNDS: Final = (
    RoundOpened, BatchCommitted, DirectCommitted, ScreeningRequested, KeyRequested, RoundPublished, RoundAbandoned,
    RoundExpired, RoundFrozen, Left,
)  # fmt: skip


class ChainReader(Protocol):
    """The part of :class:`~storage.ledger.interface.LedgerReader` that an authority asks."""

    @property
    def domain(self) -> Domain: ...
    def now(self) -> int: ...
    def block_timestamp(self, block: int) -> int: ...
    def block_hash(self, block: int) -> Digest | None: ...
    def task(self, task: int) -> TaskView: ...
    def events(self, task: int | None = None, from_block: int = 0) -> list[Event]: ...
    def enrolment(self, task: int, client: Address) -> EnrolmentView: ...
    def round(self, task: int, round_number: int, confirmations: int = 0) -> RoundView: ...
    def bond(self, task: int, holder: Address) -> BondView: ...


class EndpointsDisagreeError(LedgerError):
    """Two endpoints say different things of one chain: one lies, or is behind. Nothing is answered meanwhile."""

    code = "E_ENDPOINTS"


class Endpoints:
    """A :class:`ChainReader` of several: every one must answer, and what counts for an authority must be the same.

    Counters and later events may differ: endpoints are a block apart at times.
    """

    def __init__(self, readers: Sequence[ChainReader]) -> None:
        self._readers = readers

    @property
    def domain(self) -> Domain:
        return self._agreed("chain", lambda reader: reader.domain, _all)

    def now(self) -> int:
        return max(reader.now() for reader in self._readers)

    def block_timestamp(self, block: int) -> int:
        return self._agreed(f"the time of block {block}", lambda reader: reader.block_timestamp(block), _all)

    def block_hash(self, block: int) -> Digest | None:
        """None where all say that there is no such block; who is a block behind is not agreed with."""
        return self._agreed(f"block {block}", lambda reader: reader.block_hash(block), _all)

    def task(self, task: int) -> TaskView:
        return self._agreed(
            f"task {task}", lambda reader: reader.task(task), lambda view: (view.spec, view.rounds, view.stopped)
        )

    def events(self, task: int | None = None, from_block: int = 0) -> list[Event]:
        """One may lack the last events; none names another signer for a client than the others do, and of rounds all
        tell the same, up to the block that each has heard of."""

        def posted(events: list[Event]) -> list[Event]:
            return [event for event in events if isinstance(event, TaskPosted)]

        answers = [reader.events(task, from_block) for reader in self._readers]
        named = {(event.task, event.client): event.signer for event in _enrolled(answers[0])}
        others = [event for events in answers[1:] for event in _enrolled(events)]
        if any(named.get((event.task, event.client), event.signer) != event.signer for event in others) or any(
            posted(events) != posted(answers[0]) for events in answers
        ):
            raise _disagreement(f"events of task {task}")
        heard = min((max((event.block for event in events), default=0) for events in answers), default=0)
        rounds = [[event for event in events if isinstance(event, _OF_ROUNDS)] for events in answers]
        if any(_until(heard, events) != _until(heard, rounds[0]) for events in rounds):
            raise _disagreement(f"events of rounds of task {task}")
        return answers[0]

    def enrolment(self, task: int, client: Address) -> EnrolmentView:
        return self._agreed(
            f"an enrolment in task {task}", lambda reader: reader.enrolment(task, client), lambda view: view.envelope
        )

    def round(self, task: int, round_number: int, confirmations: int = 0) -> RoundView:
        return self._agreed(
            f"round {round_number} of task {task}",
            lambda reader: reader.round(task, round_number, confirmations),
            _fixed,
        )

    def bond(self, task: int, holder: Address) -> BondView:
        return self._agreed(
            f"a bond in task {task}", lambda reader: reader.bond(task, holder), lambda view: (view.role, view.placed)
        )

    def _agreed(self, what: str, ask: Callable[[ChainReader], T], fact: Callable[[T], object]) -> T:
        answers = [ask(reader) for reader in self._readers]
        if any(fact(answer) != fact(answers[0]) for answer in answers):
            raise _disagreement(what)
        return answers[0]


def _all(answer: object) -> object:
    return answer


def _fixed(view: RoundView) -> tuple[object, ...]:
    """What of a round only one transaction says."""
    planned = view.label, view.cohort_root, view.cohort, view.settle_until
    return (*planned, view.state, view.screening, view.request)


def _until(block: int, events: Sequence[Event]) -> list[Event]:
    return [event for event in events if event.block <= block]


def _enrolled(events: list[Event]) -> list[Enrolled]:
    return [event for event in events if isinstance(event, Enrolled)]


def _disagreement(what: str) -> EndpointsDisagreeError:
    return EndpointsDisagreeError(f"the endpoints do not agree on {what}")
