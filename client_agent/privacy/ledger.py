"""The privacy ledger of a household: what every round of every task has cost each of its data sets, in one place.

It lies outside the tasks' folders, and several phones of a household write to it: each change is decided on what stands
there at that moment. No entry is ever taken back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Final, get_args

from client_agent.binding import TaskBinding
from client_agent.policy import check_spending
from protocol.errors import HearthError
from protocol.identifiers import ZERO_DIGEST, Count, Digest
from protocol.messages.learning import BayesianTerms, MechanismTerms, ShortText
from protocol.messages.task import TaskSpec
from protocol.privacy.figure import PrivacyFigure
from protocol.privacy.mechanisms import counted, has_guarantee
from protocol.privacy.spending import NO_RUNGS, Enrolled, planned, together
from protocol.task.owner_limits import PrivacyLimits
from storage.records.fold import Folded
from storage.records.interface import NOTHING, Change, Records

HOME: Final = "home"  # the data set of every file that its owner gave no other one


class DataSetError(HearthError):
    """A file belongs to one data set for good: under a second name its charges would not add up."""

    code = "E_DATA_SET"


@dataclass(frozen=True, slots=True)
class FileAssigned:
    """``fingerprint``: of the file's place or of its content."""

    fingerprint: Digest
    data_set: ShortText


@dataclass(frozen=True, slots=True)
class DataUse:
    """A data set in one enrolment for one task, under one mechanism.

    ``envelope``: of the enrolment. It is drawn, so whoever enrols again, on a copy of the chain too, is charged again.
    """

    data_set: ShortText
    task: TaskBinding
    envelope: Digest
    mechanism: MechanismTerms
    bayesian: BayesianTerms = NO_RUNGS  # of which a choice of rung is charged


@dataclass(frozen=True, slots=True)
class RoundCharged:
    """It counts from here on, whatever happens to the update."""

    use: DataUse
    round: Count


LedgerEntry = FileAssigned | RoundCharged


@dataclass(frozen=True, slots=True)
class Spending:
    """Of all data sets of the household."""

    files: Mapping[Digest, str] = field(default_factory=dict)  # data set by fingerprint
    charged: Mapping[DataUse, frozenset[int]] = field(default_factory=dict)  # rounds

    def with_round(self, use: DataUse, number: int) -> Spending:
        return replace(self, charged={**self.charged, use: self.charged.get(use, frozenset()) | {number}})

    def with_task(self, data_set: str, task: TaskBinding, spec: TaskSpec) -> Spending:
        """As it will be once all rounds of a task are charged, with as many local steps as it may ever plan."""
        ((mechanism, rounds),) = planned(spec, spec.rounds - self.rounds_of(data_set, task)).items()
        use = DataUse(data_set, task, ZERO_DIGEST, mechanism, spec.learning.bayesian)
        return replace(self, charged={**self.charged, use: frozenset(range(1, rounds + 1))})

    def rounds(self, use: DataUse) -> frozenset[int]:
        """Charged to this enrolment, whatever the mechanism of each."""
        return frozenset().union(*(numbers for one, numbers in self.charged.items() if _enrolment(one, use)))

    def rounds_of(self, data_set: str, task: TaskBinding) -> int:
        """In all enrolments."""
        return sum(len(found) for use, found in self.charged.items() if (use.data_set, use.task) == (data_set, task))

    def mechanisms(self, data_set: str, task: TaskBinding) -> Mapping[MechanismTerms, int]:
        """Rounds of a task in all enrolments, by mechanism, as an accountant counts them."""
        together = Counter[MechanismTerms]()
        for use, numbers in self.charged.items():
            if (use.data_set, use.task) == (data_set, task):
                together[use.mechanism] += counted(use.mechanism, numbers)
        return together

    def figure(self, data_set: str, delta_exponent: int, task: TaskBinding | None = None) -> PrivacyFigure:
        """Of all rounds with a guarantee together, whoever's task they were, or of one task's."""
        enrolments: dict[tuple[TaskBinding, Digest], Enrolled] = {}
        for use, numbers in self.charged.items():
            if use.data_set == data_set and task in (None, use.task) and has_guarantee(use.mechanism):
                known = enrolments.get((use.task, use.envelope), Enrolled({}, use.bayesian))
                rounds = {**known.rounds, use.mechanism: counted(use.mechanism, numbers)}
                enrolments[use.task, use.envelope] = replace(known, rounds=rounds)
        return together(list(enrolments.values()), delta_exponent)

    def without_guarantee(self, data_set: str) -> int:
        """Rounds that no figure covers."""
        return sum(
            len(numbers)
            for use, numbers in self.charged.items()
            if use.data_set == data_set and not has_guarantee(use.mechanism)
        )


def _enrolment(one: DataUse, other: DataUse) -> bool:
    return (one.data_set, one.task, one.envelope) == (other.data_set, other.task, other.envelope)


def apply(state: Spending, entry: LedgerEntry) -> Spending:
    match entry:
        case FileAssigned(fingerprint, data_set):
            return replace(state, files={**state.files, fingerprint: data_set})
        case RoundCharged(use, number):
            return state.with_round(use, number)


class PrivacyLedger:
    """``open_records`` waits for whoever else has them open; they are open for one change at a time."""

    def __init__(self, open_records: Callable[[], Records]) -> None:
        self._open = open_records

    def spending(self) -> Spending:
        """As of now. Raises RecordsError."""
        return self._change(lambda _: NOTHING)

    def assign(self, fingerprints: Sequence[Digest], data_set: str | None) -> str:
        """The data set of a file: the one that it has, or else the one that is asked for, for good.

        Raises DataSetError when it has another one.
        """

        def decide(state: Spending) -> Change:
            known = {state.files[fingerprint] for fingerprint in fingerprints if fingerprint in state.files}
            wanted = data_set or next(iter(sorted(known)), HOME)
            if known - {wanted}:
                raise DataSetError(f"the file belongs to the data set {min(known - {wanted})!r}, and not to {wanted!r}")
            return Change(tuple(FileAssigned(one, wanted) for one in fingerprints if one not in state.files))

        return self._change(decide).files[fingerprints[0]]

    def charge(self, use: DataUse, number: int, limits: PrivacyLimits) -> None:
        """Durably, and once for a round however often it is begun.

        Raises RecordsError; PolicyError when it would pass the limits, and then charges nothing.
        """

        def decide(state: Spending) -> Change:
            if number in state.rounds(use):
                return NOTHING
            after = state.with_round(use, number)
            in_task = after.figure(use.data_set, limits.task_delta_exponent, use.task)
            check_spending(limits, in_task, after.figure(use.data_set, limits.total_delta_exponent))
            return Change((RoundCharged(use, number),))

        self._change(decide)

    def record(self, use: DataUse, number: int, own: frozenset[Digest]) -> None:
        """What is spent already, whatever the limits are now; once, where ``own`` enrolments are the same phone's.

        Raises RecordsError."""

        def decide(state: Spending) -> Change:
            known = (state.rounds(replace(use, envelope=envelope)) for envelope in own | {use.envelope})
            return NOTHING if any(number in rounds for rounds in known) else Change((RoundCharged(use, number),))

        self._change(decide)

    def _change(self, decide: Callable[[Spending], Change]) -> Spending:
        with closing(self._open()) as records:
            folded: Folded[Spending, LedgerEntry] = Folded(records, get_args(LedgerEntry), Spending(), apply)
            return folded.change(decide)


class DataSet:
    """What one phone trains on: once its file has a data set, every later content of it has to be of the same one."""

    def __init__(self, privacy: PrivacyLedger, name: str | None) -> None:
        """``name``: None for the one that the file has, or else ``home``."""
        self._privacy, self.name = privacy, name

    def admit(self, fingerprints: Sequence[Digest]) -> None:
        """Raises DataSetError for what is of another one, RecordsError."""
        self.name = self._privacy.assign(fingerprints, self.name)
