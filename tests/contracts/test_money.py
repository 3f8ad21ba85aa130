"""The money of two tasks on one ledger, under any order of calls and any lies of the edge server.

given two tasks on one ledger
    when rounds, claims, refunds and time follow each other in any order
        should hold exactly the escrows, never pay more than was posted, and never pay one task from the other's escrow
        should keep every client's claim covered until claimUntil, if the edge server's trees add up
        should pay everything out in the end
"""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from protocol.incentives.rewards import allocation_root
from protocol.round_state import FINAL, RoundState
from storage.ledger.signer import Signer
from tests.contracts.ledger import Ledger
from tests.contracts.scene import RECORD, REWARD, Scene, publication

TASKS = 2
WINDOW = 150  # so that a round can be over before the payout of the one before is
tasks = st.integers(0, TASKS - 1)
subsets = st.sets(st.integers(0, 2))


class Money(RuleBasedStateMachine):
    """The model: per task what its tree promises, who was paid how much, what the manufacturer got back."""

    @initialize()
    def post(self) -> None:
        self.ledger = Ledger()
        self.scenes = [Scene(self.ledger, task) for task in range(1, TASKS + 1)]
        self.honest = [True] * TASKS
        self.paid = [dict.fromkeys(scene.earned, 0) for scene in self.scenes]
        self.refunded = [0] * TASKS
        for scene in self.scenes:
            scene.post(dispute_seconds=WINDOW)
            scene.enrol(*scene.clients)
        self.scenes[0].pass_after(self.ledger.task_view(1).enrol_until)

    def view(self, which: int) -> Any:
        return self.ledger.task_view(which + 1)

    def state(self, which: int) -> tuple[int, RoundState]:
        number = self.view(which).last_round
        return number, self.ledger.round_view(which + 1, number).state

    @rule(which=tasks)
    def open(self, which: int) -> None:
        number, state = self.state(which)
        ready = state in FINAL or number == 0
        if ready and number < 3 and self.ledger.now <= self.view(which).task_until:
            self.scenes[which].open(number + 1)

    @rule(which=tasks, paid=subsets, lie=st.integers(0, 2), abandon=st.booleans())
    def settle(self, which: int, paid: set[int], lie: int, abandon: bool) -> None:
        """One time in three the tree promises three times what is allocated for the round."""
        number, state = self.state(which)
        scene, shown = self.scenes[which], self.ledger.round_view(which + 1, number)
        if state is not RoundState.OPEN or self.ledger.now > shown.commit_until:
            return
        if self.ledger.now < self.view(which).payable_from:
            reason = scene.edge_refusal("abandonRound", number, RECORD, RECORD, 0)[0]
            assert reason == "TooEarly"
            return
        scene.request(number)
        clients = [scene.clients[index] for index in sorted(paid)]
        root, _ = scene.reward(*clients)
        if lie == 0 and clients:
            self.honest[which] = False
            root, _ = scene.reward(*clients, *clients)
        allocated = self.view(which).pending_allocated + len(clients) * REWARD
        if abandon:
            scene.by_edge("abandonRound", number, RECORD, root, allocated)
        else:
            scene.by_edge("publishRound", number, publication(root, allocated))

    @rule(which=tasks)
    def expire(self, which: int) -> None:
        number, state = self.state(which)
        if state is RoundState.OPEN and self.ledger.now > self.ledger.round_view(which + 1, number).settle_until:
            self.scenes[which].by_edge("expireRound", number)

    @rule(which=tasks, who=st.integers(0, 2))
    def claim(self, which: int, who: int) -> None:
        scene, client = self.scenes[which], self.scenes[which].clients[who]
        owed = scene.earned[client.address] - self.paid[which][client.address]
        shown = self.view(which)
        root, allocated = shown.payable(self.ledger.now)
        if root != allocation_root(scene.allocation()):  # the last settled round may still be disputed
            return
        if owed and owed <= allocated - shown.claimed and self.ledger.now <= shown.claim_until:
            before = self.ledger.balance(client.address)
            scene.claim(client)
            assert self.ledger.balance(client.address) - before == owed
            self.paid[which][client.address] += owed
        else:
            reason = self.ledger.refusal(self.ledger.stranger, "claim", *scene.claim_call(client))[0]
            assert reason in {"NothingToPay", "TooLate"} or (reason == "AllocationWrong" and not self.honest[which])

    @rule(which=tasks)
    def refund(self, which: int) -> None:
        number, state = self.state(which)
        shown = self.view(which)
        ended = number == 3 or self.ledger.now > shown.task_until
        due = shown.escrow - (0 if self.ledger.now > shown.claim_until else shown.pending_allocated - shown.claimed)
        if ended and (state in FINAL or number == 0) and due:
            self.scenes[which].by(self.ledger.stranger, "refund", which + 1)
            self.refunded[which] += due
        else:
            reason = self.ledger.refusal(self.ledger.stranger, "refund", which + 1)[0]
            assert reason in {"TooEarly", "NothingToPay"}

    @rule(seconds=st.sampled_from([1, 301, 501, 5_000]))
    def wait(self, seconds: int) -> None:
        self.ledger.pass_to(self.ledger.now + seconds)

    @precondition(lambda self: hasattr(self, "ledger"))
    @invariant()
    def books_balance(self) -> None:
        views = [self.view(which) for which in range(TASKS)]
        assert self.ledger.balance(self.ledger.address) == sum(view.escrow for view in views)
        for which, (view, scene) in enumerate(zip(views, self.scenes, strict=True)):
            assert view.claimed == sum(self.paid[which].values()) <= view.payable(self.ledger.now)[1] <= scene.escrow()
            assert view.escrow + view.claimed + self.refunded[which] == scene.escrow()
            if self.ledger.now <= view.claim_until:
                assert view.escrow >= view.pending_allocated - view.claimed
                if self.honest[which]:
                    assert view.pending_allocated == sum(scene.earned.values())

    def teardown(self) -> None:
        """Whatever happened, nothing stays behind."""
        if not hasattr(self, "ledger"):
            return
        for which in range(TASKS):
            number, state = self.state(which)
            if state is RoundState.OPEN:
                self.scenes[which].pass_after(self.ledger.round_view(which + 1, number).settle_until)
                self.scenes[which].by_edge("expireRound", number)
        for which, scene in enumerate(self.scenes):
            scene.pass_window()
            if self.honest[which] and self.ledger.now <= self.view(which).claim_until:
                for client in self.unpaid(which):
                    scene.claim(client)
        for which, scene in enumerate(self.scenes):
            scene.pass_after(self.view(which).claim_until)
            if self.view(which).escrow:
                scene.by(self.ledger.stranger, "refund", which + 1)
        assert self.ledger.balance(self.ledger.address) == 0

    def unpaid(self, which: int) -> list[Signer]:
        scene = self.scenes[which]
        return [one for one in scene.clients if scene.earned[one.address] > self.paid[which][one.address]]


TestMoney = Money.TestCase
TestMoney.settings = settings(max_examples=12, stateful_step_count=25, deadline=None, derandomize=True)
