"""Where the tasks stand that both sides were told of, by the reference's books."""

from __future__ import annotations

from protocol.messages.chain import RoundView, TaskView
from protocol.round.state_table import RoundState
from storage.ledger.signer import Signer
from tests.contracts.crowd import CLIENTS, SERVERS
from tests.contracts.sides import Sides
from tests.reference_ledger.books import RUNNING, Books, Role


class Situation:
    def __init__(self, sides: Sides) -> None:
        self.sides = sides

    @property
    def books(self) -> Books:
        return self.sides.books

    def task(self, task: int) -> TaskView:
        return self.books.tasks[task]

    def last(self, task: int) -> RoundView:
        return self.books.rounds[task, self.task(task).last_round]

    def coins(self, task: int, amount: int) -> int:
        """What of an amount goes along with the call."""
        return 0 if any(self.task(task).token) else amount

    def enrolled(self, task: int) -> list[Signer]:
        return [client for client in CLIENTS if any(self.books.enrolments[task, client.address].envelope)]

    def server(self, task: int) -> Signer:
        """Who is acting, or, once that one is convicted, the other one."""
        good = [one for one in SERVERS if self.books.bonds[task, one.address].role == Role.EDGE_SERVER]
        charged = [one for one in good if one.address == self.task(task).edge_server]
        return (charged or good or [SERVERS[0]])[0]

    def takeover_at(self, task: int) -> int:
        """Until then only the acting edge server may act."""
        last = self.last(task)
        since = last.commit_until if last.state in RUNNING else self.rosters_until(task)
        return since + self.books.terms[task].takeover_seconds

    def rosters_until(self, task: int) -> int:
        """Until then the next window waits for rosters."""
        shown, last = self.task(task), self.last(task)
        return (last.settle_until if shown.last_round else shown.enrol_until) + self.books.terms[task].roster_seconds

    def batch_window(self, task: int) -> tuple[int, int]:
        last, terms = self.last(task), self.books.terms[task]
        opened = last.commit_until - terms.commit_seconds
        return opened + 2 * terms.training_seconds, last.commit_until - terms.objection_seconds

    def instants(self, task: int) -> list[int]:
        """The task's deadlines to come."""
        shown, last = self.task(task), self.last(task)
        found = {shown.enrol_until, shown.task_until, shown.claim_until, shown.payable_from - 1}
        found |= {last.commit_until, last.settle_until, last.object_until}
        found |= {self.rosters_until(task), *self.batch_window(task)}
        return sorted(instant for instant in found if instant >= self.sides.now)

    def is_enrolling(self, task: int) -> bool:
        """The first round waits for clients."""
        return self.sides.now <= self.task(task).enrol_until

    def has_room(self, task: int) -> bool:
        shown = self.task(task)
        return shown.enrolled < shown.max_clients and not self.is_over(task)

    def is_idle(self, task: int) -> bool:
        """The next round could be opened."""
        return not self.is_enrolling(task) and self.last(task).state not in RUNNING

    def is_open(self, task: int) -> bool:
        last = self.last(task)
        return last.state is RoundState.OPEN and self.sides.now <= last.commit_until

    def is_requested(self, task: int) -> bool:
        return self.last(task).state is RoundState.REQUESTED

    def is_screened(self, task: int) -> bool:
        """Nobody commits in the last round any more."""
        return any(self.last(task).screening)

    def is_batched(self, task: int) -> bool:
        return self.last(task).state in RUNNING and self.last(task).batched != 0

    def is_unpublished(self, task: int) -> bool:
        """The last round ended without a tree."""
        return self.last(task).state in (RoundState.EXPIRED, RoundState.FROZEN)

    def is_settled(self, task: int) -> bool:
        """A payout can be disputed, or claimed later on."""
        return self.task(task).pending_round != 0

    def stands(self, task: int) -> bool:
        """There is a tree that claims can be paid from."""
        return any(self.task(task).payable(self.sides.now)[0])

    def is_over(self, task: int) -> bool:
        shown = self.task(task)
        no_more = shown.last_round == shown.rounds or shown.stopped or self.sides.now > shown.task_until
        return no_more and self.last(task).state not in RUNNING
