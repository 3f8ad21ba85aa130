"""The openings of a screened round, in memory: the part of :mod:`protocol.round.reference` that other tasks have not.

What it leaves behind for later rounds is an argument too: each authority's histories, the levels, and the last sums.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from protocol.content.cid import cid_of
from protocol.domain import Domain
from protocol.encryption.committee import Subset, authority_share
from protocol.identifiers import Address, Digest, Signature
from protocol.messages.keys import SignedSighting
from protocol.messages.round import RoundPlan
from protocol.messages.screening import GRAM_KIND, GramEntry, GramRequest, Screening, StepSum
from protocol.messages.submission import SignedCommitment
from protocol.messages.task import TaskSpec
from protocol.model.specification import dimension_of
from protocol.round.planning import choose_index_set
from protocol.round.public_vectors import PublicVector
from protocol.round.scheme import RoundScheme
from protocol.round.screening_answers import agree_on, answer_openings, screened_of
from protocol.round.screening_share import Screener
from protocol.round.screening_verdict import CORRELATED
from protocol.round.sightings import check_sightings, sighting
from protocol.round.update_noise import update_noise
from protocol.screening.arithmetic import Integers
from protocol.screening.beacon import beacon, commitments_root
from protocol.screening.decision import decide_screened
from protocol.screening.history import History
from protocol.screening.norms import mean_noise
from protocol.screening.request import gram_request
from protocol.signing import Signable, address_of, sign
from protocol.sparse.codec import encode_sums


@dataclass(frozen=True)
class Made:
    """The round that made the model: a copy of its sums is what a free rider sends."""

    plan: RoundPlan
    sums: Integers
    weights: list[int]

    def noise(self, spec: TaskSpec) -> int:
        """As :func:`~protocol.round.screening_verdict.step_noise`."""
        correlated = self.plan.learning.mechanism.kind == CORRELATED
        return 0 if correlated else mean_noise(update_noise(spec, self.plan), self.weights)


@dataclass
class Past:
    """Of a screened task, up to the round that comes."""

    histories: dict[int, History]  # by number of the authority
    levels: dict[Address, int] = field(default_factory=dict)
    steps: tuple[StepSum, ...] = ()
    made: Made | None = None

    @classmethod
    def of(cls, spec: TaskSpec) -> Past:
        """Before the first round."""
        dimension, window = dimension_of(spec.model), spec.screening.window
        return cls({j: History(dimension, window) for j in range(1, len(spec.committee.members) + 1)})

    def public(self, spec: TaskSpec) -> dict[Digest, PublicVector]:
        """By content digest."""
        if self.made is None:
            return {}
        coordinates, sums = choose_index_set(spec, self.made.plan.round).indices.astype(np.int64), self.made.sums
        return {cid_of(encode_sums(sums)).digest: PublicVector(coordinates, sums // sum(self.made.weights))}


@dataclass(frozen=True)
class Opened:
    """``answers``: those that agree, or lie, as they are in content."""

    request: GramRequest
    evidence: Screening
    answers: tuple[bytes, ...]


@dataclass(frozen=True)
class Openings:
    """Of one round. ``master_keys``: of its epoch, by client; ``bodies``: what came."""

    spec: TaskSpec
    domain: Domain
    plan: RoundPlan
    master_keys: Mapping[Address, Mapping[Subset, bytes]]
    bodies: Mapping[Address, bytes]

    def opened(
        self,
        committed: Mapping[Address, SignedCommitment],
        block: Digest,
        answering: Mapping[int, bytes],
        past: Past,
    ) -> Opened:
        """``block``: hash of the one that draws the sketch, which nobody knew while anybody could commit.

        Raises EncryptionError where too few of the authorities that answer agree.
        """
        plan, committee = self.plan, self.spec.committee
        # Edge server: the request for all openings of the updates that came; first content, then its digest on chain.
        root = commitments_root({c: (s.commitment.nonce, s.commitment.ciphertext) for c, s in committed.items()})
        public, windows = past.public(self.spec), past.histories[1].windows
        drawn = beacon(plan.label(), root, block)
        request = gram_request(plan.label(), drawn, committed, sorted(self.bodies), tuple(public), windows.openable())

        # Key authorities: each says which request it sees; then each answers with products of its shares, masked.
        digest = request.digest()
        seen = partial(sighting, plan.task, plan.round, GRAM_KIND, request.label, digest)
        sightings = []
        for private_key in answering.values():
            said = seen(address_of(private_key))
            sightings.append(SignedSighting(said, sign(self.domain, said, private_key)))
        check_sightings(self.domain, committee, seen, sightings)
        answers = {}
        for j, private_key in answering.items():
            shares = self._screener(j).answers(request, self._body_of, list(public.values()), past.histories[j])
            answers[j] = answer_openings(plan, request, address_of(private_key), shares, _signer(private_key))

        # Anybody: integers from as many answers as agree, and the verdict that follows from them.
        agreed = agree_on({j: answer.answers for j, answer in answers.items()}, committee, request)
        known = {client: windows.count(client) for client in request.histories}
        noise = past.made.noise(self.spec) if past.made else 0
        verdict = decide_screened(screened_of(self.spec, plan, request, known, noise, past.steps), agreed.openings)
        openings, accused = (tuple(answers[j].signed for j in some) for some in (agreed.members, agreed.accused))
        used = tuple(answers[j].answers for j in (*agreed.members, *agreed.accused))
        return Opened(request, Screening(digest, tuple(sightings), openings, accused, verdict), used)

    def settle(self, opened: Opened, past: Past) -> None:
        """Every authority adds the updates that passed to its histories, before it erases the keys of the round."""
        verdict = opened.evidence.verdict
        passed = [entry for entry in opened.request.entries if entry.client in verdict.passed]
        for j, history in past.histories.items():
            screener = self._screener(j)
            history.settle(self.plan.round, screener.updates(passed, self._body_of), screener.coordinates)
        past.steps = verdict.steps
        if verdict.levels:
            past.levels = {entry.client: entry.level for entry in verdict.levels}

    def _screener(self, j: int) -> Screener:
        shares = {client: authority_share(keys, j) for client, keys in self.master_keys.items()}
        return Screener(self.spec, self.plan, j, shares)

    def _body_of(self, _: RoundScheme, entry: GramEntry) -> bytes:
        return self.bodies[entry.client]


def _signer(private_key: bytes) -> Callable[[Domain, Signable], Signature]:
    return lambda domain, message: sign(domain, message, private_key)
