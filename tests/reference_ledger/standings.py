"""What an address brings from task to task: Standings of contracts/src."""

from __future__ import annotations

from protocol.messages.chain import Standing
from protocol.messages.settlement import Entitlement
from tests.reference_ledger.accounting import Accounting
from tests.reference_ledger.books import write


class Standings(Accounting):
    def counted_in(self, task: int, standing: Standing) -> tuple[bool, int, int]:
        """Whether a standing counts in a task, what it is worth there, and from when the next waiting period runs."""
        rules, reputation, since = self.rules, standing.reputation, standing.since
        counts = self._is_counted(task, standing.source)
        while reputation < rules.floor and self.now >= since + rules.waiting_seconds:
            reputation, since = reputation + 1, since + rules.waiting_seconds
        if not standing.source or (not counts and reputation >= rules.floor):
            return False, rules.floor, self.now
        return counts, reputation, since

    def settle_standing(self, task: int, leaf: Entitlement, freed: bool) -> None:
        """A loss counts whole and at once, a gain is of one, and only after a waiting period."""
        standing = self.books.standings[leaf.client]
        counts, reputation, since = self.counted_in(task, standing)
        source = standing.source
        if not counts and reputation == self.rules.floor:
            source = task
        if leaf.reputation < reputation:
            reputation, since = leaf.reputation, self.now
        elif leaf.reputation > reputation and self.now >= since + self.rules.waiting_seconds:
            reputation, since, source = reputation + 1, self.now, task
        write(
            self.books.standings,
            leaf.client,
            reputation=reputation,
            since=since,
            task=0 if freed else task,
            source=source,
        )

    def _is_counted(self, task: int, source: int) -> bool:
        """What the task itself gave, and what tasks gave of the manufacturers that its terms list, or of any."""
        sources = self.books.terms[task].reputation_sources
        if source == task or not sources:
            return source != 0
        return self.books.tasks[source].manufacturer in sources
