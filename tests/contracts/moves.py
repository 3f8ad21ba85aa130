"""A state machine of tasks on one ledger: what anybody may call around the rounds, well and badly, at any time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from protocol.identifiers import NATIVE_COIN
from storage.ledger.signer import Signer
from tests.contracts.course import Course
from tests.contracts.crowd import AUTHORITIES, BAD_TERMS, CLIENTS, EDGE, EVERYBODY, MANUFACTURER, STRANGER, SUBSTITUTE
from tests.contracts.scene import ZERO, escrow_of

MAX_TASKS: Final = 4


def mostly(usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from([usual] * (4 * len(others)) + list(others))


places = st.sampled_from([0, 1] * 6 + [2, -1])  # of a task, from the newest; below that none was posted
shifts = mostly(0, 1, -1)  # from the round that it should be
servers = st.sampled_from([None] * 6 + [EDGE, SUBSTITUTE, SUBSTITUTE, STRANGER])  # None: whoever should act
clients, parties = st.sampled_from(CLIENTS), st.sampled_from(EVERYBODY)
groups = st.lists(clients, min_size=1, max_size=3, unique=True)
forged = mostly(False, True)
# of Course.habit and Course.prepare
HABITS: Final = [(3, "fair", []), (3, "fair", []), (0, "high", CLIENTS), (1, "low", []), (6, "high", AUTHORITIES)]
whens = st.sampled_from(["ready", "ready", "ready", "ready", "now", "last", "late", "takeover"])
free: dict[str, Any] = {
    "participation": 0,
    "contribution": 1_000,
    "stake": 0,
    "edge_bond": 0,
    "authority_bond": 0,
    "dispute_seconds": 0,
}
own: dict[str, Any] = {"reputation_sources": (MANUFACTURER.address,)}
terms = st.sampled_from(
    [
        {},
        {"stake": 0},
        {"min_reputation": 3},
        {"dispute_seconds": 0},
        free,
        own,
        {"reputation_sources": (EDGE.address,)},
        {"max_cohort": 2},
        {"max_cohort": 3, "authority_bond": 0},
        {"contribution": 0},
    ]
)


# what is wrong with an enrolment
FLAWS: Final[dict[str, dict[str, Any]]] = {
    "forged": {"forged": True},
    "envelope": {"envelope": ZERO},
    "mixed": {"task": 77},
    "spec": {"spec": ZERO},
    "stake": {"stake": 77},
    "until": {"locked_until": 77},
    "nobody": {"signer": bytes(20)},
    "deadline": {},
}


class Moves(RuleBasedStateMachine):
    course: Course

    @initialize(changes=st.tuples(terms, terms), late=mostly(None, 0, 1))
    def post_both(self, changes: Sequence[dict[str, Any]], late: int | None) -> None:
        """``late``: the first client comes at the last second, or a second after it."""
        self.course = Course()
        for token, change in zip((NATIVE_COIN, self.course.sides.token), changes, strict=True):
            self.course.post(token, change)
        if late is not None:
            self.course.sides.pass_to(self.course.task(1).enrol_until + late)
            stake = self.course.books.terms[1].stake
            self.course.tell(STRANGER, "enrol", [self.course.enrolment(1, CLIENTS[0])], stake)

    def at(self, place: int) -> int:
        """The number of a task."""
        return max(1, len(self.course.books.tasks) - place)

    def number(self, task: int, shift: int) -> int:
        return max(0, self.course.task(task).last_round + shift)

    def acting(self, task: int, server: Signer | None) -> Signer:
        return server or self.course.server(task)

    @rule(place=st.sampled_from([0, 1]), steps=st.integers(1, 6), habit=st.sampled_from(HABITS))
    def advance(self, place: int, steps: int, habit: tuple[int, str, list[Signer]]) -> None:
        """``habit``: what the edge servers' trees are like from now on."""
        self.course.habit = habit
        for _ in range(steps):
            self.course.advance(self.at(place))

    @rule(seconds=st.sampled_from([1, 99, 400, 2_000]))
    def wait(self, seconds: int) -> None:
        self.course.sides.pass_to(self.course.sides.now + seconds)

    @rule(place=st.sampled_from([0, 1]), change=st.sampled_from(BAD_TERMS), more=mostly(0, -1, 1))
    def post_badly(self, place: int, change: dict[str, Any], more: int) -> None:
        good = self.course.books.terms[self.at(place)]
        if more:
            change = {"token": NATIVE_COIN} if more > 0 else {"contribution": 10**24}  # more than anybody has
        value = 0 if any(good.token) else escrow_of(good) + more
        assert not self.course.tell(MANUFACTURER, "post_task", replace(good, **change), value)

    @precondition(lambda self: len(self.course.books.tasks) < MAX_TASKS and self.course.is_over(self.at(1)))
    @rule(coin=st.booleans(), change=terms, paid=st.booleans())
    def post_another(self, coin: bool, change: dict[str, Any], paid: bool) -> None:
        """Its clients are those of a task that is over; when they were paid there, they are free."""
        if paid:
            self.course.pay_everybody(self.at(1))
        self.course.post(NATIVE_COIN if coin else self.course.sides.token, change)

    @rule(
        place=places,
        when=whens,
        group=groups,
        flaw=mostly("", *FLAWS, "value", "again"),
        signer=mostly(None, STRANGER),
    )
    def enrol(self, place: int, when: str, group: Sequence[Signer], flaw: str, signer: Signer | None) -> None:
        """``flaw`` is in the last one of the group alone; ``signer``: the key that all of it name."""
        task = self.at(place)
        self.course.prepare(task, self.course.is_enrolling if when in ("last", "late") else self.course.has_room, when)
        named = {} if signer is None else {"signer": signer.address}
        enrolments = [self.course.enrolment(task, client, **named) for client in group]
        if flaw in FLAWS:
            flawed: dict[str, Any] = {**named, **FLAWS[flaw]}
            if flaw == "deadline":
                flawed["deadline"] = self.course.sides.now - 1
            enrolments[-1] = self.course.enrolment(task, group[-1], **flawed)
        if flaw == "again":
            enrolments.append(enrolments[0])
        stakes = self.course.coins(task, len(enrolments) * self.course.books.terms[task].stake)
        self.course.tell(STRANGER, "enrol", enrolments, stakes + (flaw == "value"))

    @rule(place=places, client=clients, forged=forged)
    def leave(self, place: int, client: Signer, forged: bool) -> None:
        enrolled = self.course.enrolled(self.at(place))
        who = enrolled[CLIENTS.index(client) % len(enrolled)] if enrolled and client is not CLIENTS[-1] else client
        self.course.tell(STRANGER, "leave", self.course.pen.leave(self.at(place), who, forged))

    @rule(place=places, holder=parties, more=mostly(0, 1, -1))
    def place_bond(self, place: int, holder: Signer, more: int) -> None:
        task = self.at(place)
        agreed = self.course.books.terms[task]
        amount = self.course.coins(task, agreed.authority_bond if holder in AUTHORITIES else agreed.edge_bond)
        self.course.tell(STRANGER, "place_bond", task, holder.address, max(0, amount + more))

    @rule(holder=parties, coin=st.sampled_from([MANUFACTURER, STRANGER, None, None]), banned=mostly(True, False))
    def ban(self, holder: Signer, coin: Signer | None, banned: bool) -> None:
        """A payee of the token, or a payer with a wallet of code, takes no money from now on, or takes it again."""
        if coin is None:
            self.course.sides.ban(self.course.sides.token, holder.address, banned)
        else:
            self.course.sides.ban(NATIVE_COIN, coin.address, banned)

    @rule(place=places, owed=forged, holder=parties, sender=parties, to=parties)
    def withdraw(self, place: int, owed: bool, holder: Signer, sender: Signer, to: Signer) -> None:
        """``owed``: by somebody, to whoever a task owes something; by itself to another, too."""
        task = self.at(place)
        creditors = [one for one in EVERYBODY if self.course.books.credits[task, one.address]]
        if owed and creditors:
            holder = creditors[EVERYBODY.index(holder) % len(creditors)]
            sender, to = (holder, to) if holder in (MANUFACTURER, STRANGER) else (STRANGER, holder)
        self.course.tell(sender, "withdraw", task, holder.address, to.address)

    @rule(place=places, when=whens, holder=parties, shift=shifts, over=forged)
    def tidy_up(self, place: int, when: str, holder: Signer, shift: int, over: bool) -> None:
        task = self.at(place)
        self.course.prepare(task, self.course.is_over if over else self.course.is_open, when)
        self.course.tell(STRANGER, "expire_round", task, self.number(task, shift))
        self.course.tell(STRANGER, "return_bond", task, holder.address)
        self.course.tell(STRANGER, "return_stake", task, holder.address)
        self.course.tell(STRANGER, "refund", task)
