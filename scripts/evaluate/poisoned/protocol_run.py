"""A run with attackers through the whole protocol, in memory, held against the run without encryption.

Every round is the reference round's: plan, encryption, authorities' masked answers, openings, verdict, key, decrypted
sum, payment. Beside it the screening of all other runs here judges the same integers by the same sketch, in the clear.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from protocol.canonical import decode
from protocol.content.cid import CHUNK_BYTES, cid_of
from protocol.identifiers import ZERO_DIGEST, Address, Digest, sha256
from protocol.incentives.contribution import Progress as Gain
from protocol.incentives.rewards import first_allocation
from protocol.messages.screening import GramRequest, Screening, ScreeningVerdict
from protocol.messages.settlement import LEVEL, Allocation, Verdict
from protocol.messages.task import TaskSpec
from protocol.model.evaluation import count_correct
from protocol.model.initialization import initial_parameters
from protocol.model.trained import TrainedModel
from protocol.round.planning import choose_index_set
from protocol.round.reference import FinishedRound, Household, run_round
from protocol.round.reference_screening import Past
from protocol.round.training import Assignment
from protocol.round.update import prepare_update
from protocol.round.update_noise import update_noise
from scripts.evaluate.evaluation import Progress
from scripts.evaluate.poisoned.crowd import Crowd
from scripts.evaluate.poisoned.defences import Screening as InTheClear
from scripts.evaluate.poisoned.defences import address
from scripts.evaluate.poisoned.payout import Standings, paid
from scripts.evaluate.poisoned.protocol_task import DOMAIN, TASK, authorities, households, scale_of, task_of
from scripts.evaluate.poisoned.setting import Setting
from scripts.evaluate.poisoned.softmax import Numbers


@dataclass(frozen=True)
class Ended:
    """One round of the protocol. ``sent``: integers of each household, by rank of its address, shape (n, d)."""

    finished: FinishedRound
    evidence: Screening
    beacon: Digest
    sent: Numbers
    best: int  # right answers of the best model before it
    before: Mapping[Address, tuple[int, int]]  # money and reputation
    after: Mapping[Address, tuple[int, int]]


class Protocol:
    """The task of a run, round by round."""

    def __init__(self, setting: Setting, seed: int) -> None:
        self.spec, self._test_set = task_of(setting)
        self.crowd, self._rounds, self._seed = Crowd(setting, seed), setting.rounds, seed
        self._parties = households(setting.clients, self.crowd.dimension, seed)
        self.clients = [household.address for household, _ in self._parties]
        self._contents = dict[Digest, bytes]()

    def rounds(self) -> Iterator[Ended]:
        spec, crowd, past = self.spec, self.crowd, Past.of(self.spec)
        model, label, finished = spec.initial_model, ZERO_DIGEST, list[FinishedRound]()
        trained = TrainedModel(initial_parameters(spec.model))
        best = self._correct(trained)
        allocation = first_allocation(TASK, dict.fromkeys(self.clients, spec.reputation.initial))
        parties = [household for household, _ in self._parties]
        unit = scale_of(crowd.setting, spec, 0).unit
        for number in range(1, self._rounds + 1):
            weights = trained.parameters.astype(np.float64).reshape(crowd.first_model().shape)
            last = unit * _last_step(finished, crowd.dimension).astype(np.float64)
            values = crowd.values(number, weights, last)[crowd.order]
            for (_, trainer), delta in zip(self._parties, values, strict=True):
                trainer.delta = delta
            ended = run_round(
                spec, DOMAIN, TASK, number, trained, model, label, allocation, parties, authorities(), self._test_set,
                best, finished, self._put, past, sha256(b"evaluated block %d %d" % (self._seed, number)),
            )  # fmt: skip
            evidence = decode(Screening, self._contents[ended.settlement.record.screening])
            beacon = decode(GramRequest, self._contents[evidence.request]).beacon
            sent = np.stack([_sent(spec, one, ended, trained) for one in parties])
            owed = ended.settlement.allocation
            yield Ended(ended, evidence, beacon, sent, best, _standing(allocation), _standing(owed))
            finished.append(ended)
            trained, label, allocation = ended.trained, ended.plan.label(), owed
            if ended.settlement.publication is not None:
                model = ended.settlement.publication.model
                best = max(best, ended.settlement.publication.correct)

    def _correct(self, trained: TrainedModel) -> int:
        return count_correct(self.spec.model, trained.parameters, *self._test_set)

    def _put(self, data: bytes, chunk_bytes: int | None) -> Digest:
        digest = cid_of(data, chunk_bytes or CHUNK_BYTES).digest
        self._contents[digest] = data
        return digest


class Beside:
    """The same task in the clear, whose clients are named by their rank."""

    def __init__(self, setting: Setting, protocol: Protocol, first: FinishedRound) -> None:
        self._spec, self._clients = protocol.spec, protocol.clients
        self._standings = Standings(setting.clients, self._spec.reputation)
        scale = scale_of(setting, self._spec, update_noise(self._spec, first.plan))
        terms = self._spec.screening
        self._screening = InTheClear(scale, terms, setting.clients, 0, self._standings)
        self._last: Numbers = np.zeros(scale.dimension, np.int64)

    def differences(self, number: int, ended: Ended) -> list[str]:
        """What of the round is not as it is in the clear; nothing, if all is well."""
        spec, finished, theirs = self._spec, ended.finished, ended.evidence.verdict
        planned = {entry.client: entry.weight for entry in finished.plan.weights}
        ours = {self._named(client): weight for client, weight in self._screening.weights().items()}
        judged = self._screening.screen(number, ended.beacon, ended.sent, self._last)
        verdict = judged.verdict
        assert verdict is not None
        outcome = self._standings.outcome(verdict, spec.screening)
        sums: Numbers = judged.weights @ ended.sent
        publication = finished.settlement.publication
        gain = Gain(ended.best, publication.correct, publication.examples) if publication else Gain(0, 0, 0)
        money = paid(verdict, self._standings, spec.reputation, spec.screening, gain, spec.rewards)
        self._standings.settle(verdict, spec.screening)
        earned = money.participation + money.by_openings
        standing = {
            client: (ended.before[client][0] + int(earned[rank]), self._standings.reputations[address(rank)])
            for rank, client in enumerate(self._clients)
        }
        total = int(judged.weights.sum())
        compared = {
            "weights": (planned, ours),
            "verdict": (theirs, self._renamed(verdict, theirs)),
            "accepted set": (finished.settlement.record.verdict, self._renamed_outcome(outcome, theirs)),
            "sums": (None if finished.sums is None else finished.sums.tolist(), sums.tolist() if total else None),
            "money and reputation": ({client: ended.after[client] for client in self._clients}, standing),
        }
        if total:
            self._last = sums // total
        return [f"round {number}: {what}" for what, (one, other) in compared.items() if one != other]

    def _named(self, client: Address) -> Address:
        return self._clients[int.from_bytes(client, "big")]

    def _renamed(self, verdict: ScreeningVerdict, under: ScreeningVerdict) -> ScreeningVerdict:
        """With the clients' own addresses, of the round and request of another one."""

        def each(entries: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(replace(entry, client=self._named(entry.client)) for entry in entries)

        changes: dict[str, Any] = {"label": under.label, "request": under.request}
        for what in ("passed", "accepted", "idle"):
            changes[what] = tuple(map(self._named, getattr(verdict, what)))
        for what in ("rejected", "levels", "shares", "steps"):
            changes[what] = each(getattr(verdict, what))
        return replace(verdict, **changes)

    def _renamed_outcome(self, outcome: Verdict, under: ScreeningVerdict) -> Verdict:
        rejected = tuple(replace(entry, client=self._named(entry.client)) for entry in outcome.rejected)
        return Verdict(under.label, tuple(map(self._named, outcome.accepted)), rejected)


def run_protocol(setting: Setting, seed: int, progress: Progress) -> Mapping[str, Any]:
    """Who was in the sums, who was named and why, by rounds of clients after probation; and what differs."""
    protocol, beside = Protocol(setting, seed), None
    accepted, named, idle, published = Counter[str](), Counter[str](), Counter[str](), 0
    differences = list[str]()
    role = {
        client: "honest" if is_honest else "attackers"
        for client, is_honest in zip(protocol.clients, protocol.crowd.honest.tolist(), strict=True)
    }
    for number, ended in enumerate(protocol.rounds(), start=1):
        beside = beside or Beside(setting, protocol, ended.finished)
        differences += beside.differences(number, ended)
        verdict, said = ended.finished.settlement.record.verdict, ended.evidence.verdict
        published += ended.finished.request is not None
        accepted.update(role[client] for client in verdict.accepted)
        named.update(f"{role[entry.client]}: {entry.reason}" for entry in said.rejected)
        named.update(f"{role[entry.client]}: {LEVEL}" for entry in verdict.rejected if entry.reason == LEVEL)
        idle.update(role[client] for client in said.idle)
        progress.advance(number, setting.rounds)
    return {
        "rounds": setting.rounds,
        "published": published,
        "accepted": dict(accepted),
        "named": dict(named),
        "idle": dict(idle),
        "differences": differences,
    }


def _sent(spec: TaskSpec, household: Household, ended: FinishedRound, before: TrainedModel) -> Numbers:
    """The household's update again: all that it draws follows from its seed and the label."""
    sent, label = choose_index_set(spec, ended.plan.round), ended.plan.label()
    assignment = Assignment(before.parameters, ended.plan.learning, sent, household.randomness, label.hex())
    return prepare_update(household.trainer, assignment).values


def _last_step(finished: Sequence[FinishedRound], dimension: int) -> Numbers:
    """Of the model, in units: what is public, and what riders copy."""
    for one in reversed(finished):
        if one.sums is not None and one.request is not None:
            step: Numbers = one.sums // sum(entry.weight for entry in one.request.entries)
            return step
    return np.zeros(dimension, np.int64)


def _standing(allocation: Allocation) -> dict[Address, tuple[int, int]]:
    return {entry.client: (entry.cumulative, entry.reputation) for entry in allocation.entitlements}
