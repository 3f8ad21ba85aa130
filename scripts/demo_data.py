"""The demonstration's data: public examples dealt out to households, each in a file of its own."""

from __future__ import annotations

from dataclasses import dataclass

from client_agent.data.partition import dirichlet_partition, equal_partition

from client_agent.data import datasets
from protocol.model.dataset import encode_labelled
from scripts.data_folder import data_folder

DIRICHLET_ALPHA = 0.5
PARTITION_SEED = b"hearth demo partition"  # fixed: the split is part of the demonstration, not of its randomness


@dataclass(frozen=True)
class Households:
    """Safetensors files: one per household, and the public test set."""

    households: list[bytes]
    test_set: bytes
