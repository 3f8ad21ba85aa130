"""``hearth model check``: what it reads, what it says of size and noise, and what it refuses with the line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from protocol.canonical import encode
from protocol.errors import MalformedError, Party
from protocol.messages.learning import MICRO, Layer, ModelSpec
from protocol.model.specification import dimension_of
from scripts.cli import app
from scripts.commands.model_check import Cost, facts_of, lines_of, measured, read_model
from scripts.commands.task_file import SAMPLE
from tests.samples import sample_spec, with_terms

MODEL = ModelSpec(
    (2, 3), 1, (Layer("gru", {"units": 4}), Layer("linear", {"outputs": 1, "bias": 1})), tolerance_micro=MICRO // 10
)
TEXT = """[model]
input_shape = [2, 3]
classes = 1
tolerance = 0.1
layers = [
  { kind = "gru", units = 4 },
  { kind = "linear", outputs = 1, bias = 1 },
]
"""
COST = Cost(0.002, 0.03, 5_000_000)


def _file(folder: Path, text: str) -> Path:
    path = folder / "model.toml"
    path.write_text(text)
    return path


def test_a_model_alone_as_toml_and_as_json(tmp_path: Path) -> None:
    assert read_model(_file(tmp_path, TEXT)) == (MODEL, None)
    assert read_model(_file(tmp_path, encode(MODEL).decode())) == (MODEL, None)


def test_the_model_of_a_task() -> None:
    model, spec = read_model(SAMPLE)
    assert spec is not None
    assert spec.model == model
    assert dimension_of(model) == 3_930


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('kind = "gru"', 'kind = "grn"', r"line 6: model.layers.0..kind: .*did you mean gru"),
        ("units = 4", "unit = 4", r"line 6: .*unit"),
        ("classes = 1", "classes = 2\nmore = 1", r"line 4: .*more"),
        ("tolerance = 0.1", "", "tolerance"),
        ("[model]", "[task]", "table is missing"),
    ],
)
def test_what_cannot_stand_is_named(old: str, new: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(MalformedError, match=said):
        read_model(_file(tmp_path, TEXT.replace(old, new)))


def test_what_no_model_is(tmp_path: Path) -> None:
    for text in ("{}", '{"x": 1', "\x00", "= 1"):
        with pytest.raises(MalformedError):
            read_model(_file(tmp_path, text))
    with pytest.raises(MalformedError):
        read_model(tmp_path / "absent")


def test_json_that_is_no_model_is_named_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    for text, said in (("{}", "fields"), ("[]", "list"), ("null", "NoneType"), ('{"x": 1', "not canonical JSON")):
        path.write_text(text)
        with pytest.raises(MalformedError, match=f"model.json: ModelSpec: .*{said}") as caught:
            read_model(path)
        assert caught.value.fault == Party.OURS
    path.write_text(encode(replace(MODEL, layers=(Layer("lineer", {}),))).decode())
    with pytest.raises(MalformedError, match=r"model\.json: .*lineer") as caught:
        read_model(path)
    assert caught.value.fault == Party.OURS


def test_size_and_work_of_a_model() -> None:
    facts = facts_of(MODEL, None, COST)
    assert [layer["parameters"] for layer in facts["layers"]] == [12 * 3 + 12 * 4 + 12, 5]
    assert (facts["parameters"], facts["multiplications_of_an_example"]) == (101, 2 * 84 + 4)
    assert facts["noise_of_one_clip"] == pytest.approx(101**0.5)
    text = "\n".join(lines_of(facts))
    assert (
        "gru gives 4, 96 parameters" in text
        and "2.000 ms for a clipped gradient, 30.000 in" in text
        and "5.0 MB" in text
        and "10 clips long" in text
    )


def test_noise_and_time_at_the_terms_of_a_task() -> None:
    """100 parameters, all sent; 20 examples in a step; a multiplier of 4: 40 clips of noise upon 20 of gradients."""
    model = ModelSpec((50,), 2, (Layer("linear", {"outputs": 2, "bias": 0}),))
    spec = sample_spec(model=model)
    terms = with_terms(
        spec.learning, noise_multiplier_micro=4 * MICRO, sampling_rate_ppm=MICRO // 10, local_steps=3,
        reference_count=200, density_ppm=MICRO,
    )  # fmt: skip
    spec = replace(spec, learning=terms)
    facts = facts_of(model, spec, COST)
    assert facts["sent"] == 100
    assert facts["noise_to_signal_of_a_household"] == pytest.approx(2.0)
    assert facts["noise_to_signal_of_a_round"] == pytest.approx(2.0 / spec.cohort.min_clients**0.5)
    assert facts["round_seconds_here"] == pytest.approx(3 * 0.1 * spec.schedule.max_examples * 0.002)
    assert "2.00 times as long" in "\n".join(lines_of(facts))


def test_it_measures_a_step_of_learning() -> None:
    times = iter(range(100))
    cost = measured(MODEL, lambda: float(next(times)))
    assert cost.seconds == cost.plain_seconds == 1.0 / 256
    assert cost.peak_bytes > 8 * dimension_of(MODEL) * 256 / 4, "gradients of a chunk are held at once"


def test_the_command_prints_and_writes(tmp_path: Path) -> None:
    path = _file(tmp_path, TEXT)
    ended = CliRunner().invoke(app, ["model", "check", str(path), "--json", str(tmp_path / "facts.json")])
    assert ended.exit_code == 0, ended.output
    assert "101 parameters" in ended.output
    assert json.loads((tmp_path / "facts.json").read_text())["parameters"] == 101
