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
from hypothesis.stateful import invariant, precondition, rule

from protocol.identifiers import NATIVE_COIN
from protocol.incentives.rewards import claim_batch, claim_proof
from storage.ledger.proofs import bad_leaf, disorder
from storage.ledger.signer import Signer
from tests.contracts.course import anvil, escrow_of
from tests.contracts.crowd import AUTHORITIES, CLIENTS, EDGE, STRANGER, SUBSTITUTE
from tests.contracts.moves import Moves, clients, forged, groups, mostly, places, servers, shifts, whens
from tests.contracts.scene import ROOT


class SideBySide(Moves):
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
            proof = pen.two_keys(task, number, accused, key, forged)
        else:
            proof = pen.two_sightings(task, number, accused, seen, forged)
        self.course.tell(STRANGER, "dispute", proof[: len(proof) - cut])

    @rule(
        place=places,
        when=whens,
        shift=shifts,
        server=servers,
        client=clients,
        kind=st.sampled_from(["no batch", "receipt", "order", "leaf"]),
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
        """What a batch shows. ``spoiled``: a forged receipt, or leaves of another batch."""
        task, pen = self.at(place), self.course.pen
        self.course.prepare(task, self.course.is_open, when)
        number, accused = self.number(task, shift), self.acting(task, server)
        batch = self.course.batches.get((task, number))
        if batch is None or (spoiled and kind in ("order", "leaf")):
            batch = pen.batch(task, number, CLIENTS[:3], "")
        low, high = (min(index, len(batch.commitments) - 1) for index in (low, high))
        proofs = {
            "receipt": lambda: pen.receipt_ignored(task, number, accused, client, batch, spoiled),
            "no batch": lambda: pen.receipt_ignored(task, number, accused, client, None, spoiled),
            "order": lambda: disorder(task, number, accused.address, batch, low, high),
            "leaf": lambda: bad_leaf(task, number, accused.address, batch, low),
        }
        self.course.tell(STRANGER, "dispute", proofs[kind]())

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
    max_examples=100, stateful_step_count=25, deadline=None, derandomize=True, report_multiple_bugs=False
)
