"""What a round asks of a phone follows from the task's terms alone."""

from __future__ import annotations

from dataclasses import replace

from protocol.messages.learning import MICRO, BayesianTerms, Layer, ModelSpec
from protocol.messages.task import ControlTerms
from protocol.model.layout import Layout
from protocol.round.planning import sent_parameters
from protocol.round.scheme import encoding_of
from protocol.task.work import work_of
from tests.samples import sample_spec, with_terms

SPEC = sample_spec()


def test_work_follows_from_public_terms_alone() -> None:
    layers = (
        Layer("convolution", {"channels": 2, "kernel": 3, "stride": 3}),
        Layer("flatten", {}),
        Layer("linear", {"outputs": 3, "bias": 1}),
    )
    learning = with_terms(SPEC.learning, local_steps=4, sampling_rate_ppm=500_000, density_ppm=1_000_000)
    schedule = replace(SPEC.schedule, max_examples=3_000_000)
    spec = replace(SPEC, model=ModelSpec((1, 6, 6), 3, layers), learning=learning, schedule=schedule)
    work = work_of(spec)
    assert work.activations == 36 + 8 + 8 + 3
    # 9 weights at 4 places for each of 2 channels, and 8 * 3 weights; three passes, four steps over half of the data
    assert work.seconds == -(-3 * 4 * 1_500_000 * (72 + 24) // 10**9)
    held = replace(learning, bayesian=BayesianTerms(MICRO, 5, 250_000, (2_000_000,)))
    longer = replace(spec, learning=held, control=ControlTerms(max_local_steps=8))
    assert work_of(longer).seconds == -(-3 * 8 * (1_500_000 + 750_000) * (72 + 24) // 10**9)
    body, largest = encoding_of(spec).body_bytes(sent_parameters(spec)), Layout.of(spec.model).max_bytes
    assert work.bytes == body + largest > 47 * 4  # the update, and a model of 47 parameters
