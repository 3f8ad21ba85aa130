"""A task file and its files, read and found fit to run: all that is posted, and what it costs, before anything is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from protocol.content.cid import cid_of
from protocol.errors import MalformedError, SpecError
from protocol.identifiers import Address, sha256
from protocol.messages.chain import LedgerRules
from protocol.messages.learning import MICRO
from protocol.messages.screening_terms import FOOLSGOLD
from protocol.messages.task import TaskSpec
from protocol.model.specification import dimension_of
from protocol.privacy.spending import planned, spent
from protocol.round.planning import sent_parameters
from protocol.round.scheme import encoding_of
from protocol.task.margins import check_durations
from protocol.task.proposed_screening import screened
from protocol.task.runnable import check_ledger, doubts
from protocol.task.screenable import check_screenable
from protocol.text import counted, shown
from scripts.commands.task_file import Identify, TaskFile
from storage.ledger.deposits import money


@dataclass(frozen=True, slots=True)
class ReadyTask:
    """``initial_model`` and ``test_set`` are the content that the spec names, the latter of ``examples``."""

    file: TaskFile
    spec: TaskSpec
    initial_model: bytes
    test_set: bytes
    examples: int

    @classmethod
    def read(cls, path: Path, identify: Identify) -> ReadyTask:
        """Raises MalformedError with the line that cannot stand, and whatever ``identify`` raises."""
        file = TaskFile(path)
        initial_model = file.initial_model()
        test_set, examples = file.test_set()
        spec = file.spec(cid_of(initial_model).digest, cid_of(test_set).digest, identify)
        return cls(file, spec, initial_model, test_set, examples)

    def check_chain(self, rules: LedgerRules, tasks: int, block_seconds: int) -> None:
        """Against the ledger, on which so many ``tasks`` were posted, and its chain. Raises MalformedError."""
        try:
            check_ledger(self.spec, rules, tasks)
            check_durations(self.spec, block_seconds)
        except SpecError as error:
            raise self.refused(error) from error

    def refused(self, error: SpecError) -> MalformedError:
        return self.file.refused(error)


def stand_in(url: str) -> Address:
    """Of an authority that is not asked: an address that nobody else has."""
    return sha256(url.encode())[:20]


def lines_of(task: ReadyTask) -> Iterator[str]:
    """What it asks for and what it costs, one line a fact; then what gives to think."""
    spec, token = task.spec, task.spec.rewards.token
    servers, members, cohort = len(spec.edge_servers), len(spec.committee.members), spec.cohort
    sent = sent_parameters(spec)
    rewards, fees = spec.rewards, spec.rewards.edge_fee + members * spec.rewards.authority_fee
    charge = spent(planned(spec, spec.rounds), spec.learning, spec.privacy)
    update_bytes = encoding_of(spec).body_bytes(sent)
    facts = {
        "title": shown(spec.title),
        "model": f"{dimension_of(spec.model)} parameters, {len(task.initial_model)} bytes",
        "test set": f"{task.examples} examples, {len(task.test_set)} bytes",
        "clients": f"{cohort.min_clients} to {cohort.max_cohort} in a round, {cohort.max_clients} in all",
        "update": f"{sent} numbers in {update_bytes} bytes",
        "privacy": f"after {counted(spec.rounds, 'round')} " + "; ".join(map(str, charge.figures)),
        "escrow": money(spec.budget(), token),
        "of a round": f"{cohort.max_cohort} times {rewards.update_reward}, and {fees} of fees",
        "bonds": f"{servers} times {spec.deposits.edge_server}, {members} times {spec.deposits.authority}",
        "stake": f"{spec.deposits.client} of each client",
        "screening": screening_of(spec),
    }
    for name, fact in facts.items():
        yield f"{name:>11}: {fact}"
    for doubt in doubts(spec):
        yield f"{'note':>11}: {doubt}"


def screening_of(spec: TaskSpec) -> str:
    """How the task is screened; or how it would be, or why it cannot be."""
    terms = spec.screening
    if terms.on:
        return (
            f"{terms.rule}, of updates up to {terms.norm_bound} long, histories of up to {terms.window} rounds; the"
            f" model moves after {counted(terms.probation, 'round')}"
        )
    try:
        could = screened(spec, FOOLSGOLD)
        check_screenable(could)
    except SpecError as error:
        return f"none, so poisoned updates are in the sum; none is possible: {error.line}: {error.reason}"
    terms, learning = could.screening, could.learning
    return (
        f'none, so poisoned updates are in the sum; possible with task.suite = "{could.suite}", in learning'
        f" encoding.packing = {learning.encoding.packing}, sparsity.density = 1.0, sparsity.scale = 1.0,"
        f" optimiser.learning_rate = {learning.optimiser.learning_rate_micro / MICRO:g},"
        f" quantiser.bound = {learning.quantiser.bound_micro / MICRO:.6f}, quantiser.bits = {learning.quantiser.bits},"
        f' and in screening rule = "{terms.rule}", norm_bound = {terms.norm_bound}, clip = {terms.clip},'
        f" window = {terms.window}, probation = {terms.probation}, copy = {terms.copy_ppm / MICRO:g}"
    )
