"""Whoever is freed for another task takes its last leaf along, and never an older one.

given a task whose clients leave and claim at any time, while its rounds are settled, frozen and forgotten
    when the contract frees one of them
        should have settled its reputation in the last round that concerned it and, as it turns out, was not frozen
    when the task is over and no dispute can come any more
        should free everybody
    whatever happened
        should be final for contract, reference and audit alike
"""

from __future__ import annotations

from typing import Any, Final

from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocol.identifiers import NATIVE_COIN
from protocol.incentives.rewards import claim_proof
from protocol.messages.chain import Claimed, Event, Left, RoundFrozen, RoundOpened
from protocol.round.state_table import RoundState
from protocol.task.ending import is_final
from protocol.task.fold import BlockMined, fold
from protocol.task.round_facts import Settled
from storage.ledger.signer import Signer
from tests.contracts.course import Course
from tests.contracts.crowd import CLIENTS, EDGE, STRANGER, SUBSTITUTE
from tests.contracts.scene import REQUEST, REWARD
from tests.reference_ledger.books import RUNNING
from tests.reference_ledger.chain import Contract
from tests.reference_ledger.ledger import MemoryLedger
from tests.samples import private_key

TASK: Final = 1
SERVERS: Final = (EDGE, SUBSTITUTE, *(Signer(private_key("server", number)) for number in range(3)))
CROWD: Final = CLIENTS[:3]
TERMS: Final[dict[str, Any]] = {
    "edge_servers": tuple(server.address for server in SERVERS),
    "min_reputation": 0,
    "participation": 0,
    "contribution": REWARD,
    "edge_bond": 0,
    "authority_bond": 0,
    "stake": 0,
    "takeover_seconds": 0,
    "roster_rounds": 3,
}
MOVES: Final = ("open", "settle", "settle", "freeze", "freeze settled", "window", "deadline", "expire")
steps = st.one_of(
    st.sampled_from(MOVES),
    st.tuples(st.sampled_from(["leave", "claim", "claim"]), st.sampled_from([0, 1])),
)
Step = str | tuple[str, int]


class Play(Course):
    """Every round's tree gives everybody its number as reputation, so a leaf tells of which round it is."""

    def server(self, task: int) -> Signer:
        good = [one for one in SERVERS if self.books.bonds[task, one.address].role]
        return next((one for one in good if one.address == self.task(task).edge_server), (good or SERVERS)[0])

    def play(self, step: Step) -> None:
        number, server = self.task(TASK).last_round, self.server(TASK)
        match step:
            case "open":
                self.open(TASK, number + 1, server, len(CROWD))
            case "settle":
                batch = self.pen.batch(TASK, number, CROWD, "")
                first, last = self.batch_window(TASK)
                self.sides.pass_to(min(max(first, self.sides.now), last))
                self.commit(TASK, number, server, batch)
                self.sides.pass_to(max(self.last(TASK).object_until + 1, self.sides.now))
                self.tell(server, "request_key", TASK, number, REQUEST)
                self.publish(TASK, number, server, self.tree(TASK, [REWARD], number))
            case "freeze":
                self.accuse(number, server)
            case "freeze settled":
                self.accuse(self.task(TASK).pending_round, server)
            case "window":
                self.sides.pass_to(self.task(TASK).payable_from)
            case "deadline":
                self.sides.pass_to(self.last(TASK).settle_until + 1)
            case "expire":
                self.tell(STRANGER, "expire_round", TASK, number)
            case ("leave", place):
                self.tell(STRANGER, "leave", self.pen.leave(TASK, CROWD[place], False))
            case ("claim", place):
                self.claim(CROWD[place])
        self.agree_on_what_is_final()

    def accuse(self, number: int, server: Signer) -> None:
        opener = SERVERS[self.books.rounds[TASK, number].server]
        for accused in {opener, server}:
            self.tell(STRANGER, "dispute", self.pen.two_statements(TASK, number, accused, "model", False))

    def claim(self, client: Signer) -> bool:
        root, _ = self.task(TASK).payable(self.sides.now)
        if not any(root):
            return False
        return self.tell(STRANGER, "claim", TASK, claim_proof(self.trees[root], client.address))

    def agree_on_what_is_final(self) -> None:
        """The reference, which the contract was held to, and the rule that the audit takes from events."""
        memory = self.sides.memory
        reference = Contract(memory.domain, memory.rules, self.books, STRANGER.address, 0, self.sides.now, memory)
        times = [BlockMined(number, block.timestamp) for number, block in enumerate(memory.blocks)]
        state = fold(TASK, [*times, *self.events()])
        for client in CROWD:
            ours = reference.is_final(TASK, client.address)
            assert is_final(state, client.address, self.sides.now) == ours

    def events(self) -> list[Event]:
        return MemoryLedger(self.sides.memory, STRANGER.address).events()

    def end(self) -> None:
        """Nothing runs, nothing comes, nothing can be disputed: everybody who has a leaf is freed by it."""
        if self.last(TASK).state in RUNNING:
            self.play("deadline")
            self.play("expire")
        shown = self.task(TASK)
        self.sides.pass_to(max(shown.task_until + 1, shown.payable_from))
        for client in CROWD:
            self.claim(client)
            held = self.books.standings[client.address].task == TASK
            assert not held or not any(self.task(TASK).payable(self.sides.now)[0])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(steps, min_size=4, max_size=16))
@example(["open", "settle", "window", "open", "settle", "open", ("leave", 0), "freeze", ("claim", 0)])
def test_should_take_the_last_leaf_along(played: list[Step]) -> None:
    play = Play()
    try:
        play.post(NATIVE_COIN, TERMS)
        play.tell(STRANGER, "enrol", [play.enrolment(TASK, client) for client in CROWD])
        play.sides.pass_to(play.rosters_until(TASK) + 1)
        for step in played:
            play.play(step)
        play.end()
        _check_in_hindsight(play.events())
    finally:
        play.sides.close()


def _check_in_hindsight(events: list[Event]) -> None:
    """Written without any rule of the contract: what was settled when, and what turned out to be frozen."""
    frozen = {event.round for event in events if isinstance(event, RoundFrozen)}
    stands = {event.round for event in events if isinstance(event, Settled)} - frozen
    opened, left = 0, dict[bytes, int]()
    for event in events:
        if isinstance(event, RoundOpened):
            opened = event.round
        elif isinstance(event, Left):
            left[event.client] = opened
        elif isinstance(event, Claimed) and event.freed:
            concerned = {number for number in stands if number <= left.get(event.client, opened)}
            assert event.reputation in stands
            assert event.reputation >= max(concerned, default=0)


def test_should_free_nobody_with_the_leaf_before_the_one_that_may_be_disputed() -> None:
    """Round 2 is settled, round 3 frozen while round 2 could still be disputed: the leaf of round 1 is an old one."""
    play = Play()
    try:
        play.post(NATIVE_COIN, TERMS)
        play.tell(STRANGER, "enrol", [play.enrolment(TASK, client) for client in CROWD])
        play.sides.pass_to(play.rosters_until(TASK) + 1)
        for step in ("open", "settle", "window", "open", "settle", "open", ("leave", 0), "freeze"):
            play.play(step)
        states = [play.books.rounds[TASK, number].state for number in (1, 2, 3)]
        assert states == [RoundState.PUBLISHED, RoundState.PUBLISHED, RoundState.FROZEN]
        client = CROWD[0]
        assert play.claim(client) and play.books.standings[client.address].task == TASK
        play.play("window")
        assert play.claim(client) and play.books.standings[client.address].task == 0
        assert [event for event in play.events() if isinstance(event, Claimed)][-1].reputation == 2
    finally:
        play.sides.close()
