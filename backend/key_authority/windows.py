"""The keys that clients seal their shares to: one for each task and window of rounds, erased when that is over.

Envelopes are public for ever: whoever takes an authority over opens those of the windows whose keys it still has.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

import structlog

from backend.key_authority.endpoints import ChainReader
from backend.key_authority.followed import FollowedTasks
from backend.key_authority.records import AuthorityRecords
from protocol.encryption.envelope import EncryptionKeyPair
from protocol.errors import HearthError, Party
from protocol.identifiers import Address, sha256, to_hex
from protocol.messages.keys import SignedWindowKey, WindowKeyStatement
from protocol.messages.task import TaskSpec
from protocol.randomness import Randomness, SeededRandomness
from protocol.round.state_table import RoundState
from protocol.round.windows import AHEAD, first_round
from protocol.task.ending import task_over
from protocol.task.fold import fold
from storage.ledger.signer import Signer

_RUNNING: Final = (RoundState.NONE, RoundState.OPEN, RoundState.REQUESTED)

log = structlog.get_logger()


class WindowError(HearthError):
    """There is no key of this window: it has not begun to be needed, or it is erased."""

    code = "E_WINDOW"


class SystemRandomness:
    """The operating system's source; purposes are names only."""

    def draw(self, purpose: str, size: int) -> bytes:
        return os.urandom(size)


def seeded(seed: bytes, authority: Address) -> Callable[[int, int], Randomness]:
    """Repeatable keys, for demonstrations: whoever knows the seed opens every share."""
    randomness = SeededRandomness(seed).fork(to_hex(authority))
    return lambda task, window: randomness.fork(f"task/{task}/window/{window}")


def drawn(_: int, __: int) -> Randomness:
    return SystemRandomness()


class Windows:
    """Of one authority. May be shared by threads. ``randomness``: where the key of a task and window comes from."""

    def __init__(
        self,
        reader: ChainReader,
        records: AuthorityRecords,
        signer: Signer,
        randomness: Callable[[int, int], Randomness] = drawn,
    ) -> None:
        self._reader, self._records, self._signer, self._randomness = reader, records, signer, randomness

    def signed_key(self, task: int, spec: TaskSpec, window: int) -> SignedWindowKey:
        """Made and kept when it is asked for first, from ``AHEAD`` windows before enrolments need it on.

        Raises WindowError, LedgerError.
        """
        self.erase(task, spec)
        earliest = (window - AHEAD) * spec.cohort.roster_rounds  # the round with which that begins
        if earliest >= 1 and not self._opened(task, earliest, 0):
            raise WindowError(f"window {window} of task {task} is not near", fault=Party.EDGE_SERVER)
        if window not in self._records.windows(task):
            made = EncryptionKeyPair.generate(self._randomness(task, window))
            self._records.keep_window_key(task, window, made.private_bytes())
        public = self.key_pair(task, window).public_bytes()
        statement = WindowKeyStatement(task, window, self._signer.address, sha256(public))
        return SignedWindowKey(statement, public, self._signer.sign(self._reader.domain, statement))

    def key_pair(self, task: int, window: int) -> EncryptionKeyPair:
        """Raises WindowError when it was never made, or is erased."""
        kept = self._records.window_key(task, window)
        if kept is None:
            raise WindowError(f"no key of window {window} of task {task} here", fault=Party.CLIENT)
        return EncryptionKeyPair(kept)

    def erase(self, task: int, spec: TaskSpec) -> None:
        """The keys of every window that is over, once the share of every client is here, and else with the next window:
        nobody keeps a key alive by showing an envelope to nobody. What was not shown in time stays sealed.

        A window is over when a round of the next one is as deep as the task's confirmations ask for; all are with the
        task. Raises LedgerError.
        """
        kept = sorted(self._records.windows(task))
        if kept and self._ended(task, spec):
            self._records.erase_windows(task, max(kept) + 1)
            return
        for window in kept:
            shown = self._over(task, spec, window) and (
                self._has_all(task, spec, window) or self._over(task, spec, window + 1)
            )
            if not shown:
                return
            self._records.erase_windows(task, window + 1)

    def _over(self, task: int, spec: TaskSpec, window: int) -> bool:
        return self._opened(task, first_round(window + 1, spec.cohort.roster_rounds), spec.confirmations)

    def _has_all(self, task: int, spec: TaskSpec, window: int) -> bool:
        """Whether nobody's share is missing here of those who enrolled before the next window's enrolments began."""
        state = fold(task, self._reader.events(task))
        enrolled = state.enrolled_before((window + 1) * spec.cohort.roster_rounds)
        return enrolled.keys() - state.left.keys() <= self._records.clients(task)

    def _opened(self, task: int, round_number: int, confirmations: int) -> bool:
        return self._reader.round(task, round_number, confirmations).state is not RoundState.NONE

    def _ended(self, task: int, spec: TaskSpec) -> bool:
        """No round comes any more, and the last one is over, as deep as the task's confirmations ask for."""
        view, now = self._reader.task(task), self._reader.now()
        if not task_over(view, now):
            return False
        last = self._reader.round(task, view.last_round, spec.confirmations).state
        return view.last_round == 0 or now > view.task_until or last not in _RUNNING


class WindowWatch:
    """Erases keys also while nobody asks this authority for anything."""

    def __init__(self, windows: Windows, records: AuthorityRecords, followed: FollowedTasks | None = None) -> None:
        """``followed``: the chain as other watches of this authority follow it, too; None: everything is asked."""
        self._windows, self._records, self._followed = windows, records, followed
        self._tried: dict[int, tuple[object, ...]] = {}  # the last moment at which all was done, by task

    def erase(self) -> None:
        """What can be erased now; what fails is tried again the next time."""
        for task in sorted(self._records.tasks()):
            spec = self._records.spec(task) if self._records.windows(task) else None
            try:
                if spec is not None and self._may_be_over(task, spec):
                    self._windows.erase(task, spec)
            except HearthError as error:
                self._tried.pop(task, None)
                log.warning("window keys", task=task, error=str(error))

    def _may_be_over(self, task: int, spec: TaskSpec) -> bool:
        """Something has happened since the last time, here or on chain."""
        if self._followed is None:
            return True
        self._followed.look()
        kept = self._records.windows(task), len(self._records.clients(task))
        moment = (*self._followed.moment(task, spec.confirmations), *kept)
        before, self._tried[task] = self._tried.get(task), moment
        return moment != before
