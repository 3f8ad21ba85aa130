"""When a phone sends: by plan and draw alone, so that neither time nor silence tells of its data."""

from __future__ import annotations

from dataclasses import dataclass, field

from protocol.errors import HearthError, Party
from protocol.identifiers import Label
from protocol.messages.chain import RoundOpened
from protocol.messages.task import ScheduleTerms, TaskSpec
from protocol.randomness import Randomness


class TooSlowError(HearthError):
    """This phone could not keep the task's schedule: it does not enrol."""

    code = "E_TOO_SLOW"


@dataclass
class Schedule:
    """Of one phone in one task. A process that starts again draws again."""

    randomness: Randomness
    _instants: dict[tuple[Label, int], int] = field(default_factory=dict)

    def instant(self, spec: TaskSpec, opened: RoundOpened, now: int, sealed: bool = False) -> int:
        """When the update of a round is sent, in seconds of block time; fixed before anything is trained.

        Half of the training time is for hearing of the round, half for the work. For who hears of it later all of it
        counts from then on, unless the work was done before this process began.
        """
        known = (opened.label, opened.commit_until)
        if known not in self._instants:
            seconds, opening = spec.schedule.training_seconds, opened.commit_until - spec.durations.commit_seconds
            heard = opening if sealed or now <= opening + seconds // 2 else now
            self._instants[known] = heard + seconds + self._drawn(spec, opened.label.hex())
        return self._instants[known]

    def enrolment(self, spec: TaskSpec, now: int) -> int:
        """When the enrolment of a phone is sent that begins to look at its data ``now``."""
        return now + spec.schedule.training_seconds + self._drawn(spec, "enrolment")

    def _drawn(self, spec: TaskSpec, purpose: str) -> int:
        return int.from_bytes(self.randomness.draw(f"{purpose}/sending", 8)) % spec.schedule.training_seconds


def check_pace(schedule: ScheduleTerms, seconds: float) -> None:
    """Raises TooSlowError unless a phone that needs ``seconds`` for the most examples is always done in time."""
    if 2.0 * seconds > schedule.training_seconds:
        raise TooSlowError(
            f"this phone needs {seconds:.1f} s to train on {schedule.max_examples} examples, and may take half of the"
            f" task's {schedule.training_seconds} s",
            fault=Party.MANUFACTURER,
        )
