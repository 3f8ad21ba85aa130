"""A screened round in memory: what each client sent, and what one authority does to answer it."""

from __future__ import annotations

import copy
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np

from protocol.content.cid import cid_of
from protocol.domain import Domain
from protocol.encryption.committee import authority_share, draw_master_keys
from protocol.encryption.pad.encoding import Words
from protocol.encryption.suite import PAD, suite
from protocol.errors import Party
from protocol.identifiers import Address, Digest, Label, Nonce, sha256
from protocol.messages.screening import MAX_LEVEL
from protocol.messages.screening_terms import FOOLSGOLD, ScreeningTerms
from protocol.messages.submission import Commitment
from protocol.randomness import SeededRandomness
from protocol.screening.arithmetic import WIDTH, Integers
from protocol.screening.decision import Openings, Screened
from protocol.screening.gram import block_norms, gram, square, triangle_words
from protocol.screening.history import History
from protocol.screening.mask import OF_GRAM, OF_HISTORIES, OF_NORMS, Masked, add_mask
from protocol.screening.openings import needed, opened, packed_answer
from protocol.screening.pads import check_fetched, pad_share, update_share
from protocol.screening.sketch import BLOCKS, sketch_of
from protocol.signing import SigningKey, verify

LABEL: Final = Label(sha256(b"benchmark of screening"))
REQUEST: Final = Digest(sha256(b"request"))
BEACON: Final = Digest(sha256(b"beacon"))
DOMAIN: Final = Domain(1, Address(bytes(20)))
ROUND: Final = 5
LARGEST: Final = 40  # of a coordinate, either way
WINDOW: Final = 100


@dataclass(frozen=True)
class Answer:
    """The three openings' words of one authority, packed."""

    gram: bytes
    norms: bytes
    histories: bytes

    @property
    def size(self) -> int:
        return len(self.gram) + len(self.norms) + len(self.histories)


class Round:
    """``clients`` that encrypted updates of ``dimension`` integers for a committee of ``m``, of whom ``t`` decrypt;
    each has a history of four updates."""

    def __init__(self, clients: int, dimension: int, m: int, t: int) -> None:
        self.n, self.dimension, self.m, self.t = clients, dimension, m, t
        randomness, generator = SeededRandomness(b"benchmark"), np.random.default_rng(1)
        self.values: Integers = generator.integers(-LARGEST, LARGEST + 1, (clients, dimension))
        signers = {key.address: key for key in (SigningKey(sha256(b"client %d" % i)) for i in range(clients))}
        self.clients = sorted(signers)
        self.nonces = [Nonce(sha256(b"nonce" + client)[:16]) for client in self.clients]
        self.keys = [draw_master_keys(randomness, m, t, f"keys {i}") for i in range(clients)]
        scheme = suite(PAD)
        self._encoding = scheme.encoding_for(16, WIDTH)
        self.bodies = [
            scheme.encrypt(keys, LABEL, nonce, own, self._encoding, bytes(32))
            for keys, nonce, own in zip(self.keys, self.nonces, self.values, strict=True)
        ]
        self.commitments = [
            Commitment(1, ROUND, client, LABEL, nonce, cid_of(body, self._encoding.block_bytes).digest)
            for client, nonce, body in zip(self.clients, self.nonces, self.bodies, strict=True)
        ]
        self.signatures = [signers[one.client].sign(DOMAIN, one) for one in self.commitments]
        self._histories = {j: self._history(j) for j in range(1, needed(t) + 1)}
        self.seconds = defaultdict[str, float](float)

    def answer(self, j: int) -> Answer:
        """All that authority ``j`` does: what it took is in ``seconds`` of a processor, part by part. The sum key is
        made for whoever came, with weights of the plan."""
        self.seconds.clear()
        with self._part("hashes and signatures"):
            self._check()
        with self._part("sketch"):
            sketch = sketch_of(BEACON, self.dimension)
        sum_key, rows, updates = np.zeros(self.dimension, np.uint64), [], dict[Address, Words]()
        for client, nonce, keys, body in zip(self.clients, self.nonces, self.keys, self.bodies, strict=True):
            with self._part("pads"):
                pad = pad_share(j, self.m, self.t, LABEL, authority_share(keys, j), nonce, self.dimension)
            with self._part("updates and sum key"):
                updates[client] = update_share(body, pad, MAX_LEVEL, sum_key)
            with self._part("sketches"):
                rows.append(sketch.of_words(updates[client]))
        with self._part("sketches of histories"):
            past = self._histories[j].sketched_all(sketch, ROUND, tuple(self.clients))
        with self._part("inner products and masks"):
            stacked = np.stack(rows)
            answers = [
                self._masked(j, OF_GRAM, gram(stacked)),
                self._masked(j, OF_NORMS, block_norms(stacked)),
                self._masked(j, OF_HISTORIES, gram(past)),
            ]
        history = copy.deepcopy(self._histories[j])  # settled once more in each repetition
        with self._part("histories"):
            history.settle(ROUND, updates)
        return Answer(*answers)

    def openings(self) -> Openings:
        """From as many authorities' answers as are needed. Raises ArithmeticError unless they are those of the
        integers themselves."""
        answers = {j: self.answer(j) for j in range(1, needed(self.t) + 1)}
        size = triangle_words(self.n)

        def of(kind: str, count: int) -> Integers:
            return opened({j: getattr(one, kind) for j, one in answers.items()}, self.m, self.t, count)

        found = Openings(
            square(of("gram", size), self.n), of("norms", BLOCKS * self.n), square(of("histories", size), self.n)
        )
        sketch = sketch_of(BEACON, self.dimension)
        plain = np.stack([sketch.of_integers(own) for own in self.values])
        if not np.array_equal(found.gram, plain @ plain.T) or not np.array_equal(found.history, 16 * plain @ plain.T):
            raise ArithmeticError("the openings are not those of the updates")
        return found

    def screened(self) -> Screened:
        terms = ScreeningTerms(FOOLSGOLD, norm_bound=self.bound, clip=self.bound, window=WINDOW)
        weights, counts = dict.fromkeys(self.clients, MAX_LEVEL), dict.fromkeys(self.clients, ROUND - 1)
        return Screened(LABEL, REQUEST, ROUND, terms, 0, weights, counts)

    @property
    def bound(self) -> int:
        return LARGEST * int(self.dimension**0.5 + 1)

    def _check(self) -> None:
        for body, one, signature in zip(self.bodies, self.commitments, self.signatures, strict=True):
            check_fetched(body, cid_of(body, self._encoding.block_bytes).digest, one.ciphertext, self.dimension)
            verify(DOMAIN, one, signature, one.client, Party.CLIENT)

    def _history(self, j: int) -> History:
        """Four rounds of the same update: shares of it, as pads would leave them."""
        history = History(self.dimension, WINDOW)
        updates = {client: self._share(j, i) for i, client in enumerate(self.clients)}
        for number in range(1, ROUND):
            history.settle(number, updates)
        return history

    def _share(self, j: int, i: int) -> Words:
        pad = pad_share(j, self.m, self.t, LABEL, authority_share(self.keys[i], j), self.nonces[i], self.dimension)
        return update_share(self.bodies[i], pad, 0, np.zeros(self.dimension, np.uint64))

    def _masked(self, j: int, kind: bytes, words: Words) -> bytes:
        entries = [
            Masked(client, nonce, authority_share(keys, j))
            for client, nonce, keys in zip(self.clients, self.nonces, self.keys, strict=True)
        ]
        add_mask(words, j, self.m, self.t, kind, LABEL, REQUEST, entries)
        return packed_answer(words)

    @contextmanager
    def _part(self, name: str) -> Iterator[None]:
        started = time.process_time()
        yield
        self.seconds[name] += time.process_time() - started
