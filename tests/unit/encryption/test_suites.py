"""Both suites through their port: whole rounds, committees, blocks, and every refusal."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import numpy.typing as npt
import pytest

from protocol.content.cid import cid_of
from protocol.content.opening import ObjectTree
from protocol.encryption.committee import authority_share, draw_master_keys
from protocol.encryption.port import Encoding, Suite
from protocol.encryption.spot_audit import block_count, check_blocks, choose_blocks
from protocol.encryption.suite import FE64, PAD, suite
from protocol.errors import EncryptionError, HearthError, MalformedError
from protocol.randomness import SeededRandomness

LABEL = sha256(b"a round").digest()
PACKINGS = [(FE64, 2), (FE64, 3), (PAD, 4), (PAD, 6)]


@dataclass
class Played:
    """One round: three clients with weights, an authority's answers by number."""

    name: str
    packing: int
    dimension: int
    m: int = 3
    t: int = 2
    bits: int = 8
    weights: tuple[int, ...] = (3, 1, 2)

    def __post_init__(self) -> None:
        self.scheme: Suite = suite(self.name)
        self.encoding: Encoding = self.scheme.encoding_for(self.bits, self.packing)
        rng = np.random.default_rng([self.packing, self.dimension])
        largest, clients = self.encoding.largest, len(self.weights)
        self.values = [rng.integers(-largest, largest + 1, self.dimension) for _ in self.weights]
        self.keys = [draw_master_keys(SeededRandomness(b"%d" % i), self.m, self.t, "keys") for i in range(clients)]
        self.nonces = [rng.bytes(16) for _ in self.weights]
        self.bodies = [
            self.scheme.encrypt(keys, LABEL, nonce, values, self.encoding, rng.bytes(32))
            for keys, nonce, values in zip(self.keys, self.nonces, self.values, strict=True)
        ]
        self.expected: npt.NDArray[np.int64] = np.sum(
            [w * v for w, v in zip(self.weights, self.values, strict=True)], axis=0
        )

    def partial(self, j: int) -> bytes:
        entries = [
            (authority_share(keys, j), nonce, weight)
            for keys, nonce, weight in zip(self.keys, self.nonces, self.weights, strict=True)
        ]
        return self.scheme.partial_key(j, self.m, self.t, LABEL, entries, self.encoding, self.dimension)

    def combine(self, *answering: int, **changed: bytes) -> bytes:
        partials = {j: changed.get(f"of_{j}") or self.partial(j) for j in answering}
        return self.scheme.combine(partials, self.m, self.t, self.encoding, self.dimension)

    def words(self) -> npt.NDArray[np.uint64]:
        aggregator = self.scheme.aggregator(self.encoding, self.dimension)
        aggregator.fold(self.bodies[0], self.weights[0])
        aggregator.fold_all(self.bodies[1:], self.weights[1:])
        return aggregator.words

    def decrypted(self, key: bytes) -> npt.NDArray[np.int64]:
        return self.scheme.decrypt(self.words(), LABEL, key, self.encoding, self.dimension, self.weights).sums


def refused(code: str) -> pytest.RaisesExc[HearthError]:
    return pytest.raises(HearthError, match=rf"^{code} ", check=lambda error: error.code == code)


@pytest.mark.parametrize(("m", "t", "answering"), [
    (3, 2, (1, 3)), (5, 2, (5, 2)), (5, 3, (1, 3, 5)), (7, 3, (2, 7, 4)), (7, 4, (1, 2, 3, 4, 5, 6, 7)), (2, 2, (1, 2)),
])  # fmt: skip
@pytest.mark.parametrize(("name", "packing"), PACKINGS)
def test_any_threshold_of_any_committee_opens_the_weighted_sum(
    name: str, packing: int, m: int, t: int, answering: tuple[int, ...]
) -> None:
    played = Played(name, packing, 37, m, t)
    key = played.combine(*answering)
    assert len(key) == played.encoding.functional_key_bytes(37)
    assert len(played.bodies[0]) == played.encoding.body_bytes(37)
    assert np.array_equal(played.decrypted(key), played.expected)


@pytest.mark.parametrize(("name", "packing"), PACKINGS)
@pytest.mark.parametrize("dimension", [1, 2, 4096, 8192, 8193, 24_577])
def test_dimensions_around_the_edges_of_blocks(name: str, packing: int, dimension: int) -> None:
    played = Played(name, packing, dimension)
    key = played.combine(2, 3)
    assert np.array_equal(played.decrypted(key), played.expected)
    count = block_count(played.encoding, dimension)
    size = played.encoding.block_bytes
    leaves = {t: [body[size * t : size * (t + 1)] for body in played.bodies] for t in range(count)}
    check_blocks(played.scheme, played.encoding, dimension, LABEL, key, played.weights, leaves, played.expected)
    covered = np.concatenate([played.encoding.block_coordinates(t, dimension) for t in range(count)])
    assert sorted(covered.tolist()) == list(range(dimension))
    with refused("E_PARAMS"):
        played.scheme.decrypt_block(count, [], LABEL, key, played.encoding, dimension, played.weights)


@pytest.mark.parametrize(("name", "packing"), PACKINGS)
def test_a_spot_audit_of_stored_objects(name: str, packing: int) -> None:
    dimension = 60_000
    played = Played(name, packing, dimension)
    key, encoding = played.combine(1, 2), played.encoding
    digests = [cid_of(body, encoding.block_bytes).digest for body in played.bodies]
    tree = ObjectTree(encoding.body_bytes(dimension), encoding.block_bytes)
    chosen = choose_blocks(b"a later block hash", 3, block_count(encoding, dimension))
    assert len(chosen) == 3
    verified = [
        tree.verified(digest, tree.opening(body, chosen)) for digest, body in zip(digests, played.bodies, strict=True)
    ]
    leaves = {t: [parts[t] for parts in verified] for t in chosen}
    fixed = played.scheme, encoding, dimension, LABEL, key, played.weights, leaves
    check_blocks(*fixed, played.expected)
    for t in chosen:
        lied = played.expected.copy()
        lied[encoding.block_coordinates(t, dimension)[-1]] += 1
        with refused("E_AUDIT_MISMATCH"):
            check_blocks(*fixed, lied)


@pytest.mark.parametrize(("name", "packing"), PACKINGS)
def test_shares_too_few_inconsistent_or_malformed(name: str, packing: int) -> None:
    played = Played(name, packing, 50)
    with refused("E_SHARES"):
        played.combine(1)
    lie = bytearray(played.partial(2))
    lie[0] ^= 1
    with refused("E_SHARE_INCONSISTENT"):
        played.combine(1, 2, 3, of_2=bytes(lie))
    for bad in (bytes(lie[:-1]), bytes(lie) + b"\0", b"\xff" * len(lie)):
        with pytest.raises(MalformedError):
            played.combine(1, 2, of_2=bad)
        with pytest.raises(MalformedError):
            played.decrypted(bad)
    with refused("E_PARAMS"):
        played.combine(1, 4, of_4=played.partial(1))


@pytest.mark.parametrize(("name", "packing"), PACKINGS)
def test_a_wrong_key_or_label_or_ciphertext_opens_nothing(name: str, packing: int) -> None:
    played = Played(name, packing, 9000)
    key = played.combine(1, 2)
    scheme, encoding, words = played.scheme, played.encoding, played.words()
    wrong = bytearray(played.combine(1, 2))
    wrong[0] ^= 1
    if name == FE64:  # one coordinate of a pad off by one stays in its range: shares, digests and audits see that
        for bad_key, label in ((bytes(wrong), LABEL), (key, sha256(b"another round").digest())):
            with pytest.raises(EncryptionError, match=r"E_RESIDUAL|E_RANGE"):
                scheme.decrypt(words, label, bad_key, encoding, 9000, played.weights)
    with pytest.raises(EncryptionError, match=r"E_RESIDUAL|E_RANGE"):
        scheme.decrypt(words + words, LABEL, key, encoding, 9000, played.weights)
    with refused("E_PARAMS"):
        scheme.decrypt(words[:-1], LABEL, key, encoding, 9000, played.weights)
    with refused("E_PARAMS"):
        scheme.decrypt(words, LABEL[1:], key, encoding, 9000, played.weights)
    for weights, code in (([], "E_PARAMS"), ([0], "E_WEIGHT"), ([256], "E_WEIGHT"), ([255] * 2**17, "E_BUDGET")):
        if not (packing == 6 and code == "E_BUDGET"):
            with refused(code):
                scheme.decrypt(words, LABEL, key, encoding, 9000, weights)


@pytest.mark.parametrize(("name", "packing"), PACKINGS)
def test_folding_is_all_or_nothing(name: str, packing: int) -> None:
    played = Played(name, packing, 50)
    aggregator = played.scheme.aggregator(played.encoding, 50)
    body = played.bodies[0]
    for bodies, weights in (([body, body[:-1]], [1, 1]), ([body, body + b"\0"], [1, 1]), ([body, body], [1, 256]),
                            ([body, body], [1]), ([body, body], [1, True])):  # fmt: skip
        with pytest.raises(HearthError):
            aggregator.fold_all(bodies, weights)
    assert not aggregator.words.any()
    aggregator.fold(memoryview(b"." + body)[1:], 1)
    expected = played.scheme.aggregator(played.encoding, 50)
    expected.fold(body, 1)
    assert np.array_equal(aggregator.words, expected.words)


@pytest.mark.parametrize(("name", "bits", "packing"), [
    (FE64, 16, 5), (FE64, 16, 0), (FE64, 1, 2), (FE64, 27, 2), (FE64, 14, 4), (PAD, 16, 2), (PAD, 32, 4), (PAD, 1, 4),
    (PAD, 48, 6), (PAD, 16, 5),
])  # fmt: skip
def test_encodings_that_are_not_offered(name: str, bits: int, packing: int) -> None:
    with refused("E_PARAMS"):
        suite(name).encoding_for(bits, packing)


def test_what_belongs_to_another_suite_is_refused() -> None:
    with refused("E_PARAMS"):
        suite("FE64-A/2")
    for own, other in ((Played(FE64, 2, 9), Played(PAD, 4, 9)), (Played(PAD, 4, 9), Played(FE64, 2, 9))):
        with refused("E_PARAMS"):
            own.scheme.aggregator(other.encoding, 9)
        with refused("E_PARAMS"):
            own.scheme.encrypt(own.keys[0], LABEL, bytes(16), own.values[0], other.encoding, bytes(32))


def test_a_committee_that_could_overflow_a_pad_is_refused() -> None:
    played = Played(PAD, 6, 5)
    keys = draw_master_keys(SeededRandomness(b"large"), 10, 5, "keys")
    values = np.zeros(5, np.int64)
    with refused("E_PARAMS"):
        played.scheme.encrypt(keys, LABEL, bytes(16), values, played.encoding, bytes(32))
    assert played.scheme.encrypt(keys, LABEL, bytes(16), values, played.scheme.encoding_for(8, 4), bytes(32))
    del keys[1, 2, 3, 4]
    with refused("E_PARAMS"):
        played.scheme.encrypt(keys, LABEL, bytes(16), values, played.scheme.encoding_for(8, 4), bytes(32))
