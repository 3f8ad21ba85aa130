"""Blobs of an authority's records: their names, and the form of shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from protocol.encryption.committee import KEY_BYTES, Subset
from protocol.identifiers import Address, Label
from storage.records.interface import RecordsDamagedError


def joined(keys: Mapping[Subset, bytes]) -> bytes:
    return b"".join(keys[subset] for subset in sorted(keys))


def split(keys: bytes, held: Sequence[Subset]) -> dict[Subset, bytes]:
    if len(keys) != KEY_BYTES * len(held):
        raise RecordsDamagedError("a share is for another committee")
    return {subset: keys[KEY_BYTES * i : KEY_BYTES * (i + 1)] for i, subset in enumerate(held)}


def spec_blob(task: int) -> str:
    return f"task-{task}"


def window_blob(task: int, window: int) -> str:
    return f"window-{task}-{window}"


def share_blob(task: int, client: Address) -> str:
    return f"share-{task}-{client.hex()}"


def shares_blob(task: int, epoch: int) -> str:
    return f"share-{task}-epoch-{epoch}"


def answer_blob(label: Label, kind: str) -> str:
    return f"answer-{label.hex()}-{kind}"


def history_blob(task: int, client: Address, half: int) -> str:
    return f"history-{task}-{client.hex()}-{half}"


def verdict_blob(task: int, number: int) -> str:
    return f"verdict-{task}-{number}"
