"""Tasks told to both sides, and the next step that each would take if everybody did what they should."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from protocol.cohort import place_of, sum_of
from protocol.identifiers import NATIVE_COIN, Address, Digest
from protocol.incentives.rewards import allocation_root, claim_batch, total_owed
from protocol.messages.chain import Publication
from protocol.messages.round import ClientWeight, CohortPlace
from protocol.messages.settlement import Allocation, Entitlement
from protocol.messages.submission import BatchLeaf, CommitmentBatch, SignedEnrolment
from protocol.round.commitments import batch_leaf_of, batch_root
from protocol.round.state_table import RoundState
from storage.ledger.signer import Signer
from tests.contracts.anvil_side import AnvilSide
from tests.contracts.crowd import CLIENTS, EVERYBODY, MANUFACTURER, POOR, RICH, STRANGER, TERMS, Pen
from tests.contracts.scene import BATCH, MODEL, PLAN, RECORD, REQUEST, ROOT, escrow_of, label_of
from tests.contracts.sides import Sides
from tests.contracts.situation import Situation
from tests.reference_ledger.books import RUNNING, Role
from tests.samples import cohort_of

anvil = cache(lambda: AnvilSide(RICH))


class Course(Situation):
    """``trees`` are all that edge servers promised, by root; ``batches`` what they committed, ``cohorts``
    whom they planned, by task and round."""

    def __init__(self) -> None:
        super().__init__(Sides(anvil(), RICH, POOR))
        self.pen = Pen(anvil().domain, self.signer_of)
        self.trees: dict[Digest, Allocation] = {}
        self.batches: dict[tuple[int, int], CommitmentBatch] = {}
        self.cohorts: dict[tuple[int, int], tuple[ClientWeight, ...]] = {}
        # of every tree of an edge server: the clients' grade, the allocated amount, who is in it without an enrolment
        self.habit: tuple[int, str, Sequence[Signer]] = (3, "fair", [])

    def post(self, token: Address, changes: dict[str, Any]) -> None:
        terms = replace(TERMS, token=token, **changes)
        assert self.tell(MANUFACTURER, "post_task", terms, escrow_of(terms))

    def enrolment(self, task: int, client: Signer, /, **changes: Any) -> SignedEnrolment:
        return self.pen.enrolment(task, client, self.books.terms[task].stake, self.task(task).claim_until, **changes)

    def signer_of(self, task: int, client: Address) -> Signer | None:
        named = self.books.signers[task, client]
        return next((party for party in EVERYBODY if party.address == named), None)

    def tell(self, sender: Signer, call: str, *arguments: Any) -> bool:
        return self.sides.tell(sender.address, call, *arguments)

    def tree(self, task: int, rises: Sequence[int], grade: int, extra: Sequence[Signer] = ()) -> Allocation:
        """The tree that stands, the amount of each planned client and of each of ``extra`` raised."""
        root, _ = self.task(task).payable(self.sides.now)
        before = {entry.client: entry.cumulative for entry in self.trees[root].entitlements} if any(root) else {}
        clients = sorted({client.address for client in (*self.enrolled(task), *extra)} | before.keys())
        planned = self.cohorts.get((task, self.task(task).last_round), ())
        paid = sorted({entry.client for entry in planned} | {party.address for party in extra})
        raised = {client: rises[place % len(rises)] for place, client in enumerate(paid)}
        amounts = {client: max(0, before.get(client, 0) + raised.get(client, 0)) for client in clients}
        entries = (Entitlement(client, amounts[client], grade) for client in clients)
        made = Allocation(task, self.task(task).last_round, tuple(entries))
        self.trees[allocation_root(made)] = made
        return made

    def with_fees(self, tree: Allocation, server: Signer) -> Allocation:
        """What a server and as many authorities as it takes earn with a published round, beside the clients."""
        terms = self.books.terms[tree.task]
        earned = {server.address: terms.edge_fee}
        earned |= dict.fromkeys(terms.authorities[: terms.threshold], terms.authority_fee)
        listed = {entry.client: entry for entry in tree.entitlements}
        for party, fee in earned.items():
            before = listed.get(party, Entitlement(party, 0, 0))
            listed[party] = replace(before, cumulative=before.cumulative + fee, reputation=0)
        made = replace(tree, entitlements=tuple(listed[party] for party in sorted(listed)))
        self.trees[allocation_root(made)] = made
        return made

    def tree_of(self, task: int, old: int) -> Allocation:
        """The tree that stands, or another one that an edge server promised, or, where there is none, one of nobody."""
        root, _ = self.task(task).payable(self.sides.now)
        trees = sorted(
            (tree for tree in self.trees.values() if tree.task == task and tree.entitlements),
            key=lambda tree: allocation_root(tree) != root,
        )
        nobodys = Allocation(task, 0, (Entitlement(CLIENTS[0].address, 0, 3),))
        return (trees or [nobodys])[min(old, len(trees) - 1)]

    def prepare(self, task: int, until: Callable[[int], bool], when: str) -> None:
        """Goes on until then, the task is over or nothing can go on; unless the call is to come as things are ("now").

        It may then come "ready", at the very instant of the task's next deadline ("last"), right after it ("late"), or
        at the last instant at which nobody may take over ("takeover").
        """
        if when == "now":
            return
        before = None
        while not until(task) and not self.is_over(task) and before != (self.sides.now, len(self.sides.memory.blocks)):
            before = (self.sides.now, len(self.sides.memory.blocks))
            self.advance(task)
        if when == "takeover":
            self.sides.pass_to(self.takeover_at(task))
        elif when != "ready" and (instants := self.instants(task)):
            self.sides.pass_to(instants[0] + (when == "late"))

    def prepare_payout(self, task: int, when: str) -> None:
        """ "ready": the tree settled last can be claimed."""
        self.prepare(task, self.is_settled, when)
        if when == "ready":
            self.sides.pass_to(self.task(task).payable_from)

    def advance(self, task: int) -> None:
        """One step, which does not have to succeed; or the time passes that it has to wait for."""
        shown, terms, server = self.task(task), self.books.terms[task], self.server(task)
        if not self._deposited(task, server.address):
            return
        if not shown.last_round and self.is_enrolling(task):
            tasks = {client: self.books.standings[client.address].task for client in CLIENTS}
            idle = [client for client in CLIENTS if tasks[client] and self.is_over(tasks[client])]
            free = [client for client in CLIENTS if not tasks[client]] or idle
            chosen = free[: min(2, shown.max_clients - shown.enrolled)]
            stakes = self.coins(task, len(chosen) * terms.stake)
            if chosen:
                self.tell(STRANGER, "enrol", [self.enrolment(task, client) for client in chosen], stakes)
            if self.task(task).enrolled == shown.enrolled:  # those who cannot are passed over
                self.sides.pass_to(shown.enrol_until + 1)
        elif server.address != shown.edge_server and self.sides.now <= self.takeover_at(task):
            self.sides.pass_to(self.takeover_at(task) + 1)
        elif self.last(task).state in RUNNING:
            self._advance_round(task, shown.last_round, server)
        elif self.is_over(task):
            self.pay_everybody(task)
        elif shown.max_cohort < shown.max_clients and not shown.drawn_at:
            if self.tell(server, "draw_cohort", task):
                self.sides.mine()  # the block that draws
            else:
                self.sides.pass_to(self.rosters_until(task) + 1)
        elif not self.open(task, shown.last_round + 1, server, min(shown.enrolled, shown.max_cohort)):
            self.sides.pass_to(self.rosters_until(task) + 1)

    def open(self, task: int, number: int, server: Signer, cohort: int, plan: Digest = PLAN) -> bool:
        """With the first ``cohort`` of the enrolled clients."""
        weights = cohort_of(client.address for client in self.enrolled(task)[: max(1, cohort)])
        root = sum_of(weights).root if weights else ROOT
        done = self.tell(server, "open_round", task, number, plan, label_of(number), root, cohort)
        if done:
            self.cohorts[task, number] = weights
        return done

    def place(self, task: int, number: int, client: Signer) -> CohortPlace:
        """Its own, or somebody else's for whom there is none."""
        weights = self.cohorts.get((task, number), ()) or cohort_of([client.address])
        planned = {entry.client for entry in weights}
        return place_of(weights, client.address if client.address in planned else weights[0].client)

    def planned(self, task: int, number: int) -> list[Signer]:
        planned = {entry.client for entry in self.cohorts.get((task, number), ())}
        return [client for client in CLIENTS if client.address in planned]

    def weights(self, task: int, number: int) -> tuple[ClientWeight, ...]:
        return self.cohorts.get((task, number), ()) or cohort_of([CLIENTS[0].address])

    def shown(self, task: int, number: int, client: Signer, flaw: str) -> tuple[CohortPlace, BatchLeaf | None]:
        """With what somebody asks for a client's compensation."""
        batch = self.batches.get((task, number))
        if batch is None or flaw in ("forged", "round"):
            batch = self.pen.batch(task, number, [client], flaw)
        clients = [signed.commitment.client for signed in batch.commitments]
        leaf = batch_leaf_of(batch, client.address if client.address in clients else clients[0])
        place, other = self.place(task, number, client), self.place(task, number, CLIENTS[0])
        changes: dict[str, Any] = {"proof": {"proof": (*leaf.proof, ROOT)}, "index": {"index": leaf.index + 1}}
        moved = replace(place, weight=place.weight + 1) if flaw == "weight" else other if flaw == "other" else place
        return moved, None if flaw == "none" else replace(leaf, **changes.get(flaw, {}))

    def _deposited(self, task: int, server: Address) -> bool:
        """Whether all bonds are placed; if not, places one."""
        terms = self.books.terms[task]
        wanted = [server] if terms.edge_bond else []
        unbonded = terms.authority_bond and self.books.bonded[task] < terms.threshold
        wanted += terms.authorities if unbonded else ()
        for holder in wanted:
            bond = self.books.bonds[task, holder]
            if bond.role != Role.NONE and not bond.placed:
                amount = terms.edge_bond if bond.role == Role.EDGE_SERVER else terms.authority_bond
                self.tell(STRANGER, "place_bond", task, holder, self.coins(task, amount))
                return False
        return True

    def _advance_round(self, task: int, number: int, server: Signer) -> None:
        last, now, (grade, limit, extra) = self.last(task), self.sides.now, self.habit
        if now > last.settle_until:
            self.tell(STRANGER, "expire_round", task, number)
        elif last.state is RoundState.REQUESTED:
            self.sides.pass_to(min(self.task(task).payable_from, last.settle_until))
            terms = self.books.terms[task]
            tree = self.tree(task, [terms.participation + terms.contribution], grade, extra)
            tree = self.with_fees(tree, server)
            if not self.publish(task, number, server, tree, limit):
                self.sides.pass_to(last.settle_until + 1)
        elif not last.batched and not self.is_screened(task) and now <= self.batch_window(task)[1]:
            self.sides.pass_to(self.batch_window(task)[0])
            self.commit(task, number, server, self.pen.batch(task, number, self.planned(task, number), ""))
        elif now <= last.object_until:
            self.sides.pass_to(last.object_until + 1)
        elif task % 2 == 0 and not self.is_screened(task):
            block = self.sides.height() - 1
            if not self.tell(server, "request_screening", task, number, block, last.direct, REQUEST):
                self.sides.pass_to(last.commit_until + 1)
        elif not self.tell(server, "request_key", task, number, REQUEST):
            self.sides.pass_to(last.commit_until + 1)

    def commit(self, task: int, number: int, server: Signer, batch: CommitmentBatch, count: int | None = None) -> None:
        size = len(batch.commitments) if count is None else count
        if self.tell(server, "commit_batch", task, number, batch_root(batch), BATCH, size):
            self.batches[task, number] = batch

    def commit_direct(self, task: int, number: int, client: Signer) -> None:
        commitment = self.pen.commitment(task, number, client)
        self.tell(STRANGER, "commit_direct", commitment, self.place(task, number, client))

    def allocation(self, task: int, tree: Allocation, limit: str, most: int) -> int:
        """Cumulative: what the tree says ("fair"), or what the contract takes at least ("low") or at most ("high"), or
        one more or less than these. ``most``: of this round."""
        _, low = self.task(task).payable(self.sides.now)
        high = low + most
        amounts = {"fair": total_owed(tree), "low": low, "high": high, "lower": low - 1, "higher": high + 1}
        return max(0, amounts[limit])

    def publish(
        self, task: int, number: int, server: Signer, tree: Allocation, limit: str = "fair", **fault: Any
    ) -> bool:
        terms, cohort = self.books.terms[task], self.last(task).cohort
        fees = terms.edge_fee + len(terms.authorities) * terms.authority_fee
        allocated = self.allocation(task, tree, limit, cohort * (terms.participation + terms.contribution) + fees)
        publication = Publication(MODEL, RECORD, allocation_root(tree), allocated, 8, 10)
        return self.tell(server, "publish_round", task, number, replace(publication, **fault))

    def abandon(self, task: int, number: int, server: Signer, tree: Allocation, limit: str, **fault: bytes) -> None:
        sent = {"record": RECORD, "allocation_root": allocation_root(tree), **fault}
        most = self.last(task).cohort * self.books.terms[task].participation
        allocated = self.allocation(task, tree, limit, most)
        self.tell(server, "abandon_round", task, number, sent["record"], sent["allocation_root"], allocated)

    def pay_everybody(self, task: int) -> None:
        self.sides.pass_to(self.task(task).payable_from)
        root, _ = self.task(task).payable(self.sides.now)
        if tree := self.trees.get(root):
            self.tell(STRANGER, "claim_many", task, claim_batch(tree, {entry.client for entry in tree.entitlements}))

    def wind_up(self) -> None:
        """Whatever happened, nothing stays behind."""
        if self.sides.agree:
            self._drain()
        self.sides.close()

    def _drain(self) -> None:
        for token, holder in self.books.banned:
            self.sides.ban(token, holder, False)
        for task in self.books.tasks:
            if self.last(task).state in RUNNING:
                self.sides.pass_to(self.last(task).settle_until + 1)
                self.tell(STRANGER, "expire_round", task, self.task(task).last_round)
        self.sides.pass_to(max(max(shown.claim_until, shown.payable_from) for shown in self.books.tasks.values()) + 1)
        for task in self.books.tasks:
            for party in EVERYBODY:
                if self.books.bonds[task, party.address].amount:
                    assert self.tell(STRANGER, "return_bond", task, party.address)
                if self.books.enrolments[task, party.address].staked:
                    assert self.tell(STRANGER, "return_stake", task, party.address)
            if self.task(task).escrow:
                assert self.tell(STRANGER, "refund", task)
            for party in EVERYBODY:
                if self.books.credits[task, party.address]:
                    assert self.tell(STRANGER, "withdraw", task, party.address, party.address)
        held = self.books.held
        assert held[NATIVE_COIN, anvil().ledger] == held[self.sides.token, anvil().ledger] == 0
