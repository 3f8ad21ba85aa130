"""The chain as a key authority reads it that follows its events anyway: what those tell is not asked for once more.

A crowd's enrolments are one question for each block, not one for each client and one more for all in every round.
"""

from __future__ import annotations

from backend.key_authority.endpoints import ChainReader
from backend.key_authority.followed import FollowedTasks
from protocol.domain import Domain
from protocol.identifiers import Address, Digest
from protocol.messages.chain import BondView, EnrolmentView, Event, RoundView, TaskView


class FollowingReader:
    """A :class:`~backend.key_authority.endpoints.ChainReader`. May be shared by threads.

    Of an enrolment it tells what the event tells: nothing of what was claimed, or of who left.
    """

    def __init__(self, reader: ChainReader, followed: FollowedTasks) -> None:
        """``followed``: of the same endpoint."""
        self._reader, self._followed = reader, followed

    @property
    def domain(self) -> Domain:
        return self._reader.domain

    def now(self) -> int:
        return self._reader.now()

    def block_timestamp(self, block: int) -> int:
        return self._reader.block_timestamp(block)

    def block_hash(self, block: int) -> Digest | None:
        return self._reader.block_hash(block)

    def task(self, task: int) -> TaskView:
        return self._reader.task(task)

    def events(self, task: int | None = None, from_block: int = 0) -> list[Event]:
        if task is None:
            return self._reader.events(task, from_block)
        self._followed.look()
        return [event for event in self._followed.events(task) if event.block >= from_block]

    def enrolment(self, task: int, client: Address) -> EnrolmentView:
        """Raises TransactionRevertedError for a task that there is not."""
        enrolled = self._followed.state(task).enrolled.get(client)
        if enrolled is None:
            return self._reader.enrolment(task, client)
        return EnrolmentView(enrolled.envelope, 0, 0, enrolled.reputation, False, False)

    def round(self, task: int, round_number: int, confirmations: int = 0) -> RoundView:
        return self._reader.round(task, round_number, confirmations)

    def bond(self, task: int, holder: Address) -> BondView:
        return self._reader.bond(task, holder)
