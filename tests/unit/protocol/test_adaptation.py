"""Local steps from public numbers: clients that differ get fewer, and everybody derives the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from client_agent.training.trainers import trainer_for
from protocol.encryption.port import largest_value
from protocol.errors import VerificationError
from protocol.identifiers import ZERO_DIGEST
from protocol.messages.learning import MICRO, LearningTerms
from protocol.messages.round import RoundPlan
from protocol.messages.task import ControlTerms, TaskSpec
from protocol.model.dataset import Array, Examples
from protocol.model.initialization import initial_parameters
from protocol.model.layout import Layout
from protocol.model.trained import Control, TrainedModel
from protocol.randomness import SeededRandomness
from protocol.round.adaptation import Adaptation, check_steps, learning_of, with_steps
from protocol.round.planning import plan_round
from protocol.round.stepping import Stepping
from protocol.round.training import Assignment
from protocol.round.update import prepare_update
from protocol.sparse.index_set import everything
from tests.samples import DOMAIN, client_address, sample_spec, with_terms

COUNT = 90
CLIENTS = [client_address(number) for number in range(3)]


def _spec(noise_micro: int = 0, **control: int) -> TaskSpec:
    terms = {"density_ppm": MICRO, "scale_micro": MICRO, "clip_micro": 4 * MICRO, "bits": 30, "reference_count": 30}
    learning = with_terms(
        sample_spec().learning, **terms, learning_rate_micro=200_000, noise_multiplier_micro=noise_micro
    )
    usual = {"max_local_steps": 20, "phi_micro": 20_000} | control
    return sample_spec(rounds=30, learning=learning, control=ControlTerms(**usual))


SPEC = _spec()


def _examples() -> tuple[Array, Array]:
    generator = np.random.Generator(np.random.PCG64(5))
    labels = np.arange(COUNT) % 3
    inputs = generator.normal(0.0, 0.5, (COUNT, 6))
    inputs[np.arange(COUNT), labels] += 1.0
    return inputs.astype(np.float32), labels.astype(np.uint8)


def _parts(alike: bool) -> list[tuple[Array, Array]]:
    inputs, labels = _examples()
    owners = np.arange(COUNT) // 30 if alike else labels
    return [(inputs[owners == client], labels[owners == client]) for client in range(3)]


def _played(spec: TaskSpec, alike: bool, rounds: int) -> list[TrainedModel]:
    trainers = [
        trainer_for(spec.model, Examples({"inputs": inputs, "labels": labels})) for inputs, labels in _parts(alike)
    ]
    model, found = TrainedModel(initial_parameters(spec.model)), list[TrainedModel]()
    for number in range(1, rounds + 1):
        learning, sums = learning_of(spec, model), np.zeros(21, dtype=np.int64)
        for client, trainer in enumerate(trainers):
            source = SeededRandomness(bytes([client]))
            update = prepare_update(
                trainer, Assignment(model.parameters, learning, everything(21), source, f"{number}")
            )
            sums += update.values
        plan = _plan(spec, number, learning)
        model = Stepping(spec, plan, model, [1, 1, 1], _examples).after(sums)
        found.append(model)
    return found


def _plan(spec: TaskSpec, number: int, learning: LearningTerms) -> RoundPlan:
    return plan_round(spec, DOMAIN, 1, number, dict.fromkeys(CLIENTS, 2), ZERO_DIGEST, learning=learning)


def _steps(models: list[TrainedModel]) -> list[int]:
    return [model.control.local_steps for model in models if model.control is not None]


def test_clients_with_labels_of_their_own_get_fewer_steps_than_those_that_are_alike() -> None:
    alike, apart = (_steps(_played(SPEC, one, 6)) for one in (True, False))
    assert len(alike) == len(apart) == 6
    assert sum(apart[1:]) < sum(alike[1:]), (alike, apart)
    assert max(alike) <= 20


def test_the_first_round_with_one_step_measures_the_length_of_a_step() -> None:
    """Without noise and with the reference count of examples each, that is the learning rate."""
    (model,) = _played(SPEC, True, 1)
    assert model.control is not None
    assert model.control.rate == pytest.approx(0.2, rel=0.05)
    assert (model.control.slope, model.control.divergence) == (0.0, 0.0)


def test_known_noise_is_not_taken_for_length() -> None:
    quiet, noisy = (_played(_spec(noise), True, 1)[0].control for noise in (0, MICRO))
    assert quiet is not None and noisy is not None
    assert noisy.rate == pytest.approx(quiet.rate, rel=0.5)
    parameters = initial_parameters(SPEC.model)
    update = np.full(21, 10**6)
    adaptation, test_set = Adaptation.of(SPEC), _examples()
    where = TrainedModel(parameters), everything(21), update, [1], test_set
    assert adaptation.after(_spec(0).learning, *where) == adaptation.after(_spec(0).learning, *where)


def test_an_update_that_goes_uphill_is_followed_by_one_step() -> None:
    models = _played(SPEC, True, 2)
    earlier, before = models
    assert before.control is not None
    back = (earlier.parameters - before.parameters).astype(np.float64)
    uphill = np.rint(back * (largest_value(30) / 10.0)).astype(np.int64)
    after = Adaptation.of(SPEC).after(
        with_steps(SPEC.learning, before.control.local_steps), before, everything(21), uphill, [1], _examples()
    )
    assert after == replace(before.control, local_steps=1)


def test_the_steps_of_a_plan_follow_from_its_model_alone() -> None:
    model = TrainedModel(initial_parameters(SPEC.model), control=Control(7, 0.1, 1.0, 1.0))
    learning = learning_of(SPEC, model)
    assert learning == with_steps(SPEC.learning, 7)
    plan = _plan(SPEC, 2, learning)
    read = Layout.published(SPEC).decode(Layout.published(SPEC).encode(model))
    check_steps(plan, SPEC, read)
    with pytest.raises(VerificationError, match="has 7 local steps, and 1 follow"):
        check_steps(plan, SPEC, TrainedModel(model.parameters))
    assert learning_of(_spec(max_local_steps=0), model) == SPEC.learning


def test_whoever_was_killed_derives_the_same() -> None:
    one, other = (_played(SPEC, False, 4) for _ in range(2))
    encode = Layout.published(SPEC).encode
    assert [encode(model) for model in one] == [encode(model) for model in other]
