"""How commitments are taken: checked one by one, kept many at a time, and receipted once they are durable.

What arrives while one append is synced to disk shares the next one. So the number of receipts a second does not hang
on how long the disk takes, and no request has a thread of its own while it waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.concurrency import run_in_threadpool

from backend.rounds.desk_error import DeskError
from backend.rounds.entries import RoundRecords
from backend.rounds.journal import EdgeJournal
from protocol.domain import Domain
from protocol.errors import Party
from protocol.identifiers import Label
from protocol.messages.submission import Commitment, SignedReceipt, Submission
from protocol.round.commitments import receipt_of
from storage.ledger.signer import Signer

TOGETHER: Final = 256  # commitments in one append: far below the limit of its bytes


@dataclass(frozen=True, slots=True)
class Offered:
    """A commitment that is valid. ``closing``: the chain has the round's batch already, perhaps another server's.

    ``expected``: of how many clients the round expects one.
    """

    round: int
    label: Label
    commitment: Commitment
    submission: Submission
    closing: bool
    expected: int


class Intake:
    """Of one task. ``wake`` is told once everybody has committed who is expected: only then is there a move to make."""

    def __init__(
        self, domain: Domain, signer: Signer, task: int, journal: EdgeJournal, wake: Callable[[int], None]
    ) -> None:
        self._domain, self._signer, self._task, self._journal, self._wake = domain, signer, task, journal, wake
        self._waiting: list[tuple[Offered, asyncio.Future[RoundRecords]]] = []
        self._keeping: asyncio.Task[None] | None = None

    def take(self, offered: Offered) -> SignedReceipt:
        """The receipt, once it is durable that the batch will hold the commitment. Raises DeskError, RecordsError."""
        return self._receipt(offered, self._keep([offered])[0])

    async def take_with_others(self, offered: Offered) -> SignedReceipt:
        """The same on the event loop. How many wait is bounded by how many requests are answered at once."""
        loop = asyncio.get_running_loop()
        kept: asyncio.Future[RoundRecords] = loop.create_future()
        self._waiting.append((offered, kept))
        if self._keeping is None or self._keeping.done():
            self._keeping = loop.create_task(self._keep_all())
        return self._receipt(offered, await kept)

    async def _keep_all(self) -> None:
        """Until nobody waits any more. Who is told of an error has no receipt, whatever is durable by then."""
        while self._waiting:
            taken, self._waiting = self._waiting[:TOGETHER], self._waiting[TOGETHER:]
            try:
                found = await run_in_threadpool(self._keep, [offered for offered, _ in taken])
            except BaseException as error:  # also what ends this task: nobody waits for ever
                for _, kept in taken:
                    if not kept.done():
                        kept.set_exception(error)
                if isinstance(error, asyncio.CancelledError):
                    raise
                continue
            for (_, kept), records in zip(taken, found, strict=True):
                if not kept.done():  # its request may be gone
                    kept.set_result(records)

    def _keep(self, several: Sequence[Offered]) -> list[RoundRecords]:
        """What is kept then of the round of each; one append for those of one round."""
        together: dict[tuple[int, Label, bool], list[Offered]] = {}
        for offered in several:
            together.setdefault((offered.round, offered.label, offered.closing), []).append(offered)
        found: dict[tuple[int, Label, bool], RoundRecords] = {}
        for (number, label, closing), those in together.items():
            submissions = [offered.submission for offered in those]
            records = self._journal.keep_submissions(self._task, number, label, submissions, closing)
            found[number, label, closing] = records
            if len(records.submissions) >= min(offered.expected for offered in those):
                self._wake(self._task)
        return [found[offered.round, offered.label, offered.closing] for offered in several]

    def _receipt(self, offered: Offered, records: RoundRecords) -> SignedReceipt:
        if records.stated is None or records.stated.label != offered.label:
            raise DeskError(f"this server has signed something else of round {offered.round}", code="E_LABEL_USED")
        kept = records.submissions.get(offered.submission.client)
        if kept is None:
            raise DeskError(f"the batch of round {offered.round} is closed", fault=Party.CLIENT, code="E_ROUND")
        if kept != offered.submission:
            raise DeskError("another commitment came before", fault=Party.CLIENT, code="E_SUBMITTED")
        receipt = receipt_of(offered.commitment)
        return SignedReceipt(self._signer.address, self._signer.sign(self._domain, receipt))
