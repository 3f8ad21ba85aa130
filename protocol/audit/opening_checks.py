"""Checks 12 to 21 and 25: from the committed set to the model, the accuracy, the charge and the allocation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import fields
from functools import cached_property
from itertools import chain, islice

import numpy as np
import numpy.typing as npt

from protocol.audit.allocation_checks import Settlement
from protocol.audit.case import Case, known, lacking, read
from protocol.audit.evidence import MissingEvidenceError
from protocol.audit.key_checks import KeyAudit, opening_set
from protocol.audit.report import attributed, require, same
from protocol.audit.round_checks import Base, RoundAudit
from protocol.audit.task_checks import TaskFacts
from protocol.audit.wording import said
from protocol.content.cid import cid_of
from protocol.encryption.port import Aggregator
from protocol.errors import HearthError
from protocol.identifiers import ZERO_DIGEST, Address, sha256, to_hex
from protocol.messages.chain import RoundPublished
from protocol.messages.keys import KeyRequest
from protocol.messages.round import RoundPlan
from protocol.messages.settlement import (
    CORRUPT,
    GARBAGE,
    UNAVAILABLE,
    Allocation,
    RoundRecord,
    Verdict,
)
from protocol.model.dataset import Array
from protocol.model.evaluation import count_correct
from protocol.model.layout import Layout
from protocol.model.trained import TrainedModel
from protocol.privacy.spending import spent
from protocol.round.averaging import average_of
from protocol.round.key_request import check_quorum, key_request
from protocol.round.record import check_record
from protocol.round.scheme import RoundScheme
from protocol.round.screening_verdict import round_verdict
from protocol.round.stepping import Stepping
from protocol.screening.verdict import Unfit, judged_by_size
from protocol.sparse.codec import encode_sums
from protocol.task.documents import Lack
from protocol.task.past import lineage, rounds_planned
from protocol.task.round_facts import Settled
from protocol.text import in_words

Words = npt.NDArray[np.uint64]  # a sum of ciphertexts
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
        self.model: TrainedModel | None = None
        self.allocation: Allocation | None = None  # the one whose root is on chain

    def run(self) -> None:
        subject, ended, check = self.audit.subject, self.ended, self._check
        with check(13, f"{subject} record"):
            self.record = read(self.case.state.record(self.audit.number), "round record")
            check_record(self.record, self._plan.label(), isinstance(ended, RoundPublished))
        sizes = self._check_ciphertexts()
        with check(13, subject):
            self._check_verdict(sizes)
        with self.case.report.check(14, subject):  # a server that goes on with a round did not make its request
            self._check_request()
        if isinstance(ended, RoundPublished):
            self._check_published(ended, sizes)
        with check(20, subject):
            learning = self._plan.learning
            rounds = rounds_planned(self.case.state, self.case.spec, self.audit.number)
            charge = spent(rounds, learning, self.case.spec.privacy)
            for name in (part.name for part in fields(charge)):
                same(f"{in_words(name)} of the charge", getattr(self._record.charge, name), getattr(charge, name))
        settlement = Settlement(self.case, self.audit, ended, self.before, self.task.initial_correct, self.record)
        with suppress(HearthError):
            self.allocation = settlement.established(self._decided(sizes))
        with check(21, subject):
            settlement.check()

    def base(self) -> Base | None:
        """For rounds that go on from this one; None when it could not be established."""
        return Base(self.model) if self.audit.base is not None else None

    @contextmanager
    def _check(self, number: int, subject: str) -> Iterator[list[str]]:
        """Of what the server that settled the round put on chain."""
        facts = self.audit.facts
        with self.case.report.check(number, subject) as remarks, attributed(facts.ended_by or facts.server):
            yield remarks

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
        unfit = {e.client: e.reason for e in record.verdict.rejected if e.reason in (UNAVAILABLE, CORRUPT)}
        require(set(unfit) <= set(committed), "the verdict rejects a client that did not commit")
        for client in committed.keys() - unfit.keys():
            size = sizes.get(client)
            if not isinstance(size, int):
                raise MissingEvidenceError(f"needs the ciphertext of {to_hex(client)}")
            if reason := judged_by_size(size, self._scheme.body_bytes):
                unfit[client] = reason.value
        came = sorted(committed.keys() - unfit.keys())
        if self.audit.facts.screening is not None:
            asked = known(self.case.state.gram_request(self.audit.number), "the screening request")
            same("updates that are opened", [entry.client for entry in asked.entries], came)
        same("verdict", record.verdict, self._outcome(unfit, came))

    def _check_request(self) -> None:
        """Also where another server goes on with it: what was requested is what its sum is of."""
        record, facts = self._record, self.audit.facts
        if facts.requested is None:
            same("request of a round without one", record.request, ZERO_DIGEST)
            return
        committed = known(self.audit.committed, "the committed set")
        require(set(record.verdict.accepted) <= set(committed), "accepted without a commitment")
        self.request = key_request(self._plan, committed, record.verdict.accepted, record.screening)
        same("request on chain", facts.requested.request, self.request.digest())
        same("request in the record", record.request, self.request.digest())
        weights = [entry.weight for entry in self.request.entries]
        check_quorum(weights, self._plan.min_clients, self._plan.max_share_ppm)
        read(self.case.state.request(self.audit.number), "key request")

    def _check_published(self, ended: RoundPublished, sizes: Sizes) -> None:
        subject, check = self.audit.subject, self._check
        partials: dict[int, bytes] = {}
        garbage = self.record is not None and self.record.outcome == GARBAGE
        with check(15, subject):
            partials = self._keys().partial_keys()
        with check(16, subject):
            used = sorted(known(partials or None, "valid partial keys"))
            key = self._scheme.combine({j: partials[j] for j in used})
            same("functional key", self._record.functional_key, sha256(key))
            self.functional_key = key
        with check(25, subject) as remarks:
            known(partials or None, "valid partial keys")
            remarks += self._keys().check_accusation(partials, self._scheme.combine)
        with check(17, subject) as remarks:
            words, weights = self._folded(sizes)
            if garbage:
                remarks += self._check_garbage(words, weights, partials)
            else:
                self._check_aggregate(words, weights)
        with check(18, subject):
            self._check_model(ended, garbage)
        with check(18, f"{subject} average") as remarks:
            remarks += self._check_average()
        with check(19, subject):
            trained = known(self.model, "the model")
            images, labels = self._test_set()
            correct = count_correct(self.case.spec.model, trained.parameters, images, labels)
            same("on chain", (ended.correct, ended.examples), (correct, len(labels)))
            same("in the record", (self._record.correct, self._record.examples), (correct, len(labels)))

    def _keys(self) -> KeyAudit:
        return KeyAudit(self.case, self.case.spec.committee, self._plan, self._record, self._scheme.key_bytes)

    def _folded(self, sizes: Sizes) -> tuple[Words, list[int]]:
        """The sum of the requested ciphertexts, and their weights."""
        request, scheme = known(self.request, "the key request"), self._scheme
        for entry in request.entries:
            size = sizes.get(entry.client)
            if not isinstance(size, int):
                raise MissingEvidenceError(f"needs the ciphertext of {to_hex(entry.client)}")
            same(f"bytes of the ciphertext of {to_hex(entry.client)}", size, scheme.body_bytes)
        return known(self.folded, "the ciphertexts").words, [entry.weight for entry in request.entries]

    def _check_aggregate(self, words: Words, weights: list[int]) -> None:
        record = self._record
        decrypted = self._scheme.decrypt(words, known(self.functional_key, "the functional key"), weights)
        same("aggregate", record.aggregate, cid_of(encode_sums(decrypted.sums)).digest)
        self.sums = decrypted.sums
        same("largest residual", record.max_residual, decrypted.max_residual)
        read(self.case.state.aggregate(self.audit.number), "aggregate")

    def _check_garbage(self, words: Words, weights: list[int], partials: Mapping[int, bytes]) -> list[str]:
        """Whoever cries garbage over a sum that some of the keys open takes the contributions of all. Remarks."""
        known(partials or None, "valid partial keys")
        opening = opening_set(self._scheme, words, weights, partials)
        require(opening is None, f"no garbage: the keys of authorities {said(opening)} open the sum")
        return ["no keys open the sum: somebody in it sent what is no update"]

    def _check_model(self, ended: RoundPublished, garbage: bool) -> None:
        same("model in record and event", self._record.model, ended.model)
        before = known(known(self.audit.base, "the round that it goes on from").model, "the model before")
        if garbage:
            same("model", ended.model, self._plan.model)
            self.model = before
        else:
            self.model = self._stepped(before, ended)
        read(self.case.state.model(self.audit.number), "model")

    def _stepped(self, before: TrainedModel, ended: RoundPublished) -> TrainedModel:
        request, spec = known(self.request, "the key request"), self.case.spec
        known(self.audit.sent, "the index set")
        sums, weights = known(self.sums, "the sums"), [entry.weight for entry in request.entries]
        stepped = Stepping(spec, self._plan, before, weights, self._test_set).after(sums)
        same("model", ended.model, cid_of(Layout.published(spec).encode(stepped)).digest)
        return stepped

    def _test_set(self) -> tuple[Array, Array]:
        return known(self.task.test_images, "the test set"), known(self.task.test_labels, "the test set")

    def _check_average(self) -> list[str]:
        """Of as many models as the record says: a server that could not read one stops there. Remarks."""
        record, spec, most = self._record, self.case.spec, self.case.spec.control.averaged_rounds
        if record.outcome == GARBAGE or not most:
            same("average", (record.averaged, record.averaged_rounds), (ZERO_DIGEST, 0))
            return []
        earlier = [*islice(lineage(self.case.state, spec, self._plan.model), most - 1)]
        count = record.averaged_rounds
        require(1 <= count <= len(earlier) + 1, f"an average of {count} models")
        layout = Layout.published(spec)
        documents = (self.case.content(digest, layout.max_bytes, "model") for digest in earlier[: count - 1])
        models = chain([known(self.model, "the model").parameters], map(layout.from_safetensors, documents))
        same("average", record.averaged, average_of(spec.model, models).digest)
        self.case.content(record.averaged, Layout.of(spec.model).max_bytes, "average")
        return [f"an average of {count} models, of {len(earlier) + 1}"] if count <= len(earlier) else []

    def _decided(self, sizes: Sizes) -> Verdict:
        """From the record or, where nobody can read it, from the ciphertexts as they are now."""
        if self.record is not None:
            return self.record.verdict
        expected, unfit = self._scheme.body_bytes, {Lack.CORRUPT: Unfit.CORRUPT, Lack.MALFORMED: Unfit.CORRUPT}
        found = {client: sizes.get(client, Lack.MISSING) for client in known(self.audit.committed, "the committed set")}
        findings = {
            client: unfit.get(size, Unfit.UNAVAILABLE) if isinstance(size, Lack) else judged_by_size(size, expected)
            for client, size in found.items()
        }
        out = {client: finding.value for client, finding in findings.items() if finding is not None}
        return self._outcome(out, findings.keys() - out.keys())

    def _outcome(self, unfit: Mapping[Address, str], came: Iterable[Address]) -> Verdict:
        opened = self.audit.opened
        return round_verdict(self._plan, unfit, opened.verdict if opened else None, came)
