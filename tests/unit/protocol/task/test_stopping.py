"""A task whose model gets no better: which round is its last one, and who refuses to go on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.errors import VerificationError
from protocol.identifiers import ZERO_DIGEST, sha256
from protocol.messages.chain import RoundAbandoned, RoundFrozen, RoundOpened, RoundPublished
from protocol.messages.task import ControlTerms, TaskSpec
from protocol.task.continuation import continuation
from protocol.task.documents import Kind
from protocol.task.ending import is_over
from protocol.task.round_facts import Ended, RoundFacts
from protocol.task.state import TaskState
from protocol.task.status import status_of
from protocol.task.stopping import stopped_after
from tests.unit.protocol.task.told_task import ToldTask, event_of

TOLD = ToldTask()


def _published(number: int, correct: int, model: bytes = b"") -> RoundPublished:
    return event_of(
        RoundPublished, round=number, model=model or sha256(bytes([number])), record=ZERO_DIGEST,
        allocation_root=ZERO_DIGEST, allocated=0, correct=correct, examples=10,
    )  # fmt: skip


def _state(patience: int, *ends: Ended | None) -> TaskState:
    """Of a task whose rounds ended so, or still run."""
    state = TOLD.state()
    spec: TaskSpec = replace(TOLD.spec, rounds=99, control=ControlTerms(patience=patience))
    assert state.posted is not None
    documents = {**state.documents, (Kind.SPEC, state.posted.terms.spec): spec}
    rounds = [
        RoundFacts(
            event_of(
                RoundOpened, round=number, plan=ZERO_DIGEST, label=bytes([number]) * 32, cohort_root=ZERO_DIGEST,
                cohort=3, beacon=ZERO_DIGEST, commit_until=1, settle_until=2,
            ),
            TOLD.spec.edge_server, ended=ended, ended_by=TOLD.spec.edge_server,
        )
        for number, ended in enumerate(ends, start=1)
    ]  # fmt: skip
    posted = replace(state.posted, terms=replace(state.posted.terms, rounds=99))
    return replace(state, posted=posted, rounds=tuple(rounds), documents=documents)


def _counts(*counts: int) -> list[RoundPublished]:
    return [_published(number, correct) for number, correct in enumerate(counts, start=1)]


@pytest.mark.parametrize(
    ("counts", "last"),
    [
        ((), None),
        ((3,), None),
        ((3, 3), None),
        ((3, 3, 3), 3),
        ((3, 3, 4, 4), None),
        ((3, 2, 4, 4, 3), 5),
        ((0, 0, 0), 3),
        ((5, 4, 3, 6), 3),
        ((1, 2, 3, 4, 5), None),
    ],
)  # fmt: skip
def test_the_last_round_is_the_one_that_used_the_patience_up(counts: tuple[int, ...], last: int | None) -> None:
    """What comes after it changes nothing, not even a better model."""
    assert stopped_after(_state(2, *_counts(*counts))) == last


def test_without_patience_nothing_stops() -> None:
    assert stopped_after(_state(0, *_counts(3, 3, 3, 3, 3, 3))) is None


def test_without_its_spec_nobody_knows() -> None:
    assert stopped_after(replace(_state(2, *_counts(3, 3, 3)), documents={})) is None


def test_a_round_without_a_model_of_its_own_is_not_waited_for() -> None:
    """Whoever sends garbage, or commits too little, ends no task."""
    abandoned = event_of(
        RoundAbandoned, round=2, record=ZERO_DIGEST, allocation_root=ZERO_DIGEST, allocated=0,
    )  # fmt: skip
    garbage = _published(3, 3, model=sha256(bytes([1])))
    initial = _published(4, 0, model=TOLD.spec.initial_model)
    ends = _published(1, 3), abandoned, garbage, initial, None, _published(6, 3)
    assert stopped_after(_state(2, *ends)) is None
    assert stopped_after(_state(2, *ends, _published(7, 3))) == 7


def test_a_dispute_changes_nothing() -> None:
    """The model of a frozen round stands, and is gone on from."""
    state = _state(2, *_counts(3, 3, 3))
    frozen = replace(state.rounds[2], frozen=event_of(RoundFrozen, round=3, culprit=bytes(20)))
    assert stopped_after(replace(state, rounds=(*state.rounds[:2], frozen))) == 3


def test_nobody_joins_a_round_after_the_stop() -> None:
    """The ledger would let it open: phones and auditors refuse its plan."""
    state = _state(2, *_counts(3, 3, 3), None)
    spec = state.spec
    assert isinstance(spec, TaskSpec)
    with pytest.raises(VerificationError, match="stopped early, after round 3"):
        continuation(state, spec, 4, sha256(bytes([3])))
    assert continuation(state, spec, 3, sha256(bytes([2]))).number == 2


def test_it_is_shown_as_ended_though_the_ledger_would_open_more() -> None:
    state = _state(2, *_counts(3, 3, 3))
    assert (is_over(state, 1), status_of(state, 1).state) == (False, "ended")
    assert status_of(_state(3, *_counts(3, 3, 3)), 1).state == "running"
