"""Checks 12 to 21 and 25: from the committed set to the model, the accuracy, the charge and the allocation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cached_property

import numpy as np
import numpy.typing as npt

from protocol.audit.evidence import Absence, ChainEvidence, Fetch, MissingEvidenceError
from protocol.audit.key_checks import KeyAudit
from protocol.audit.money_checks import same_allocation
from protocol.audit.report import Report, document, known, require, same
from protocol.audit.round_checks import RoundFacts
from protocol.audit.task_checks import TaskFacts, of_task
from protocol.canonical import decode
from protocol.encryption.port import Aggregator
from protocol.errors import VerificationError
from protocol.identifiers import ZERO_DIGEST, Address, sha256, to_hex
from protocol.incentives.contribution import Progress
from protocol.incentives.rewards import allocation_root, settle, total_owed
from protocol.messages.chain import Event, KeyRequested, RoundAbandoned, RoundPublished, TakenOver
from protocol.messages.keys import KeyRequest
from protocol.messages.settlement import (
    ABANDONED,
    CORRUPT,
    MAX_RECORD_BYTES,
    PUBLISHED,
    UNAVAILABLE,
    Allocation,
    RoundRecord,
    Verdict,
)
from protocol.model.evaluation import count_correct
from protocol.model.layout import Layout
from protocol.model.step import apply_step
from protocol.privacy.spending import spent
from protocol.round.key_request import check_quorum, key_request
from protocol.round.planning import History, published_history, unpublished_history
from protocol.round.scheme import RoundScheme
from protocol.screening.verdict import decide, judged_by_size
from protocol.sparse.codec import encode_sums

Sizes = Mapping[Address, int | Absence]  # of committed ciphertexts; each is folded and forgotten
_IRREFUTABLE = "the verdict calls it {}; that cannot be refuted later"


class OpeningAudit:
    """One settled round. ``history``, ``before``, ``parameters`` and ``best`` are those at its opening.

    ``best``: most right answers of any model so far, as published.
    """

    def __init__(
        self,
        report: Report,
        evidence: ChainEvidence,
        fetch: Fetch,
        task: TaskFacts,
        facts: RoundFacts,
        history: History | None,
        before: Allocation | None,
        parameters: npt.NDArray[np.float32] | None,
        best: int | None,
    ) -> None:
        self.report, self.evidence, self.fetch = report, evidence, fetch
        self.task, self.facts, self.history = task, facts, history
        self.before, self.parameters, self.best = before, parameters, best
        self.record: RoundRecord | None = None
        self.request: KeyRequest | None = None
        self.functional_key: bytes | None = None
        self.folded: Aggregator | None = None
        self.sums: npt.NDArray[np.int64] | None = None
        self.allocation: Allocation | None = None

    def run(self) -> None:
        subject, ended = self.facts.subject, self.facts.ended
        if not isinstance(ended, RoundPublished | RoundAbandoned):
            return
        with self.report.check(13, f"{subject} record"):
            data = document(self.fetch, ended.record, MAX_RECORD_BYTES, "round record")
            self.record = decode(RoundRecord, data, MAX_RECORD_BYTES)
            same("label", self.record.label, known(self.facts.plan, "the plan").label())
            outcome = PUBLISHED if isinstance(ended, RoundPublished) else ABANDONED
            same("outcome", self.record.outcome, outcome)
        sizes = self._check_ciphertexts()
        with self.report.check(13, subject):
            self._check_verdict(sizes)
        with self.report.check(14, subject) as remarks:
            remarks += self._check_request()
        if isinstance(ended, RoundPublished):
            self._check_published(ended, sizes)
        else:
            with self.report.check(18, subject):
                record = known(self.record, "the record")
                same("keys", (record.keys, record.accused), ((), ()))
                zeros = (record.functional_key, record.aggregate, record.model)
                same("digests of an abandoned round", zeros, (ZERO_DIGEST,) * 3)
                counts = (record.max_residual, record.correct, record.examples)
                same("counts of an abandoned round", counts, (0, 0, 0))
        with self.report.check(20, subject):
            record, plan = known(self.record, "the record"), known(self.facts.plan, "the plan")
            privacy = known(self.task.spec, "the spec").privacy
            charge = spent(plan.learning.mechanism, privacy, self.facts.number)
            for part in fields(charge):
                same(f"{part.name} of the charge", getattr(record.charge, part.name), getattr(charge, part.name))
        with self.report.check(21, subject):
            self._check_allocation(ended)

    def next_history(self) -> History | None:
        """History after this round, or None when it could not be established."""
        plan, history = self.facts.plan, self.history
        if plan is None or history is None:
            return None
        if not isinstance(self.facts.ended, RoundPublished):
            return unpublished_history(history, plan)
        if self.request is None or self.sums is None or self.facts.indices is None:
            return None
        model = self.facts.ended.model
        return published_history(history, plan, self.request, self.facts.indices, self.sums, model)

    @cached_property
    def _scheme(self) -> RoundScheme:
        return RoundScheme.of(known(self.facts.plan, "the plan"), known(self.task.spec, "the spec").committee)

    def _check_ciphertexts(self) -> Sizes:
        sizes: dict[Address, int | Absence] = {}
        committed = self.facts.committed or {}
        rejected = {entry.client: entry.reason for entry in self.record.verdict.rejected} if self.record else {}
        for client, signed in committed.items():
            with self.report.check(12, f"{self.facts.subject} client {to_hex(client)}") as remarks:
                scheme, digest, reason = self._scheme, signed.commitment.ciphertext, rejected.get(client)
                found = self.fetch(digest, scheme.max_fetched_bytes, scheme.block_bytes)
                sizes[client] = len(found) if isinstance(found, bytes) else found
                self._fold(client, found)
                if reason in (UNAVAILABLE, CORRUPT):
                    remarks.append(_IRREFUTABLE.format(reason))
                elif found is Absence.MISSING:
                    raise MissingEvidenceError(f"ciphertext {to_hex(digest)} is not in the content store")
                elif isinstance(found, Absence):
                    raise VerificationError(f"the bytes in the content store are not those of {to_hex(digest)}")
        return sizes

    def _fold(self, client: Address, body: bytes | Absence) -> None:
        """Into the sum of the accepted, whose sizes are judged later."""
        weight = self._scheme.plan.weight_of(client)
        accepted = self.record is not None and client in self.record.verdict.accepted
        if weight is None or not accepted or isinstance(body, Absence) or len(body) != self._scheme.body_bytes:
            return
        if self.folded is None:
            self.folded = self._scheme.aggregator()
        self.folded.fold(body, weight)

    def _check_verdict(self, sizes: Sizes) -> None:
        record, plan = known(self.record, "the record"), known(self.facts.plan, "the plan")
        committed = known(self.facts.committed, "the committed set")
        excused = {e.client: e.reason for e in record.verdict.rejected if e.reason in (UNAVAILABLE, CORRUPT)}
        require(set(excused) <= set(committed), "the verdict rejects a client that did not commit")
        findings = {}
        for client in committed.keys() - excused.keys():
            size = sizes.get(client)
            if not isinstance(size, int):
                raise MissingEvidenceError(f"needs the ciphertext of {to_hex(client)}")
            findings[client] = judged_by_size(size, self._scheme.body_bytes)
        derived = decide(plan.label(), findings)
        rejected = tuple(e for e in record.verdict.rejected if e.client not in excused)
        same("verdict", Verdict(record.label, record.verdict.accepted, rejected), derived)
        order = [entry.client for entry in record.verdict.rejected]
        same("order of the rejected", order, sorted(set(order)))

    def _check_request(self) -> list[str]:
        record, event = known(self.record, "the record"), self.facts.requested
        if event is None:
            same("request of a round without one", record.request, ZERO_DIGEST)
            return []
        plan, committed = known(self.facts.plan, "the plan"), known(self.facts.committed, "the committed set")
        require(set(record.verdict.accepted) <= set(committed), "accepted without a commitment")
        self.request = key_request(plan, committed, record.verdict.accepted)
        if event.request != self.request.digest() and self._replaced_since(event):
            same("outcome", record.outcome, ABANDONED)
            same("request in the record", record.request, event.request)
            return ["requested for another set by a server that was replaced"]  # who was wrong cannot be told later
        same("request on chain", event.request, self.request.digest())
        same("request in the record", record.request, self.request.digest())
        weights = [entry.weight for entry in self.request.entries]
        if record.outcome == PUBLISHED:
            check_quorum(weights, plan.min_clients, plan.max_share_ppm)
        return []

    def _replaced_since(self, requested: KeyRequested) -> bool:
        """Another edge server took over before it ended the round."""
        events = of_task(self.evidence, Event)
        later = events[events.index(requested) : events.index(known(self.facts.ended, "the end"))]
        return any(isinstance(event, TakenOver) for event in later)

    def _check_published(self, ended: RoundPublished, sizes: Sizes) -> None:
        subject = self.facts.subject
        partials: dict[int, bytes] = {}
        with self.report.check(15, subject):
            partials = self._keys().partial_keys()
        with self.report.check(16, subject):
            key = self._scheme.combine(known(partials or None, "valid partial keys"))
            same("functional key", known(self.record, "the record").functional_key, sha256(key))
            self.functional_key = key
        with self.report.check(25, subject) as remarks:
            remarks += self._keys().check_accusation(
                known(partials or None, "valid partial keys"), self._scheme.combine
            )
        with self.report.check(17, subject):
            self._check_aggregate(sizes)
        stepped: npt.NDArray[np.float32] | None = None
        with self.report.check(18, subject):
            stepped = self._check_model(ended)
        self.parameters = stepped
        with self.report.check(19, subject):
            record, spec = known(self.record, "the record"), known(self.task.spec, "the spec")
            images, labels = known(self.task.test_images, "the test set"), known(self.task.test_labels, "the test set")
            correct = count_correct(spec.model, known(stepped, "the model"), images, labels)
            same("on chain", (ended.correct, ended.examples), (correct, len(labels)))
            same("in the record", (record.correct, record.examples), (correct, len(labels)))

    def _keys(self) -> KeyAudit:
        plan, committee = known(self.facts.plan, "the plan"), known(self.task.spec, "the spec").committee
        record, size = known(self.record, "the record"), self._scheme.key_bytes
        return KeyAudit(self.evidence.domain, self.fetch, committee, plan, record, size)

    def _check_aggregate(self, sizes: Sizes) -> None:
        plan, record = known(self.facts.plan, "the plan"), known(self.record, "the record")
        request, scheme = known(self.request, "the key request"), self._scheme
        for entry in request.entries:
            size = sizes.get(entry.client)
            if not isinstance(size, int):
                raise MissingEvidenceError(f"needs the ciphertext of {to_hex(entry.client)}")
            same(f"bytes of the ciphertext of {to_hex(entry.client)}", size, scheme.body_bytes)
        weights = [entry.weight for entry in request.entries]
        words = known(self.folded, "the ciphertexts").words
        key = known(self.functional_key, "the functional key")
        decrypted = scheme.decrypt(words, key, weights)
        data = document(self.fetch, record.aggregate, 8 * plan.dimension, "aggregate")
        same("aggregate", data, encode_sums(decrypted.sums))
        same("largest residual", record.max_residual, decrypted.max_residual)
        self.sums = decrypted.sums

    def _check_model(self, ended: RoundPublished) -> npt.NDArray[np.float32]:
        plan, record = known(self.facts.plan, "the plan"), known(self.record, "the record")
        request, layout = known(self.request, "the key request"), Layout.of(known(self.task.spec, "the spec").model)
        same("model in record and event", record.model, ended.model)
        published = document(self.fetch, ended.model, layout.max_bytes, "model")
        sum_weights = sum(entry.weight for entry in request.entries)
        indices = known(self.facts.indices, "the index set")
        before, sums = known(self.parameters, "the model before"), known(self.sums, "the sums")
        stepped = apply_step(before, indices, sums, sum_weights, plan.learning.quantiser)
        same("model", published, layout.to_safetensors(stepped))
        return stepped

    def _check_allocation(self, ended: RoundPublished | RoundAbandoned) -> None:
        record, spec = known(self.record, "the record"), known(self.task.spec, "the spec")
        before = known(self.before, "the allocation before")
        progress = None
        if isinstance(ended, RoundPublished):
            progress = Progress(known(self.best, "the initial model's count"), ended.correct, ended.examples)
        derived = settle(spec, before, self.facts.number, record.verdict, progress)
        data = document(self.fetch, record.allocation, MAX_RECORD_BYTES, "allocation")
        same_allocation(decode(Allocation, data, MAX_RECORD_BYTES), derived)
        on_chain, follows = (ended.allocation_root, ended.allocated), (allocation_root(derived), total_owed(derived))
        same("root and amount on chain", on_chain, follows)
        self.allocation = derived
