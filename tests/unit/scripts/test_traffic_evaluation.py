"""FedGRU's terms keep its small gradients, and its report says what federation loses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from client_agent.data.traffic import LAGS
from client_agent.training.gradients import Gradients
from client_agent.training.trainers import trainer_for
from protocol.messages.learning import MICRO
from protocol.model.dataset import Examples
from protocol.model.initialization import initial_parameters
from protocol.sparse.quantization import meaning
from scripts.evaluate.rounds import Course
from scripts.evaluate.traffic import SIZES, Traffic
from scripts.evaluate.traffic_run import learning_of, model_of


def test_hardly_anything_of_a_gradient_is_lost_in_an_update() -> None:
    """Of a model that is nearly right: its gradients are short beside the clip, on whose grid they are rounded."""
    generator, count = np.random.default_rng(1), 64
    inputs = generator.normal(0.9, 0.05, (count, LAGS, 1)).astype(np.float32)
    labels = inputs.mean(axis=(1, 2)) + generator.normal(0.0, 0.01, count).astype(np.float32)
    model, usual = model_of(SIZES["small"]), learning_of(0.01)
    parameters = initial_parameters(model)
    parameters[-17:] = [*0.02 * generator.normal(size=16), 0.92]  # the last layer: its weights, then its bias
    everybody = replace(usual.mechanism, sampling_rate_ppm=MICRO)
    learning = replace(usual, mechanism=everybody, optimiser=replace(usual.optimiser, reference_count=count))
    course = Course(model, learning, [trainer_for(model, Examples({"inputs": inputs, "labels": labels}))], seed=1)
    sent = course.sent(1)
    exact = Gradients(model, inputs, labels).each(parameters.astype(np.float64), sent.indices, np.arange(count))
    found = -meaning(course.update(1, 0, parameters).values, learning, sent)
    lost = np.linalg.norm(found - exact.mean(axis=1)) / np.linalg.norm(exact.mean(axis=1))
    assert lost < 0.01


def test_targets_of_traffic_are_what_the_model_of_all_and_the_ensemble_lose() -> None:
    def of(mae: float) -> dict[str, float]:
        return {"MAE": mae, "MSE": 9.0, "RMSE": 3.0, "MAPE": 0.1}

    federated = {"sizes": [2, 1], "course": [(1, 3.0), (2, 2.5)], "clusters": of(9.0)}
    results: dict[str, dict[str, Any]] = {
        "persistence": {"all": of(3.0)},
        "centralised-seed1": {"all": of(2.0)},
        "centralised-seed2": {"all": of(4.0)},
        "federated-seed1": federated | {"all": of(2.0), "ensemble": of(2.0)},
        "federated-seed2": federated | {"all": of(4.06), "ensemble": of(4.3)},
    }
    report = Traffic(2).report("full", results)
    assert [(row.value, row.met) for row in report.rows] == [("+1.00%", True), ("+5.00%", False)]
    assert "3.2 passes" in report.notes[-1]
