"""Checks 12 to 21 and 25: from the committed set to the model, the accuracy, the charge and the allocation."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from functools import cached_property

import numpy as np
import numpy.typing as npt

from protocol.audit.case import Case, known, lacking, read
from protocol.audit.evidence import MissingEvidenceError
from protocol.audit.key_checks import KeyAudit
from protocol.audit.money_checks import same_allocation
from protocol.audit.report import require, same
from protocol.audit.round_checks import Base, RoundAudit
from protocol.audit.task_checks import TaskFacts
from protocol.content.cid import cid_of
from protocol.encryption.port import Aggregator
from protocol.errors import HearthError
from protocol.identifiers import ZERO_DIGEST, Address, sha256, to_hex
from protocol.incentives.contribution import Progress
from protocol.incentives.rewards import allocation_root, settle, total_owed
from protocol.messages.chain import RoundPublished
from protocol.messages.keys import KeyRequest
from protocol.messages.round import RoundPlan
from protocol.messages.settlement import (
    ABANDONED,
    CORRUPT,
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
from protocol.round.planning import published_history
from protocol.round.record import check_record
from protocol.round.scheme import RoundScheme
from protocol.screening.verdict import Unfit, decide, judged_by_size
from protocol.sparse.codec import encode_sums
from protocol.task.documents import Absent, Lack
from protocol.task.past import best_count
from protocol.task.round_facts import Settled

Sizes = Mapping[Address, int | Lack]  # of committed ciphertexts; each is folded and forgotten
_IRREFUTABLE = "the verdict calls it {}; that cannot be refuted later"


class OpeningAudit:
    """One settled round. ``before``: the allocation that stood when it was settled."""

    def __init__(
        self, case: Case, task: TaskFacts, audit: RoundAudit, ended: Settled, before: Allocation | None
    ) -> None:
        self.case, self.task, self.audit, self.ended, self.before = case, task, audit, ended, before
        self.record: RoundRecord | None = None
        self.request: KeyRequest | None = None
        self.functional_key: bytes | None = None
        self.folded: Aggregator | None = None
        self.sums: npt.NDArray[np.int64] | None = None
        self.parameters: npt.NDArray[np.float32] | None = None
        self.allocation: Allocation | None = None  # the one whose root is on chain

    def run(self) -> None:
        subject, ended, check = self.audit.subject, self.ended, self.case.report.check
        with check(13, f"{subject} record"):
            self.record = read(self.case.state.record(self.audit.number), "round record")
            check_record(self.record, self._plan.label(), isinstance(ended, RoundPublished))
        sizes = self._check_ciphertexts()
        with check(13, subject):
            self._check_verdict(sizes)
        with check(14, subject) as remarks:
            remarks += self._check_request()
        if isinstance(ended, RoundPublished):
            self._check_published(ended, sizes)
        with check(20, subject):
            charge = spent(self._plan.learning.mechanism, self.case.spec.privacy, self.audit.number)
            for part in fields(charge):
                same(f"{part.name} of the charge", getattr(self._record.charge, part.name), getattr(charge, part.name))
        with suppress(HearthError):
            self._establish_allocation(sizes)
        with check(21, subject):
            self._check_allocation()

    def base(self) -> Base | None:
        """For rounds that go on from this one; None when it could not be established."""
        base, indices = self.audit.base, self.audit.indices
        if not isinstance(self.ended, RoundPublished) or self.request is None or self.sums is None:
            return None
        if base is None or indices is None:
            return None
        history = published_history(base.history, self._plan, self.request, indices, self.sums, self.ended.model)
        return Base(history, self.parameters)

    @property
    def _plan(self) -> RoundPlan:
        return known(self.audit.plan, "the plan")

    @property
    def _record(self) -> RoundRecord:
        return known(self.record, "the record")

    @cached_property
    def _scheme(self) -> RoundScheme:
        return RoundScheme.of(self._plan, self.case.spec.committee)

    def _check_ciphertexts(self) -> Sizes:
        sizes: dict[Address, int | Lack] = {}
        committed = self.audit.committed or {}
        rejected = {entry.client: entry.reason for entry in self.record.verdict.rejected} if self.record else {}
        for client, signed in committed.items():
            with self.case.report.check(12, f"{self.audit.subject} client {to_hex(client)}") as remarks:
                scheme, digest, reason = self._scheme, signed.commitment.ciphertext, rejected.get(client)
                found = self.case.fetch(digest, scheme.max_fetched_bytes, scheme.block_bytes)
                if isinstance(found, Lack):
                    sizes[client] = found
                else:
                    sizes[client] = len(found)
                    self._fold(client, found)
                if reason in (UNAVAILABLE, CORRUPT):
                    remarks.append(_IRREFUTABLE.format(reason))
                elif isinstance(found, Lack):
                    raise lacking(found, f"ciphertext {to_hex(digest)}")
        return sizes

    def _fold(self, client: Address, body: bytes) -> None:
        """Into the sum of the accepted, whose sizes are checked later."""
        weight, accepted = (
            self._plan.weight_of(client),
            self.record is not None and client in self.record.verdict.accepted,
        )
        if weight is None or not accepted or len(body) != self._scheme.body_bytes:
            return
        if self.folded is None:
            self.folded = self._scheme.aggregator()
        self.folded.fold(body, weight)

    def _check_verdict(self, sizes: Sizes) -> None:
        record, committed = self._record, known(self.audit.committed, "the committed set")
        excused = {e.client: e.reason for e in record.verdict.rejected if e.reason in (UNAVAILABLE, CORRUPT)}
        require(set(excused) <= set(committed), "the verdict rejects a client that did not commit")
        findings = {}
        for client in committed.keys() - excused.keys():
            size = sizes.get(client)
            if not isinstance(size, int):
                raise MissingEvidenceError(f"needs the ciphertext of {to_hex(client)}")
            findings[client] = judged_by_size(size, self._scheme.body_bytes)
        derived = decide(self._plan.label(), findings)
        rejected = tuple(e for e in record.verdict.rejected if e.client not in excused)
        same("verdict", Verdict(record.label, record.verdict.accepted, rejected), derived)
        order = [entry.client for entry in record.verdict.rejected]
        same("order of the rejected", order, sorted(set(order)))

    def _check_request(self) -> list[str]:
        record, facts = self._record, self.audit.facts
        if facts.requested is None:
            same("request of a round without one", record.request, ZERO_DIGEST)
            return []
        on_chain, committed = facts.requested.request, known(self.audit.committed, "the committed set")
        require(set(record.verdict.accepted) <= set(committed), "accepted without a commitment")
        self.request = key_request(self._plan, committed, record.verdict.accepted)
        if on_chain != self.request.digest() and facts.requested_by != facts.ended_by:
            same("outcome", record.outcome, ABANDONED)
            same("request in the record", record.request, on_chain)
            return ["requested for another set by a server that was replaced"]  # who was wrong cannot be told later
        same("request on chain", on_chain, self.request.digest())
        same("request in the record", record.request, self.request.digest())
        if record.outcome == PUBLISHED:
            weights = [entry.weight for entry in self.request.entries]
            check_quorum(weights, self._plan.min_clients, self._plan.max_share_ppm)
        return []

    def _check_published(self, ended: RoundPublished, sizes: Sizes) -> None:
        subject, check = self.audit.subject, self.case.report.check
        partials: dict[int, bytes] = {}
        with check(15, subject):
            partials = self._keys().partial_keys()
        with check(16, subject):
            key = self._scheme.combine(known(partials or None, "valid partial keys"))
            same("functional key", self._record.functional_key, sha256(key))
            self.functional_key = key
        with check(25, subject) as remarks:
            remarks += self._keys().check_accusation(
                known(partials or None, "valid partial keys"), self._scheme.combine
            )
        with check(17, subject):
            self._check_aggregate(sizes)
        with check(18, subject):
            self._check_model(ended)
        with check(19, subject):
            parameters = known(self.parameters, "the model")
            images, labels = known(self.task.test_images, "the test set"), known(self.task.test_labels, "the test set")
            correct = count_correct(self.case.spec.model, parameters, images, labels)
            same("on chain", (ended.correct, ended.examples), (correct, len(labels)))
            same("in the record", (self._record.correct, self._record.examples), (correct, len(labels)))

    def _keys(self) -> KeyAudit:
        return KeyAudit(self.case, self.case.spec.committee, self._plan, self._record, self._scheme.key_bytes)

    def _check_aggregate(self, sizes: Sizes) -> None:
        record, request, scheme = self._record, known(self.request, "the key request"), self._scheme
        for entry in request.entries:
            size = sizes.get(entry.client)
            if not isinstance(size, int):
                raise MissingEvidenceError(f"needs the ciphertext of {to_hex(entry.client)}")
            same(f"bytes of the ciphertext of {to_hex(entry.client)}", size, scheme.body_bytes)
        weights = [entry.weight for entry in request.entries]
        words = known(self.folded, "the ciphertexts").words
        decrypted = scheme.decrypt(words, known(self.functional_key, "the functional key"), weights)
        same("aggregate", record.aggregate, cid_of(encode_sums(decrypted.sums)).digest)
        self.sums = decrypted.sums
        same("largest residual", record.max_residual, decrypted.max_residual)
        read(self.case.state.aggregate(self.audit.number), "aggregate")

    def _check_model(self, ended: RoundPublished) -> None:
        request, layout = known(self.request, "the key request"), Layout.of(self.case.spec.model)
        same("model in record and event", self._record.model, ended.model)
        indices, sums = known(self.audit.indices, "the index set"), known(self.sums, "the sums")
        before = known(known(self.audit.base, "the round that it goes on from").parameters, "the model before")
        sum_weights = sum(entry.weight for entry in request.entries)
        stepped = apply_step(before, indices, sums, sum_weights, self._plan.learning.quantiser)
        same("model", ended.model, cid_of(layout.to_safetensors(stepped)).digest)
        self.parameters = stepped
        read(self.case.state.model(self.audit.number), "model")

    def _establish_allocation(self, sizes: Sizes) -> None:
        """Later rounds go on from the one under the root on chain, read or, if nobody can read it, derived again."""
        found = self.case.state.allocation(self.audit.number)
        if isinstance(found, Absent):
            found = self._settled(self.record.verdict if self.record else self._decided(sizes))
        if allocation_root(found) == self.ended.allocation_root:
            self.allocation = found

    def _decided(self, sizes: Sizes) -> Verdict:
        """From the ciphertexts as they are now."""
        expected, unfit = self._scheme.body_bytes, {Lack.CORRUPT: Unfit.CORRUPT}
        found = {client: sizes.get(client, Lack.MISSING) for client in known(self.audit.committed, "the committed set")}
        findings = {
            client: unfit.get(size, Unfit.UNAVAILABLE) if isinstance(size, Lack) else judged_by_size(size, expected)
            for client, size in found.items()
        }
        return decide(self._plan.label(), findings)

    def _settled(self, verdict: Verdict) -> Allocation:
        ended, number, progress = self.ended, self.audit.number, None
        if isinstance(ended, RoundPublished):
            initial = known(self.task.initial_correct, "the initial model's count")
            progress = Progress(max(initial, best_count(self.case.state, number)), ended.correct, ended.examples)
        return settle(self.case.spec, known(self.before, "the allocation before"), number, verdict, progress)

    def _check_allocation(self) -> None:
        ended, derived = self.ended, self._settled(self._record.verdict)
        same_allocation(read(self.case.state.allocation(self.audit.number), "allocation"), derived)
        on_chain, follows = (ended.allocation_root, ended.allocated), (allocation_root(derived), total_owed(derived))
        same("root and amount on chain", on_chain, follows)
