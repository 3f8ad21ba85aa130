"""Whoever takes an authority over later, with everything in its folder, opens no envelope of an earlier window."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol.canonical import decode
from protocol.encryption.envelope import SEED_BYTES, EncryptionKeyPair, KeyEnvelope, open_share
from protocol.errors import HearthError
from protocol.identifiers import Address
from tests.samples import DOMAIN
from tests.unit.backend.key_authority.scene import CLIENTS, TASK, Scene, envelope, spec

ENROLLED = dict(zip(CLIENTS, (0, 0, 1), strict=True))  # in which window
PUBLIC = {client: decode(KeyEnvelope, envelope(client, window)) for client, window in ENROLLED.items()}


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path / "authority-1")
    yield made
    made.records.close()


def _opened(scene: Scene) -> set[Address]:
    """Clients whose keys of enrolment a thief of the folder has: every file is tried as the key of every envelope."""
    seeds = [path.read_bytes() for path in scene.folder.rglob("*") if path.is_file()]
    pairs = [EncryptionKeyPair(seed) for seed in seeds if len(seed) == SEED_BYTES]
    found = set()
    for client, public in PUBLIC.items():
        for pair in pairs:
            try:
                assert open_share(public, DOMAIN.prefix(), scene.j, pair)
                found.add(client)
            except HearthError:
                pass
    return found


def test_a_thief_opens_the_envelopes_of_the_windows_whose_keys_are_there(empty: Scene) -> None:
    length = spec().cohort.roster_rounds
    empty.prepare(CLIENTS[:2])
    assert _opened(empty) == set(CLIENTS[:2])  # nothing protects who enrolls now against a thief of now
    empty.ledger.open(length)  # the last round of window 0: who enrols now seals to window 1
    empty.authority.window_key(TASK, 1)
    empty.ledger.enrol(CLIENTS[2], 1)
    empty.authority.accept_client(TASK, CLIENTS[2], envelope(CLIENTS[2], 1))
    empty.ledger.open(length + 1)
    empty.windows.erase(TASK, spec())
    assert _opened(empty) == {CLIENTS[2]}
    empty.ledger.open(2 * length + 1)
    empty.windows.erase(TASK, spec())
    assert _opened(empty) == set()
