"""A household under each mechanism: it trains on what it has now, survives a restart, and can do without examples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from client_agent.data.loader import FileLoader
from client_agent.journal import AgentJournal
from client_agent.privacy.held_out import Coins
from client_agent.training.trainers import HouseholdTrainer, seconds_of_a_round, trainer_for
from protocol.errors import MalformedError
from protocol.messages.learning import MICRO, LearningTerms
from protocol.model.dataset import encode_examples
from protocol.randomness import SeededRandomness
from protocol.round.training import Assignment
from protocol.sparse.index_set import everything
from storage.records.journal import Journal
from tests.samples import sample_spec, with_terms
from tests.unit.client_agent.scene_tiny import EVERYTHING, POINTS, SECRET, TERMS, TINY, examples_of

UNITS = {"client": "household", "features": "feature coordinate"}
KINDS = [
    with_terms(TERMS, kind=kind, unit=UNITS.get(kind, "example"), noise_multiplier_micro=2 * MICRO)
    for kind in ("example", "client", "distributed", "correlated", "features")
]
BAND = with_terms(KINDS[3], band_micro=(500_000, 250_000), separation=2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "household.safetensors"
    path.write_bytes(encode_examples(examples_of((0, 1, 3), [4, 4, 5])))
    return path


def _household(path: Path, secret: bytes = SECRET, by_appliance: bool = False) -> HouseholdTrainer:
    return HouseholdTrainer(
        TINY, FileLoader(path, 10_000), 10, print, Coins(lambda: SECRET), None, lambda: secret, by_appliance
    )


@pytest.mark.parametrize("learning", [*KINDS, BAND], ids=lambda terms: terms.mechanism.kind)
def test_it_trains_as_a_trainer_of_the_same_examples(path: Path, learning: LearningTerms) -> None:
    household, known = _household(path), trainer_for(TINY, examples_of((0, 1, 3)), secret=SECRET)
    for number in (1, 2, 3):
        found, same = (
            one.train(Assignment(POINTS[1], learning, everything(4, number), SeededRandomness(b"same"), f"{number}"))
            for one in (household, known)
        )
        assert found.delta.tobytes() == same.delta.tobytes()
        assert found.evidence == same.evidence


def test_noise_that_spans_rounds_is_the_same_in_another_life_of_the_phone(path: Path, tmp_path: Path) -> None:
    """It follows from what the journal of the enrolment keeps, not from what was drawn since."""

    def life(seed: bytes, rounds: tuple[int, ...]) -> dict[int, bytes]:
        journal, drawn = AgentJournal(Journal(tmp_path / "journal")), SeededRandomness(seed)
        try:
            household = HouseholdTrainer(
                TINY, FileLoader(path, 10_000), 10, print, Coins(lambda: SECRET), None,
                lambda: journal.secret(drawn.draw("enrolment/secret", 32)),
            )  # fmt: skip
            return {
                number: household.train(
                    Assignment(POINTS[1], BAND, everything(4, number), drawn, f"{number}")
                ).delta.tobytes()
                for number in rounds
            }
        finally:
            journal.close()

    first = life(b"first", (1, 2, 3, 4))
    assert life(b"second", (3, 4)) == {number: first[number] for number in (3, 4)}
    assert life(b"third", (2,)) == {2: first[2]}
    (tmp_path / "journal").rename(tmp_path / "other")
    assert life(b"fourth", (2,))[2] != first[2]  # of another enrolment


@pytest.mark.parametrize("learning", [*KINDS, BAND], ids=lambda terms: terms.mechanism.kind)
def test_noise_alone_needs_no_examples_and_is_the_noise_of_the_round(path: Path, learning: LearningTerms) -> None:
    household, sent = _household(path), everything(4, 2)
    path.unlink()  # whatever happened to them
    asked = Assignment(POINTS[1], learning, sent, SeededRandomness(b"r"), "r")
    alone = household.noise_alone(learning).train(asked).delta
    assert alone.any() == (learning.mechanism.kind != "features")
    if learning is BAND:
        path.write_bytes(encode_examples(examples_of((0, 1, 3))))
        with_examples = household.train(Assignment(POINTS[1], learning, sent, SeededRandomness(b"r"), "r")).delta
        quiet = with_terms(learning, noise_multiplier_micro=0)
        sums = household.train(Assignment(POINTS[1], quiet, sent, SeededRandomness(b"r"), "r")).delta
        np.testing.assert_allclose(with_examples - sums, alone, rtol=1e-9, atol=1e-12)


def test_without_a_secret_no_noise_spans_rounds(path: Path) -> None:
    household = HouseholdTrainer(TINY, FileLoader(path, 10_000), 10, print)
    with pytest.raises(MalformedError, match="no secret is kept"):
        household.train(Assignment(POINTS[1], BAND, EVERYTHING, SeededRandomness(b"r"), "r"))
    with pytest.raises(MalformedError, match="no secret is kept"):
        household.noise_alone(BAND)


def test_who_cannot_tell_appliances_apart_is_told_so_before_anything_is_agreed(path: Path) -> None:
    assert _household(path, by_appliance=True).check() == 3
    path.write_bytes(encode_examples(examples_of((0, 1, 3))))
    assert _household(path).check() == 3
    with pytest.raises(MalformedError, match="no array appliance"):
        _household(path, by_appliance=True).check()


@pytest.mark.parametrize("learning", KINDS, ids=lambda terms: terms.mechanism.kind)
def test_a_phone_measures_the_mechanism_that_it_is_asked_for(learning: LearningTerms) -> None:
    appliance = with_terms(learning, unit="appliance", unit_examples=2)
    for terms in (learning, appliance) if learning.mechanism.kind == "example" else (learning,):
        spec, times = sample_spec(learning=with_terms(terms, density_ppm=MICRO)), iter([1.0, 3.5])
        assert seconds_of_a_round(spec, SeededRandomness(b"m"), times.__next__) == 2.5
