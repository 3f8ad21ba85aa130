"""The smallest task that has everything, and a chain for it: 28 parameters, five clients, a committee of three."""

from __future__ import annotations

import atexit
from contextlib import ExitStack
from functools import cache

import numpy as np
import numpy.typing as npt

from protocol.encryption.envelope import EncryptionKeyPair
from protocol.identifiers import Address
from protocol.messages.learning import Layer, ModelSpec
from protocol.messages.task import CohortTerms, Committee, TaskSpec
from protocol.model.dataset import encode_labelled
from protocol.model.initialization import initial_parameters
from protocol.model.layout import Layout
from protocol.randomness import SeededRandomness
from protocol.round.training import Assignment, Training
from protocol.signing import address_of
from scripts.chain.server import chain_in_background
from storage.content.memory import MemoryStore
from storage.ledger.ethereum.ledger import deploy
from storage.ledger.public_keys import FUNDED_KEY
from storage.ledger.signer import Signer
from tests.ports.chains import RunningChain
from tests.samples import private_key, sample_spec

CLIENTS = 5
SUBSTITUTE_KEYS = tuple(private_key("substitute", number) for number in range(3))
EXAMPLES = 32
_CLEANUP = ExitStack()
atexit.register(_CLEANUP.close)


@cache
def audited_chain() -> RunningChain:
    """One chain for all played tasks of the session; its clock moves only when a player moves it."""
    url = _CLEANUP.enter_context(chain_in_background(lambda: 1_800_000_000.0))
    return RunningChain("memory", url, Signer(FUNDED_KEY))


@cache
def funded_ledger(name: str) -> Address:
    """A contract of its own, and money for those who send transactions.

    Its address follows from the name alone, whatever other tests did before: labels, and so all draws, depend on it.
    """
    chain = audited_chain()
    deployer = Signer(private_key(f"deployer of {name}"))
    chain.fund(bytes(20), deployer.address)
    ledger, _ = deploy(chain.rpc_url, chain.chain_id(), deployer)
    for key in (private_key("edge"), private_key("manufacturer"), *SUBSTITUTE_KEYS):
        chain.fund(ledger, address_of(key))
    for j in range(1, 6):
        chain.fund(ledger, address_of(authority_key(j)))
    return ledger


class TinyTrainer:
    """A reproducible delta that looks like one, different for everyone and in every round; against class 0.

    Inputs are not negative, so after the first round no example is of class 0 any more, whatever was drawn.
    """

    def train(self, assignment: Assignment) -> Training:
        parameters = assignment.parameters
        drawn = assignment.randomness.draw(f"{assignment.purpose}/train", len(parameters))
        draws = np.frombuffer(drawn, dtype=np.uint8)
        delta: npt.NDArray[np.float64] = (1.0 + draws.astype(np.float64)) / 100 + 0.01 * parameters
        delta[:6] = delta[24] = 0.0  # the weights and the bias of class 0
        return Training(delta[assignment.sent.indices], ())


def authority_key(j: int) -> bytes:
    return private_key("authority", j)


def sealed_to(members: int) -> list[tuple[Address, bytes]]:
    """Address and encryption key of each authority."""
    return [
        (address_of(authority_key(j)), EncryptionKeyPair.generate(SeededRandomness(authority_key(j))).public_bytes())
        for j in range(1, members + 1)
    ]


def tiny_test_set() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """No example has class 0, which the initial model says of all: so the first round is a gain."""
    seeds = SeededRandomness(b"played task")
    images = np.frombuffer(seeds.draw("images", EXAMPLES * 6), dtype=np.uint8).reshape(EXAMPLES, 6)
    return images, 1 + np.frombuffer(seeds.draw("labels", EXAMPLES), dtype=np.uint8) % 3


def tiny_spec(store: MemoryStore, rounds: int, authorities: int = 3) -> TaskSpec:
    """6 inputs, 4 classes; cohort of 3 to 5; two authorities suffice."""
    model = ModelSpec((6,), 4, (Layer("linear", {"outputs": 4, "bias": 1}),))
    members = tuple(address_of(authority_key(j)) for j in range(1, authorities + 1))
    return sample_spec(
        title="played",
        model=model,
        initial_model=store.put(Layout.of(model).to_safetensors(initial_parameters(model))).digest,
        test_set=store.put(encode_labelled(*tiny_test_set())).digest,
        rounds=rounds,
        committee=Committee(2, members, 0),
        cohort=CohortTerms(min_clients=3, max_clients=CLIENTS, max_cohort=CLIENTS, max_share_ppm=500_000),
    )
