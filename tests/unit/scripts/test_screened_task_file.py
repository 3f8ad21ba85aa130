"""A task file says how its task is screened; what ``hearth task check`` proposes for one that is not can be written."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from protocol.errors import MalformedError
from protocol.identifiers import Address
from protocol.messages.task import TaskSpec
from protocol.task.proposed_screening import screened
from scripts.commands.ready_task import screening_of, stand_in
from scripts.commands.task_file import SAMPLE, TaskFile

TEXT = SAMPLE.read_text()


def spec_of(path: Path, text: str) -> TaskSpec:
    def identify(url: str) -> Address:
        return stand_in(url)

    path.write_text(text)
    return TaskFile(path).spec(b"\1" * 32, b"\2" * 32, identify)


def proposed(spec: TaskSpec) -> dict[str, str]:
    return dict(re.findall(r'([a-z_]+) = ("[^"]+"|[0-9.]+)(?:,|$)', screening_of(spec)))


def written(text: str, entries: dict[str, str]) -> str:
    """The last entry of each name: ``clip`` is one of the mechanism's, too."""
    for name, value in entries.items():
        entry = list(re.finditer(rf"^{name} = [^\s#]+", text, re.MULTILINE))[-1]
        text = f"{text[: entry.start()]}{name} = {value}{text[entry.end() :]}"
    return text


def test_what_is_proposed_for_the_sample_makes_it_a_screened_task(tmp_path: Path) -> None:
    path = tmp_path / "task.toml"
    before = spec_of(path, TEXT)
    assert not before.screening.on
    entries = proposed(before)
    assert set(entries) == {
        "suite", "packing", "density", "scale", "learning_rate", "bound", "bits", "rule", "norm_bound", "clip",
        "window", "probation", "copy",
    }  # fmt: skip
    after = spec_of(path, written(TEXT, entries))
    assert after == screened(before, "foolsgold")
    assert screening_of(after).startswith("foolsgold, of updates up to ")


def test_why_a_task_cannot_be_screened(tmp_path: Path) -> None:
    spec = spec_of(tmp_path / "task.toml", TEXT)
    many = replace(spec, cohort=replace(spec.cohort, max_clients=5_000))
    assert "none is possible: cohort.max_clients: 5000" in screening_of(many)


@pytest.mark.parametrize(
    ("entry", "value", "said"),
    [
        ("rule", '"fools"', "screening.rule: 'fools' is none of krum, foolsgold, alignment"),
        ("rule", '"none"', "screening.rule: is missing: one of krum, foolsgold, alignment"),
        ("clip", "0", "screening.clip: is missing"),
        ("window", "7", "screening.window: 7 rounds have no two halves"),
        ("packing", "4", "learning.encoding.packing: 4: a screened task needs 6"),
        ("unopened", '"wait"', "screening.unopened: 'wait' is neither continue nor abandon"),
    ],
)
def test_its_errors_name_line_and_entry(entry: str, value: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "task.toml"
    text = written(written(TEXT, proposed(spec_of(path, TEXT))), {entry: value})
    line = [number for number, one in enumerate(text.splitlines(), 1) if one.startswith(f"{entry} = ")][-1]
    with pytest.raises(MalformedError, match=re.escape(f"line {line}: {said}")):
        spec_of(path, text)
