"""An authority's histories across a kill: its accumulators, by client and half window, and the verdicts so far.

A half window is there with every update that the chain counts in it, or not at all. One that lacks an update, because
its keys or the client's share are not here, is erased: it would open as another history than all others have.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np

from backend.key_authority.blobs import history_blob, verdict_blob
from backend.key_authority.entries import (
    AuthorityEntry,
    AuthorityState,
    HistoryForgotten,
    HistorySettled,
    TaskRecords,
    records_of,
)
from protocol.canonical import decode, encode
from protocol.encryption.pad.encoding import Words, pack_words, unpack_words
from protocol.errors import HearthError, Party
from protocol.identifiers import Address
from protocol.messages.screening import MAX_SCREENING_BYTES, ScreeningVerdict
from protocol.screening.arithmetic import WIDTH
from protocol.screening.history import Coordinates, Halves, History, add_update
from protocol.screening.windows import Windows
from storage.records.fold import Folded
from storage.records.interface import NOTHING, Change, Records, RecordsDamagedError, RecordsError

Settling = Callable[[TaskRecords], Change]


def unsettled(_: TaskRecords) -> Change:
    """Of a task that is not screened."""
    return NOTHING


@dataclass(frozen=True, eq=False)
class Settlement:
    """What round ``number`` adds. ``counted``: of everybody that passed, the updates that the chain counts in the half
    window before this one; ``updates``: of those among them whose updates can be had, below p."""

    number: int
    half: int  # window
    verdict: ScreeningVerdict | None  # None: nothing that counts was opened
    counted: Mapping[Address, int]
    updates: Mapping[Address, Words]
    coordinates: Coordinates | None
    dimension: int  # of the model


class HistoryRecords:
    """Over the records of one authority. May be shared by threads and processes, as they may."""

    def __init__(self, records: Records, folded: Folded[AuthorityState, AuthorityEntry]) -> None:
        self._records, self._folded = records, folded
        self._verdicts: dict[tuple[int, int], ScreeningVerdict] = {}  # as far as they were read

    def settled(self, task: int) -> int:
        """Number of the last round that is in the histories."""
        return self._task(task).settled

    def verdicts(self, task: int) -> dict[int, ScreeningVerdict | None]:
        """Of every settled round."""
        known = self._task(task)
        return {
            number: self._verdict(task, number) if number in known.opened else None
            for number in range(1, known.settled + 1)
        }

    def settle(self, task: int, settlement: Settlement) -> None:
        """Durable when it returns; once for each round, whoever is first. Raises HearthError ``E_ROUND``."""
        settling = self.settling(task, settlement)
        self._folded.change(lambda state: settling(records_of(state, task)))

    def settling(self, task: int, settlement: Settlement) -> Settling:
        """The change that settles a round, to be made with others."""

        def change(known: TaskRecords) -> Change:
            if known.settled >= settlement.number:
                return NOTHING
            if known.settled != settlement.number - 1:
                message = f"round {settlement.number} where {known.settled + 1} is next"
                raise HearthError(message, code="E_ROUND", fault=Party.OURS)
            return self._settled(task, known, settlement)

        return change

    def history(self, task: int, dimension: int, windows: Windows) -> History:
        """As it was after round ``windows.settled``, of all whose histories may be opened.

        Raises HearthError ``E_ROUND`` unless that is the last round that was settled, ``E_NOT_READY`` where a half
        window that the chain counts is not here.
        """
        while True:
            known = self._task(task)
            if known.settled != windows.settled:
                raise HearthError(f"rounds up to {known.settled} are settled, not {windows.settled}", code="E_ROUND")
            try:
                kept = {client: self._halves(task, known, client, dimension) for client in windows.openable()}
            except RecordsError:
                if self._task(task) == known:  # else another answer has settled a round meanwhile
                    raise
                continue
            if self._task(task) == known:
                _check_counts(known, windows)
                return History.restored(dimension, windows, kept)

    def held(self, task: int) -> frozenset[Address]:
        """Clients of whom there is any accumulator."""
        return frozenset(client for client, _ in self._task(task).histories)

    def forget(self, task: int, clients: Collection[Address]) -> None:
        """Erases their accumulators. What the chain still counts of them is not opened here any more."""

        def change(state: AuthorityState) -> Change:
            held = [place for place in records_of(state, task).histories if place[0] in clients]
            gone = sorted({client for client, _ in held})
            over = tuple(history_blob(task, client, half) for client, half in held)
            return Change(tuple(HistoryForgotten(task, client) for client in gone), remove=over) if gone else NOTHING

        self._folded.change(change)

    def _settled(self, task: int, known: TaskRecords, settlement: Settlement) -> Change:
        half, counts, keep, added = settlement.half, known.histories, dict[str, bytes](), list[Address]()
        over = [place for place in counts if place[1] < half - 1]
        dropped = []
        for client, counted in sorted(settlement.counted.items()):
            held, words = counts.get((client, half), 0), settlement.updates.get(client)
            if words is not None and held == counted:
                blob = history_blob(task, client, half)
                total = self._words(blob, settlement.dimension) if held else np.zeros(settlement.dimension, np.uint64)
                add_update(total, words, settlement.coordinates)
                keep[blob] = pack_words(total, WIDTH)
                added.append(client)
            elif held:
                dropped.append(client)
                over.append((client, half))
        if settlement.verdict is not None:
            keep[verdict_blob(task, settlement.number)] = encode(settlement.verdict)
        entry = HistorySettled(
            task, settlement.number, half, tuple(added), tuple(dropped), settlement.verdict is not None
        )
        return Change((entry,), keep, tuple(history_blob(task, client, of_half) for client, of_half in over))

    def _halves(self, task: int, known: TaskRecords, client: Address, dimension: int) -> Halves:
        """The half window before the last settled round's, and its own."""
        before, running = (
            self._words(history_blob(task, client, half), dimension) if (client, half) in known.histories else None
            for half in (known.half - 1, known.half)
        )
        return before, running

    def _words(self, blob: str, dimension: int) -> Words:
        data = self._records.blob(blob)
        if len(data) != WIDTH * dimension:
            raise RecordsDamagedError(f"a history of {len(data)} bytes for {dimension} coordinates")
        return unpack_words(data, WIDTH)

    def _verdict(self, task: int, number: int) -> ScreeningVerdict:
        if (task, number) not in self._verdicts:
            data = self._records.blob(verdict_blob(task, number))
            self._verdicts[task, number] = decode(ScreeningVerdict, data, MAX_SCREENING_BYTES)
        return self._verdicts[task, number]

    def _task(self, task: int) -> TaskRecords:
        return records_of(self._folded.state, task)


def _check_counts(known: TaskRecords, windows: Windows) -> None:
    """As many updates are held of everybody as the chain counts: other sums would open as another history than all
    others have, and convict this authority of a lie. Raises HearthError ``E_NOT_READY``."""
    for client in windows.openable():
        held = tuple(known.histories.get((client, half), 0) for half in (known.half - 1, known.half))
        if held != windows.halves(client):
            raise HearthError(f"{held} updates are held where {windows.halves(client)} count", code="E_NOT_READY")
