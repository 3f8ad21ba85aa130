"""The contract and its specification in Python, side by side, under any order of calls, good and bad.

given two tasks on one ledger, one paid in coin and one in a token, with bonds, stakes and dispute windows
    when anybody calls anything at any time
        should refuse it on both sides for the same reason, or say the same, show the same and hold the same money
        should keep what the events rebuild
        should hold exactly the escrows and deposits, and pay claims that the last tree's amount covers
    when both are over
        should pay everything out
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from protocol.identifiers import NATIVE_COIN
from protocol.incentives.rewards import claim_batch, claim_proof
from storage.ledger.proofs import bad_leaf, disorder
from storage.ledger.signer import Signer
from tests.contracts.course import Course, anvil, escrow_of
from tests.contracts.crowd import AUTHORITIES, BAD_TERMS, CLIENTS, EDGE, EVERYBODY, MANUFACTURER, STRANGER, SUBSTITUTE
from tests.contracts.scene import PLAN, RECORD, REQUEST, REWARD, ROOT, ZERO, label_of

NOBODYS = 3  # a task that was never posted


def mostly(usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from([usual] * (2 * len(others)) + list(others))


tasks = st.sampled_from([1, 2] * 6 + [NOBODYS])
shifts = mostly(0, 1, -1)  # from the round that it should be
servers = mostly(None, EDGE, SUBSTITUTE, STRANGER)  # None: whoever should act
clients, parties = st.sampled_from(CLIENTS), st.sampled_from(EVERYBODY)
groups = st.lists(clients, min_size=1, max_size=3, unique=True)
forged, absent = mostly(False, True), mostly(False, True)
free: dict[str, Any] = {"stake": 0, "edge_bond": 0, "authority_bond": 0, "dispute_seconds": 0}
terms = st.sampled_from([{}, {"stake": 0}, {"min_reputation": 3}, {"dispute_seconds": 0}, free])


class SideBySide(RuleBasedStateMachine):
    course: Course

    @initialize(changes=st.tuples(terms, terms), steps=st.tuples(st.integers(0, 14), st.integers(0, 14)))
    def post_both(self, changes: Sequence[dict[str, Any]], steps: Sequence[int]) -> None:
        self.course = Course(changes)
        for step in range(max(steps)):
            for task, count in zip((1, 2), steps, strict=True):
                if step < count:
                    self.course.advance(task)

    def number(self, task: int, shift: int) -> int:
        return max(0, self.course.task(task).last_round + shift)

    def acting(self, task: int, server: Signer | None) -> Signer:
        return server or self.course.server(task)

    @rule(task=st.sampled_from([1, 2]), steps=st.integers(1, 6))
    def advance(self, task: int, steps: int) -> None:
        for _ in range(steps):
            self.course.advance(task)

    @rule(seconds=st.sampled_from([1, 99, 400]))
    def wait(self, seconds: int) -> None:
        self.course.sides.pass_to(self.course.sides.now + seconds)

    @rule(place=mostly(0, 1, 2, 5), more=st.sampled_from([-1, 0, 1]))
    def wait_for_a_deadline(self, place: int, more: int) -> None:
        instants = self.course.instants()
        if instants:
            self.course.sides.pass_to(instants[min(place, len(instants) - 1)] + more)

    @rule(task=st.sampled_from([1, 2]), change=st.sampled_from(BAD_TERMS), more=st.sampled_from([-1, 0, 1]))
    def post_badly(self, task: int, change: dict[str, Any], more: int) -> None:
        good = self.course.books.terms[task]
        value = escrow_of(good) + more if good.token == NATIVE_COIN else 0
        bad = good if more else replace(good, **change)
        if more and not value:
            bad = replace(good, update_reward=10**24)  # more than the manufacturer has
        assert not self.course.tell(MANUFACTURER, "post_task", bad, value)

    @rule(task=tasks, group=groups, flaw=mostly("", "forged", "envelope", "mixed", "value"))
    def enrol(self, task: int, group: Sequence[Signer], flaw: str) -> None:
        enrolments = [self.course.pen.enrolment(task, client) for client in group]
        if flaw in ("forged", "envelope", "mixed"):
            changes: dict[str, dict[str, Any]] = {"forged": {"forged": True}, "envelope": {"envelope": ZERO}}
            other = 3 - task if flaw == "mixed" else task
            enrolments[-1] = self.course.pen.enrolment(other, group[-1], **changes.get(flaw, {}))
        stakes = self.course.coins(task, len(group) * self.course.books.terms[task].stake)
        self.course.tell(STRANGER, "enrol", enrolments, stakes + (flaw == "value"))

    @rule(task=tasks, client=clients, forged=forged)
    def leave(self, task: int, client: Signer, forged: bool) -> None:
        self.course.tell(STRANGER, "leave", self.course.pen.leave(task, client, forged))

    @rule(task=tasks, holder=parties, more=mostly(0, 1, -1))
    def place_bond(self, task: int, holder: Signer, more: int) -> None:
        agreed = self.course.books.terms[task]
        amount = self.course.coins(task, agreed.authority_bond if holder in AUTHORITIES else agreed.edge_bond)
        self.course.tell(STRANGER, "place_bond", task, holder.address, max(0, amount + more))

    @rule(task=tasks, holder=parties)
    def return_deposits(self, task: int, holder: Signer) -> None:
        self.course.tell(STRANGER, "return_bond", task, holder.address)
        self.course.tell(STRANGER, "return_stake", task, holder.address)

    @rule(task=tasks, server=servers, shift=mostly(1, 0, 2), fewer=mostly(0, -1, 1, 2), plan=mostly(PLAN, ZERO))
    def open_round(self, task: int, server: Signer | None, shift: int, fewer: int, plan: bytes) -> None:
        number, cohort = self.number(task, shift), max(0, self.course.task(task).enrolled - fewer)
        self.course.tell(self.acting(task, server), "open_round", task, number, plan, label_of(number), cohort)

    @rule(
        task=tasks,
        server=servers,
        shift=shifts,
        group=groups,
        flaw=mostly("", "forged", "label", "round", "order", "twice"),
        more=mostly(None, 0, 4),
    )
    def commit_batch(
        self, task: int, server: Signer | None, shift: int, group: Sequence[Signer], flaw: str, more: int | None
    ) -> None:
        number = self.number(task, shift)
        ordered = sorted(group, key=lambda client: client.address)
        batch = self.course.pen.batch(task, number, ordered, flaw)
        self.course.commit(task, number, self.acting(task, server), batch, more)

    @rule(task=tasks, shift=shifts, client=clients, flaw=mostly("", "forged", "label", "ciphertext"))
    def commit_direct(self, task: int, shift: int, client: Signer, flaw: str) -> None:
        changes: dict[str, Any] = {"forged": True} if flaw == "forged" else {flaw: ZERO} if flaw else {}
        commitment = self.course.pen.commitment(task, self.number(task, shift), client, **changes)
        self.course.tell(STRANGER, "commit_direct", commitment)

    @rule(task=tasks, server=servers, shift=shifts, request=mostly(REQUEST, ZERO))
    def request_key(self, task: int, server: Signer | None, shift: int, request: bytes) -> None:
        self.course.tell(self.acting(task, server), "request_key", task, self.number(task, shift), request)

    @rule(
        task=tasks,
        server=servers,
        shift=shifts,
        rises=st.lists(st.sampled_from([0, REWARD, REWARD, 4 * REWARD]), min_size=1, max_size=3),
        grade=mostly(3, 0, 1, 6),
        excess=mostly(0, -1, 1, -2 * REWARD, 9 * REWARD),
        extra=st.sampled_from([(), (), CLIENTS[:1]]),
        fault=mostly({}, {"model": ZERO}, {"record": ZERO}, {"allocation_root": ZERO}),
        abandon=st.booleans(),
    )
    def settle(
        self,
        task: int,
        server: Signer | None,
        shift: int,
        rises: Sequence[int],
        grade: int,
        excess: int,
        extra: Sequence[Signer],
        fault: dict[str, bytes],
        abandon: bool,
    ) -> None:
        """The tree may promise more than is allocated, to people who never enrolled, and grades above the maximum."""
        if task == NOBODYS:
            return
        sender, number = self.acting(task, server), self.number(task, shift)
        tree = self.course.tree(task, rises, grade, extra)
        if not abandon:
            self.course.publish(task, number, sender, tree, excess, **fault)
        else:
            self.course.abandon(task, number, sender, tree, excess, fault.get("record", RECORD))

    @rule(task=tasks, shift=shifts)
    def expire_round(self, task: int, shift: int) -> None:
        self.course.tell(STRANGER, "expire_round", task, self.number(task, shift))

    @rule(task=tasks, place=mostly(0, 1), client=clients, flaw=mostly("", "amount", "proof", "index"))
    def claim(self, task: int, place: int, client: Signer, flaw: str) -> None:
        trees = self.course.trees_of(task)
        if not trees:
            return
        tree = trees[min(place, len(trees) - 1)]
        listed = [entry.client for entry in tree.entitlements]
        index, entry, proof = claim_proof(tree, client.address if client.address in listed else listed[0])
        entry = replace(entry, cumulative_wei=entry.cumulative_wei + 1) if flaw == "amount" else entry
        proof = (*proof, ROOT) if flaw == "proof" else proof
        self.course.tell(STRANGER, "claim", task, index + (flaw == "index"), entry, proof)

    @rule(
        task=tasks,
        place=mostly(0, 1),
        group=groups,
        flaw=mostly("", "order", "short", "flag", "flags", "long", "nothing", "reversed"),
    )
    def claim_many(self, task: int, place: int, group: Sequence[Signer], flaw: str) -> None:
        trees = self.course.trees_of(task)
        if not trees:
            return
        good = claim_batch(trees[min(place, len(trees) - 1)], {client.address for client in group})
        spoiled: dict[str, dict[str, Any]] = {
            "order": {"leaves": good.leaves[::-1]},
            "short": {"proof": good.proof[:-1]},
            "flag": {"flags": tuple(not flag for flag in good.flags)},
            "flags": {"flags": (*good.flags, False), "proof": (*good.proof, ROOT)},
            "long": {"flags": (*good.flags, True), "proof": (*good.proof, ROOT)},
            "nothing": {"leaves": (), "flags": (), "proof": (ROOT,)},
            "reversed": {"flags": good.flags[::-1]},
        }
        self.course.tell(STRANGER, "claim_many", task, replace(good, **spoiled.get(flaw, {})))

    @rule(task=tasks)
    def refund(self, task: int) -> None:
        self.course.tell(STRANGER, "refund", task)

    @rule(
        task=tasks,
        shift=shifts,
        server=servers,
        differ=mostly("label", "model", "no model", "round"),
        forged=forged,
    )
    def dispute_statements(self, task: int, shift: int, server: Signer | None, differ: str, forged: bool) -> None:
        proof = self.course.pen.two_statements(
            task, self.number(task, shift), self.acting(task, server), differ, forged
        )
        self.course.tell(STRANGER, "dispute", proof)

    @rule(
        task=tasks,
        shift=shifts,
        party=st.sampled_from([*AUTHORITIES, EDGE]),
        differ=mostly("request", "residues", "label", "nothing", "key_epoch"),
        forged=forged,
    )
    def dispute_keys(self, task: int, shift: int, party: Signer, differ: str, forged: bool) -> None:
        proof = self.course.pen.two_keys(task, self.number(task, shift), party, differ, forged)
        self.course.tell(STRANGER, "dispute", proof)

    @rule(task=tasks, shift=shifts, server=servers, client=clients, none=absent, forged=forged)
    def dispute_receipt(
        self, task: int, shift: int, server: Signer | None, client: Signer, none: bool, forged: bool
    ) -> None:
        number = self.number(task, shift)
        batch = None if none else self.course.batches.get((task, number))
        proof = self.course.pen.receipt_ignored(task, number, self.acting(task, server), client, batch, forged)
        self.course.tell(STRANGER, "dispute", proof)

    @rule(task=tasks, shift=shifts, server=servers, low=mostly(0, 1), high=mostly(1, 0, 2), foreign=absent)
    def dispute_batch(self, task: int, shift: int, server: Signer | None, low: int, high: int, foreign: bool) -> None:
        """Every leaf alone and two together; ``foreign`` leaves are of another batch."""
        number, accused = self.number(task, shift), self.acting(task, server).address
        batch = self.course.batches.get((task, number))
        if batch is None or foreign:
            batch = self.course.pen.batch(task, max(1, number), CLIENTS[:3], "")
        last = len(batch.commitments) - 1
        low, high = min(low, last), min(high, last)
        self.course.tell(STRANGER, "dispute", disorder(task, number, accused, batch, low, high))
        self.course.tell(STRANGER, "dispute", bad_leaf(task, number, accused, batch, low))

    @rule(task=tasks, cut=st.sampled_from([0, 32, 36, 100]), selector=mostly(b"", bytes(4)))
    def dispute_with_rubbish(self, task: int, cut: int, selector: bytes) -> None:
        proof = self.course.pen.two_statements(task, self.number(task, 0), EDGE, "label", True)
        cut_off = proof[: len(proof) - cut] if cut else b""
        assert not self.course.tell(STRANGER, "dispute", selector + cut_off[len(selector) :])

    @precondition(lambda self: hasattr(self, "course"))
    @invariant()
    def books_balance(self) -> None:
        """Invariants 1 and 2 of docs/invariants.md."""
        books, now = self.course.books, self.course.sides.now
        for token in (NATIVE_COIN, self.course.sides.token):
            mine = [shown for shown in books.tasks.values() if shown.token == token]
            assert books.held[token, anvil().ledger] == sum(shown.escrow + shown.deposits for shown in mine)
        for task, shown in books.tasks.items():
            claims = sum(row.claimed for (number, _), row in books.enrolments.items() if number == task)
            assert shown.claimed == claims <= shown.payable(now)[1] <= escrow_of(books.terms[task])
            if now <= shown.claim_until:
                promised = shown.pending_allocated if shown.pending_round else shown.allocated
                assert shown.escrow >= promised - shown.claimed

    def teardown(self) -> None:
        if hasattr(self, "course"):
            self.course.wind_up()


TestSideBySide = SideBySide.TestCase
TestSideBySide.settings = settings(
    max_examples=50, stateful_step_count=30, deadline=None, derandomize=True, report_multiple_bugs=False
)
