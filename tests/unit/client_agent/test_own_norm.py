"""A phone holds its own update against the bound of a screened task: what is sent fits, and something always is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
import pytest

from client_agent.own_norm import shortened, too_long
from protocol.messages.learning import LearningTerms
from protocol.messages.screening_terms import NO_SCREENING, ScreeningTerms
from protocol.round.scheme import RoundScheme
from protocol.round.sealing import encrypt_update
from protocol.round.training import Assignment, Trainer, Training
from protocol.round.update import Update
from protocol.screening.norms import check_own_norm
from protocol.sparse.quantization import quantise
from tests.unit.client_agent.scene_phone import UNTIL_BATCH, Phone
from tests.unit.client_agent.scene_server import PlayedServer, SmallTrainer

TERMS = ScreeningTerms("krum", norm_bound=100, clip=50, window=10)


class Long(SmallTrainer):
    """Moves every coordinate as far as the quantiser can say; its noise alone too, if that is ``loud``."""

    def __init__(self, loud: bool = False) -> None:
        self.loud = loud

    def train(self, assignment: Assignment) -> Training:
        bound = assignment.learning.quantiser.bound_micro / 1e6
        return Training(np.full(len(assignment.sent.indices), -bound), ())

    def noise_alone(self, learning: LearningTerms) -> Trainer:
        return self if self.loud else super().noise_alone(learning)


def sent_by(household: SmallTrainer, rule: str, folder: Path) -> tuple[Phone, PlayedServer, npt.NDArray[np.int64]]:
    server, sent = PlayedServer(rule=rule), list[npt.NDArray[np.int64]]()

    def encrypt(scheme: RoundScheme, values: npt.NDArray[np.int64], *rest: Any) -> tuple[bytes, bytes]:
        sent.append(values)
        return encrypt_update(scheme, values, *rest)

    phone = Phone(server, folder, household=household)
    phone.steps(60)
    server.open()
    with mock.patch("client_agent.participation.encrypt_update", encrypt):
        phone.steps(UNTIL_BATCH)
    assert list(server.submitted) == [1], "silence would tell"
    assert phone.charged() == {1}
    (values,) = sent
    return phone, server, values


@pytest.mark.parametrize("loud", [False, True])
def test_a_long_update_is_noise_alone_and_its_owner_knows(loud: bool, tmp_path: Path) -> None:
    phone, server, values = sent_by(Long(loud), "foolsgold", tmp_path)
    terms = server.spec.screening
    check_own_norm(values, terms.norm_bound)
    assert values.any()
    assert any(
        "the update holds none of your examples" in told and "longer than .98 of the bound" in told
        for told in phone.told
    )


def test_one_that_fits_is_sent_as_it_is(tmp_path: Path) -> None:
    phone, server, values = sent_by(SmallTrainer(), "krum", tmp_path)
    quantiser = server.spec.learning.quantiser
    expected = quantise(np.full(len(values), 0.5), quantiser, bytes(8 * len(values)))
    assert np.abs(values - expected).max() <= 1
    assert not any("the update holds none of your examples" in told for told in phone.told)


def test_no_other_task_has_such_a_bound(tmp_path: Path) -> None:
    _, server, values = sent_by(Long(), "none", tmp_path)
    assert (values == -(2 ** (server.spec.learning.quantiser.bits - 1) - 1)).all()


def test_what_is_shortened_just_fits() -> None:
    generator = np.random.default_rng(0)
    for count in (1, 2, 30, 1000):
        update = Update((generator.standard_normal(count) * 500).astype(np.int64) + 1000, ())
        assert too_long(update, TERMS) is not None
        cut = shortened(update, TERMS)
        assert too_long(cut, TERMS) is None
        assert too_long(replace(cut, values=cut.values * 2 + np.sign(update.values) * 9), TERMS) is not None
        assert (np.sign(cut.values) * np.sign(update.values) >= 0).all()
        assert shortened(cut, TERMS) is cut
        assert shortened(update, NO_SCREENING) is update
