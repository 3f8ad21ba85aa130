"""The contract and its specification in Python, side by side, under any order of calls, good and bad.

given two tasks on one ledger, one paid in coin and one in a token, with bonds, stakes and dispute windows
    when anybody calls anything at any time
        should refuse it on both sides for the same reason, or say the same, show the same and hold the same money
        should keep what the events rebuild
        should hold exactly the escrows and deposits, and pay claims that the last tree's amount covers
        should keep back what unpublished rounds owe, beside the claims
    when both are over
        should pay everything out
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from protocol.identifiers import NATIVE_COIN
from protocol.incentives.rewards import claim_batch, claim_proof
from storage.ledger.proofs import bad_leaf, disorder, lowered_leaf, over_allocated, unplanned_leaf
from storage.ledger.signer import Signer
from tests.contracts.course import anvil
from tests.contracts.crowd import AUTHORITIES, CLIENTS, EDGE, STRANGER, SUBSTITUTE
from tests.contracts.moves import clients, forged, groups, mostly, places, servers, shifts, whens
from tests.contracts.round_moves import RoundMoves
from tests.contracts.scene import ROOT, escrow_of


class SideBySide(RoundMoves):
    @rule(place=places, when=whens, old=mostly(0, 1), client=clients, flaw=mostly("", "amount", "proof", "index"))
    def claim(self, place: int, when: str, old: int, client: Signer, flaw: str) -> None:
        task = self.at(place)
        self.course.prepare_payout(task, when)
        tree = self.course.tree_of(task, old)
        listed = [entry.client for entry in tree.entitlements]
        proven = claim_proof(tree, client.address if client.address in listed else listed[0])
        spoiled: dict[str, dict[str, Any]] = {
            "amount": {"entitlement": replace(proven.entitlement, cumulative=proven.entitlement.cumulative + 1)},
            "proof": {"proof": (*proven.proof, ROOT)},
            "index": {"index": proven.index + 1},
        }
        self.course.tell(STRANGER, "claim", task, replace(proven, **spoiled.get(flaw, {})))

    @rule(
        place=places,
        when=whens,
        old=mostly(0, 1),
        group=groups,
        flaw=mostly("", "order", "short", "flag", "flags", "long", "nothing", "reversed"),
    )
    def claim_many(self, place: int, when: str, old: int, group: Sequence[Signer], flaw: str) -> None:
        task = self.at(place)
        self.course.prepare_payout(task, when)
        good = claim_batch(self.course.tree_of(task, old), {client.address for client in group})
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

    @rule(
        place=places,
        when=whens,
        shift=shifts,
        party=st.sampled_from([None, None, None, EDGE, SUBSTITUTE, STRANGER, *AUTHORITIES]),
        statement=st.sampled_from(["label", "model", "no model", "round"]),
        key=st.sampled_from(["request", "residues", "label", "nothing", "key_epoch"]),
        seen=st.sampled_from([None, None, "digest", "digest", "kind", "label", "nothing"]),
        opening=st.booleans(),
        forged=forged,
        settled=st.booleans(),
        cut=mostly(0, 32, 36, 100),
    )
    def dispute_words(
        self,
        place: int,
        when: str,
        shift: int,
        party: Signer | None,
        statement: str,
        key: str,
        seen: str | None,
        opening: bool,
        forged: bool,
        settled: bool,
        cut: int,
    ) -> None:
        """What somebody signed twice; a proof may be ``cut`` short."""
        task = self.at(place)
        self.course.prepare(task, self.course.is_settled if settled else self.course.is_requested, when)
        number, accused = self.number(task, shift), self.acting(task, party)
        pen = self.course.pen
        if accused not in AUTHORITIES:
            proof = pen.two_statements(task, number, accused, statement, forged)
        elif seen is None:
            two_answers = pen.two_openings if opening else pen.two_keys
            proof = two_answers(task, number, accused, key, forged)
        else:
            proof = pen.two_sightings(task, number, accused, seen, forged)
        self.course.tell(STRANGER, "dispute", proof[: len(proof) - cut])

    @rule(
        place=places,
        when=whens,
        shift=shifts,
        server=servers,
        client=clients,
        kind=st.sampled_from(["no batch", "receipt", "order", "leaf", "unplanned"]),
        low=mostly(0, 1),
        high=mostly(1, 0, 2),
        spoiled=forged,
    )
    def dispute_batch(
        self,
        place: int,
        when: str,
        shift: int,
        server: Signer | None,
        client: Signer,
        kind: str,
        low: int,
        high: int,
        spoiled: bool,
    ) -> None:
        """What a batch shows, which is flawed that way. ``spoiled``: a forged receipt, or leaves of another batch."""
        task, pen = self.at(place), self.course.pen
        self.course.prepare(task, self.course.is_open, when)
        if when == "ready":
            self.course.sides.pass_to(self.course.batch_window(task)[0])
        number, accused = self.number(task, shift), self.acting(task, server)
        flaws = {"order": "order", "leaf": "forged"}
        batch = pen.batch(task, number, CLIENTS[1:4], flaws.get(kind, ""))
        if not spoiled or kind not in flaws:
            if kind in (*flaws, "unplanned"):
                self.course.commit(task, number, self.acting(task, None), batch)
            batch = self.course.batches.get((task, number), batch)
        planned = self.course.weights(task, number)
        low, high = (min(index, len(batch.commitments) - 1) for index in (low, high))
        proofs = {
            "receipt": lambda: pen.receipt_ignored(task, number, accused, client, batch, spoiled),
            "no batch": lambda: pen.receipt_ignored(task, number, accused, client, None, spoiled),
            "order": lambda: disorder(task, number, accused.address, batch, low, high),
            "leaf": lambda: bad_leaf(task, number, accused.address, batch, low),
            "unplanned": lambda: unplanned_leaf(task, number, accused.address, batch, high, planned),
        }
        self.course.tell(STRANGER, "dispute", proofs[kind]())

    @rule(
        place=places,
        when=whens,
        server=servers,
        client=clients,
        kind=st.sampled_from(["lowered", "over"]),
        waits=mostly(True, False),
        old=mostly(0, 1, 2),
    )
    def dispute_tree(
        self, place: int, when: str, server: Signer | None, client: Signer, kind: str, waits: bool, old: int
    ) -> None:
        """What the tree of a settled round shows, which is bad that way, or of one that does not wait."""
        task, course = self.at(place), self.course
        course.prepare(task, lambda task: course.is_requested(task) and (kind == "over" or course.stands(task)), when)
        course.sides.pass_to(course.task(task).payable_from)
        bad = course.tree(task, [-1 if kind == "lowered" else 1], 3)
        course.publish(task, self.number(task, 0), self.acting(task, None), bad, "low")
        accused = self.acting(task, server).address
        after = self.course.trees.get(self.course.task(task).pending_root if waits else ROOT)
        after = after or self.course.tree_of(task, 1)
        before = self.course.tree_of(task, old if waits else 1)
        listed = {entry.client for entry in after.entitlements} & {entry.client for entry in before.entitlements}
        if kind == "over" or not listed:
            self.course.tell(
                STRANGER, "dispute", over_allocated(task, accused, after, self.course.task(task).pending_allocated)
            )
        else:
            chosen = client.address if client.address in listed else min(listed)
            self.course.tell(STRANGER, "dispute", lowered_leaf(task, accused, before, after, chosen))

    @rule(place=places, when=whens, party=st.sampled_from([None, None, *AUTHORITIES]), settled=st.booleans())
    def convict(self, place: int, when: str, party: Signer | None, settled: bool) -> None:
        """By a proof without a flaw: of the acting server, or of an authority."""
        task, pen = self.at(place), self.course.pen
        self.course.prepare(task, self.course.is_settled if settled else self.course.is_requested, when)
        number = self.number(task, 0)
        if party is None:
            proof = pen.two_statements(task, number, self.acting(task, None), "model", False)
        else:
            proof = pen.two_keys(task, number, party, "residues", False)
        self.course.tell(STRANGER, "dispute", proof)

    @rule(
        place=places,
        client=clients,
        shift=mostly(0, -1),
        left=st.sampled_from(["open", "batched", "direct", "requested", None]),
        flaw=mostly("", "forged", "round", "other", "proof", "index", "weight", "none"),
        everybody=st.booleans(),
    )
    def compensate(self, place: int, client: Signer, shift: int, left: str | None, flaw: str, everybody: bool) -> None:
        """Of a round that its server leaves alone at some step (``left``), or of one that is unpublished already."""
        task, course = self.at(place), self.course
        steps = {"open": course.is_open, "direct": course.is_open, "batched": course.is_batched}
        course.prepare(task, steps.get(left or "", course.is_requested if left else course.is_unpublished), "ready")
        if left == "direct":
            for one in course.planned(task, self.number(task, 0))[:2]:
                course.commit_direct(task, self.number(task, 0), one)
        if left is not None:
            course.sides.pass_to(course.last(task).settle_until + 1)
            course.tell(STRANGER, "expire_round", task, self.number(task, 0))
        number = self.number(task, shift)
        planned = course.planned(task, number) or [client]
        for one in planned if everybody else [planned[CLIENTS.index(client) % len(planned)]]:
            place_there, leaf = course.shown(task, number, one, flaw)
            course.tell(STRANGER, "compensate", task, number, one.address, place_there, leaf)

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
                assert shown.escrow >= promised - shown.claimed + shown.reserved

    def teardown(self) -> None:
        if hasattr(self, "course"):
            self.course.wind_up()


TestSideBySide = SideBySide.TestCase
TestSideBySide.settings = settings(
    max_examples=100, stateful_step_count=25, deadline=None, derandomize=True, report_multiple_bugs=False
)
