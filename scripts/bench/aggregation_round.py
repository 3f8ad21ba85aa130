"""A round with as many ciphertexts as one likes, whose bodies are random words: what is verified and added is bytes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from protocol.encryption.suite import FE64, PAD
from protocol.identifiers import ZERO_DIGEST, Address
from protocol.messages.round import ClientWeight, CohortSum, RoundPlan
from protocol.messages.submission import Commitment, SignedCommitment
from protocol.messages.task import Committee
from protocol.round.scheme import RoundScheme
from scripts.demonstration.presets import digits_terms
from storage.content.interface import ContentStore

BITS: Final = 16
PACKING: Final = {FE64: 2, PAD: 4}  # four bytes for each coordinate
WEIGHTS: Final = 5  # 1 to 5, in turn
_COMMITTEE: Final = Committee(2, (b"\1" * 20, b"\2" * 20), 1)


@dataclass(frozen=True)
class AggregationRound:
    scheme: RoundScheme
    committed: dict[Address, SignedCommitment]

    def body(self, number: int) -> bytes:
        """Of the client of that number, from 0."""
        return np.random.Generator(np.random.PCG64(number)).bytes(self.scheme.body_bytes)


def aggregation_round(store: ContentStore, clients: int, dimension: int, suite: str = FE64) -> AggregationRound:
    """``store`` gets all ciphertexts. Nobody has signed anything: signatures are not the executor's to check."""
    scheme = RoundScheme.of(_plan(clients, dimension, suite), _COMMITTEE)
    made = AggregationRound(scheme, {})
    for number, client in enumerate(scheme.weights):
        digest = store.put(made.body(number), scheme.block_bytes).digest
        commitment = Commitment(1, 1, client, scheme.label, number.to_bytes(16, "big"), digest)
        made.committed[client] = SignedCommitment(commitment, bytes(65))
    return made


def _plan(clients: int, dimension: int, suite: str) -> RoundPlan:
    _, terms, _ = digits_terms()
    quantiser, encoding = replace(terms.quantiser, bits=BITS), replace(terms.encoding, packing=PACKING[suite])
    return RoundPlan(
        suite=suite,
        chain_id=1,
        ledger=bytes(20),
        task=1,
        round=1,
        spec=ZERO_DIGEST,
        committee=ZERO_DIGEST,
        key_epoch=1,
        previous_label=ZERO_DIGEST,
        model=ZERO_DIGEST,
        dimension=dimension,
        learning=replace(terms, quantiser=quantiser, encoding=encoding),
        min_clients=1,
        max_clients=clients,
        max_share_ppm=1_000_000,
        weights=tuple(ClientWeight((n + 1).to_bytes(20, "big"), 1 + n % WEIGHTS) for n in range(clients)),
        cohort=CohortSum(ZERO_DIGEST, clients, clients, clients, WEIGHTS),
        commit_seconds=60,
        settle_seconds=60,
    )
