"""How the demonstration deals digits out, and which ways it refuses for which data."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from client_agent.data.datasets import load_digits
from protocol.model.dataset import decode_labelled
from scripts.cli import app
from scripts.demonstration.data import PARTITIONS, households_of
from scripts.demonstration.presets import PRESETS

CLIENTS = 12


def _classes(partition: str) -> list[list[int]]:
    """Of each household: how many it has of each digit. Nobody's example is somebody else's."""
    dealt = [decode_labelled(household) for household in households_of("digits", CLIENTS, partition).households]
    images = np.concatenate([inputs.reshape(len(inputs), -1) for inputs, _ in dealt])
    known = load_digits()[0].arrays["inputs"].reshape(-1, images.shape[1])
    assert len(images) <= len(known)
    assert len(np.unique(images, axis=0)) >= len(images) - (len(known) - len(np.unique(known, axis=0)))
    return [np.bincount(labels, minlength=10).tolist() for _, labels in dealt]


def test_every_data_set_has_a_usual_way() -> None:
    assert set(PARTITIONS) == set(PRESETS) and all(PARTITIONS.values())
    assert households_of("digits", 3, PARTITIONS["digits"][0]) == households_of("digits", 3)


def test_iid_gives_everybody_as_many_of_all_kinds() -> None:
    counts = np.array(_classes("iid"))
    assert set(counts.sum(axis=1)) == {1437 // CLIENTS}
    assert counts.min() > 0


def test_one_class_gives_each_household_one_kind() -> None:
    counts = np.array(_classes("one-class"))
    assert [np.flatnonzero(row).tolist() for row in counts] == [[client % 10] for client in range(CLIENTS)]


def test_dirichlet_is_uneven_in_size_and_in_kind() -> None:
    counts = np.array(_classes("dirichlet"))
    assert counts.sum() == 1437
    assert counts.sum(axis=1).max() > 2 * counts.sum(axis=1).min()
    assert (counts == 0).any()


@pytest.mark.parametrize(
    ("dataset", "partition"),
    [("digits", "household"), ("mnist", "household"), ("traffic", "iid"), ("appliances", "dirichlet"), ("digits", "x")],
)
def test_a_way_that_does_not_fit_is_refused_before_anything_is_done(dataset: str, partition: str) -> None:
    ran = CliRunner().invoke(app, ["demo", "--dataset", dataset, "--partition", partition])
    assert ran.exit_code == 2
    said = " ".join(ran.output.replace("│", " ").split())
    assert f"--partition {partition}: {dataset} is dealt out by {', '.join(PARTITIONS[dataset])}" in said
