"""The chain as a key authority reads it: of one endpoint, or of several that must agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from protocol.domain import Domain
from protocol.identifiers import Address
from protocol.messages.chain import EnrolmentView, Event, RoundView, TaskPosted, TaskView
from storage.ledger.interface import LedgerError

T = TypeVar("T")


class ChainReader(Protocol):
    """The part of :class:`~storage.ledger.interface.LedgerReader` that an authority asks."""

    @property
    def domain(self) -> Domain: ...
    def now(self) -> int: ...
    def task(self, task: int) -> TaskView: ...
    def events(self, task: int | None = None, from_block: int = 0) -> list[Event]: ...
    def enrolment(self, task: int, client: Address) -> EnrolmentView: ...
    def round(self, task: int, round_number: int, confirmations: int = 0) -> RoundView: ...


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
        return self._agreed("chain", lambda reader: reader.domain, lambda domain: domain)

    def now(self) -> int:
        return max(reader.now() for reader in self._readers)

    def task(self, task: int) -> TaskView:
        return self._agreed(f"task {task}", lambda reader: reader.task(task), lambda view: view.spec)

    def events(self, task: int | None = None, from_block: int = 0) -> list[Event]:
        def posted(events: list[Event]) -> list[Event]:
            return [event for event in events if isinstance(event, TaskPosted)]

        return self._agreed(f"events of task {task}", lambda reader: reader.events(task, from_block), posted)

    def enrolment(self, task: int, client: Address) -> EnrolmentView:
        return self._agreed(
            f"an enrolment in task {task}", lambda reader: reader.enrolment(task, client), lambda view: view.envelope
        )

    def round(self, task: int, round_number: int, confirmations: int = 0) -> RoundView:
        return self._agreed(
            f"round {round_number} of task {task}",
            lambda reader: reader.round(task, round_number, confirmations),
            lambda view: (view.label, view.cohort_root, view.cohort, view.request, view.state, view.settle_until),
        )

    def _agreed(self, what: str, ask: Callable[[ChainReader], T], fact: Callable[[T], object]) -> T:
        answers = [ask(reader) for reader in self._readers]
        if any(fact(answer) != fact(answers[0]) for answer in answers):
            raise EndpointsDisagreeError(f"the endpoints do not agree on {what}")
        return answers[0]
