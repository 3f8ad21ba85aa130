"""A phone joins no round that it should not, and seals one update under a label, once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from client_agent.round_session import DisorderError, RoundSession
from protocol.canonical import encode
from protocol.content.cid import cid_of
from protocol.encryption.committee import draw_master_keys
from protocol.errors import HearthError, Party
from protocol.messages.round import ClientWeight, RoundPlan
from protocol.randomness import SeededRandomness
from protocol.round.planning import History, choose_index_set, plan_round
from protocol.round.scheme import encoding_of
from protocol.signing import verify
from storage.ledger.signer import Signer
from tests.samples import DOMAIN, client_address, private_key, sample_spec, with_terms

SPEC = sample_spec()
CLIENTS = sorted(client_address(number) for number in range(3))
SIGNER = next(s for s in (Signer(private_key("client", n)) for n in range(3)) if s.address == CLIENTS[0])
RANDOMNESS = SeededRandomness(b"session")


def _plan() -> RoundPlan:
    history = History(tuple(CLIENTS), SPEC.initial_model)
    indices = choose_index_set(SPEC, 1, history)
    return plan_round(SPEC, DOMAIN, 1, 1, dict.fromkeys(CLIENTS, 2), history, b"\7" * 32, len(indices))


def _session(plan: RoundPlan, reputation: int = 2, label: bytes | None = None, spec_round: int = 1) -> RoundSession:
    on_chain = plan.label() if label is None else label
    return RoundSession(SPEC, DOMAIN, 1, spec_round, encode(plan), on_chain, CLIENTS[0], reputation)


def test_seals_once() -> None:
    plan = _plan()
    session = _session(plan)
    keys = draw_master_keys(RANDOMNESS, 3, 2, "keys")
    values = np.zeros(plan.dimension, dtype=np.int64)
    body, signed = session.seal(values, keys, SIGNER, RANDOMNESS)
    commitment = signed.commitment
    assert (commitment.label, commitment.client, commitment.round) == (plan.label(), CLIENTS[0], 1)
    assert commitment.ciphertext == cid_of(body, encoding_of(SPEC).block_bytes).digest
    verify(DOMAIN, commitment, signed.signature, CLIENTS[0], Party.CLIENT)
    with pytest.raises(DisorderError):
        session.seal(values, keys, SIGNER, RANDOMNESS)


def test_the_same_seed_seals_the_same_bytes() -> None:
    keys = draw_master_keys(RANDOMNESS, 3, 2, "keys")
    plan = _plan()
    values = np.arange(plan.dimension, dtype=np.int64)
    assert len({_session(plan).seal(values, keys, SIGNER, RANDOMNESS)[0] for _ in range(2)}) == 1


def test_a_client_outside_the_cohort_seals_nothing() -> None:
    plan = replace(_plan(), weights=tuple(ClientWeight(client, 2) for client in CLIENTS[1:]))
    session = _session(plan)
    assert not session.planned
    with pytest.raises(DisorderError):
        session.seal(np.zeros(plan.dimension, dtype=np.int64), {}, SIGNER, RANDOMNESS)


@pytest.mark.parametrize(
    "change",
    [
        {"task": 2},
        {"round": 2},
        {"chain_id": 1},
        {"ledger": b"\x09" * 20},
        {"suite": "PAD/1"},
        {"spec": b"\x01" * 32},
        {"committee": b"\x01" * 32},
        {"key_epoch": 0},
        {"learning": with_terms(SPEC.learning, noise_multiplier_micro=1)},
        {"min_clients": 1},
        {"max_share_ppm": 1_000_000},
        {"commit_seconds": 1},
        {"settle_seconds": 1},
        {"weights": tuple(ClientWeight(client, 2) for client in reversed(CLIENTS))},
        {"weights": tuple(ClientWeight(client, 2) for client in (*CLIENTS, CLIENTS[-1]))},
        {"weights": (ClientWeight(CLIENTS[0], 2),)},
        {"weights": tuple(ClientWeight(client, 3) for client in CLIENTS)},  # not what the reputation gives
    ],
    ids=lambda change: "-".join(change),
)
def test_a_plan_that_is_not_the_tasks_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(HearthError):
        _session(replace(_plan(), **change))  # type: ignore[arg-type]


def test_a_plan_that_is_not_on_chain_is_refused() -> None:
    with pytest.raises(HearthError, match="label"):
        _session(_plan(), label=b"\1" * 32)
