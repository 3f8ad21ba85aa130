"""The record of a settled round: built in one place, checked in one place."""

from __future__ import annotations

from dataclasses import dataclass

from protocol.errors import Party, VerificationError
from protocol.identifiers import ZERO_DIGEST, Digest, Label
from protocol.messages.charge import Charge
from protocol.messages.keys import Sightings, SignedPartialKey
from protocol.messages.settlement import ABANDONED, GARBAGE, PUBLISHED, RoundRecord, Verdict
from protocol.round.averaging import Average


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a published round has beyond its verdict; digests are of content, but for the key's own SHA-256.

    ``aggregate``: zero where the key opens garbage.
    """

    sightings: Sightings
    keys: tuple[SignedPartialKey, ...]  # ascending by position in the committee, those that made the key
    accused: tuple[SignedPartialKey, ...]
    functional_key: Digest
    aggregate: Digest
    max_residual: int
    model: Digest
    correct: int
    examples: int
    average: Average


_NONE = Outcome((), (), (), ZERO_DIGEST, ZERO_DIGEST, 0, ZERO_DIGEST, 0, 0, Average())


def round_record(
    label: Label,
    verdict: Verdict,
    request: Digest,
    outcome: Outcome | None,
    charge: Charge,
    allocation: Digest,
    screening: Digest = ZERO_DIGEST,
) -> RoundRecord:
    """``outcome`` None: the round was abandoned. ``request``: zero when no key was requested. ``screening``: of what
    was opened before, zero for nothing."""
    reached, opened = outcome or _NONE, PUBLISHED
    if outcome is not None and outcome.aggregate == ZERO_DIGEST:
        opened = GARBAGE
    return RoundRecord(
        label=label,
        outcome=ABANDONED if outcome is None else opened,
        verdict=verdict,
        request=request,
        sightings=reached.sightings,
        keys=reached.keys,
        accused=reached.accused,
        functional_key=reached.functional_key,
        aggregate=reached.aggregate,
        max_residual=reached.max_residual,
        model=reached.model,
        correct=reached.correct,
        examples=reached.examples,
        charge=charge,
        allocation=allocation,
        averaged=reached.average.digest,
        averaged_rounds=reached.average.rounds,
        screening=screening,
    )


def check_record(record: RoundRecord, label: Label, published: bool) -> None:
    """What a record must say whatever happened in its round. Raises VerificationError."""
    _same("label", record.label, label)
    garbage = published and record.outcome == GARBAGE
    _same("outcome", record.outcome, (GARBAGE if garbage else PUBLISHED) if published else ABANDONED)
    if garbage:
        _same("sum of garbage", (record.aggregate, record.max_residual), (ZERO_DIGEST, 0))
    if garbage or not published:
        _same("average where no model was made", (record.averaged, record.averaged_rounds), (ZERO_DIGEST, 0))
    if not published:
        _same("keys", (record.sightings, record.keys, record.accused), ((), (), ()))
        digests = (record.functional_key, record.aggregate, record.model)
        _same("digests of an abandoned round", digests, (ZERO_DIGEST,) * 3)
        counts = (record.max_residual, record.correct, record.examples)
        _same("counts of an abandoned round", counts, (0, 0, 0))


def _same(name: str, claimed: object, derived: object) -> None:
    if claimed != derived:
        raise VerificationError(f"record: {name}: {claimed!r:.100}, not {derived!r:.100}", fault=Party.EDGE_SERVER)
