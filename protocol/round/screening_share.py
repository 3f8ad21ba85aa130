"""What one authority makes of a round's ciphertexts: its shares of the updates, and of those its three answers.

The same for an authority and for the reference round. Keys are those of the round's epoch, by client and subset.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from protocol.content.cid import cid_of
from protocol.encryption.committee import Subset
from protocol.encryption.pad.encoding import Words
from protocol.errors import EncryptionError, Party
from protocol.identifiers import Address, Digest, to_hex
from protocol.messages.round import RoundPlan
from protocol.messages.screening import GramEntry, GramRequest
from protocol.messages.task import TaskSpec
from protocol.model.specification import dimension_of
from protocol.round.planning import choose_index_set
from protocol.round.public_vectors import PublicVector
from protocol.round.scheme import RoundScheme
from protocol.screening.arithmetic import residues
from protocol.screening.gram import block_norms, gram
from protocol.screening.history import Coordinates, History
from protocol.screening.mask import OF_GRAM, OF_HISTORIES, OF_NORMS, Masked, add_mask
from protocol.screening.openings import packed_answer
from protocol.screening.pads import check_fetched, pad_share, update_share
from protocol.screening.sketch import sketch_of

Keys = Mapping[Address, Mapping[Subset, bytes]]
BodyOf = Callable[[RoundScheme, GramEntry], bytes]  # of a ciphertext, wherever it was fetched; raises what that does


@dataclass(frozen=True)
class Screener:
    """Authority ``j`` of the committee, in the round of ``plan``, with its ``keys`` of every client."""

    spec: TaskSpec
    plan: RoundPlan
    j: int
    keys: Keys

    @property
    def coordinates(self) -> Coordinates | None:
        """Of the model, that the updates have; None for all of it."""
        sent = choose_index_set(self.spec, self.plan.round).indices.astype(np.int64)
        if len(sent) != self.plan.dimension:
            raise EncryptionError("the plan's dimension is not that of its index set", code="E_PARAMS")
        return None if len(sent) == dimension_of(self.spec.model) else sent

    def update(self, entry: GramEntry, body_of: BodyOf) -> Words:
        """[v_i]_j below p, shape (k,).

        Raises EncryptionError ``E_SHARE_MISSING`` without the client's keys, ``E_SKETCH_BYTES`` where the body is not
        what the client signed or of another size than the plan's.
        """
        keys, scheme = self._keys(entry.client), RoundScheme.of(self.plan, self.spec.committee)
        body, dimension = body_of(scheme, entry), self.plan.dimension
        check_fetched(body, _digest(body, scheme), entry.ciphertext, dimension)
        pad = pad_share(self.j, scheme.m, scheme.t, scheme.label, keys, entry.nonce, dimension)
        return update_share(body, pad, 0, np.zeros(dimension, np.uint64))

    def answers(self, request: GramRequest, body_of: BodyOf, public: Sequence[PublicVector], history: History) -> bytes:
        """The three of them, one behind the other (:class:`~protocol.round.screening_answers.Sizes`), from ``public``
        vectors and the ``history`` of all rounds before.

        Raises like :meth:`update`; HearthError ``E_ROUND``, ``E_NOT_READY`` where the history is another.
        """
        whole, coordinates = sketch_of(request.beacon, dimension_of(self.spec.model)), self.coordinates
        own = whole if coordinates is None else whole.at(coordinates)
        clients = [own.of_words(self.update(entry, body_of)) for entry in request.entries]
        others = [whole.at(vector.coordinates).of_words(residues(vector.values)) for vector in public]
        answers = [
            self._masked(request, OF_GRAM, gram(np.stack([*clients, *others]))),
            self._masked(request, OF_NORMS, block_norms(np.stack(clients))),
        ]
        if request.histories:
            rows = history.sketched_all(whole, self.plan.round, request.histories)
            answers.append(self._masked(request, OF_HISTORIES, gram(rows)))
        return b"".join(answers)

    def updates(self, entries: Iterable[GramEntry], body_of: BodyOf) -> dict[Address, Words]:
        """What goes into the histories of the clients that passed."""
        return {entry.client: self.update(entry, body_of) for entry in entries}

    def _masked(self, request: GramRequest, kind: bytes, words: Words) -> bytes:
        m, t = len(self.spec.committee.members), self.spec.committee.threshold
        entries = [Masked(entry.client, entry.nonce, self._keys(entry.client)) for entry in request.entries]
        add_mask(words, self.j, m, t, kind, request.label, request.digest(), entries)
        return packed_answer(words)

    def _keys(self, client: Address) -> Mapping[Subset, bytes]:
        if client not in self.keys:
            message = f"no share of {to_hex(client)} here"
            raise EncryptionError(message, code="E_SHARE_MISSING", fault=Party.EDGE_SERVER)
        return self.keys[client]


def _digest(body: bytes, scheme: RoundScheme) -> Digest:
    return cid_of(body, scheme.block_bytes).digest
