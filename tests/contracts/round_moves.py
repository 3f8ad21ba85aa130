"""The moves of a round, from its draw to its settlement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from storage.ledger.signer import Signer
from tests.contracts.crowd import AUTHORITIES, CLIENTS, EDGE, STRANGER, SUBSTITUTE
from tests.contracts.moves import Moves, clients, groups, mostly, places, servers, shifts, whens
from tests.contracts.scene import PLAN, REQUEST, REWARD, ZERO


class RoundMoves(Moves):
    @rule(
        place=places,
        when=whens,
        party=st.sampled_from([*AUTHORITIES, *AUTHORITIES, EDGE]),
        shift=mostly(0, -1, 1),
        size=mostly(1, 0, 2, 9),
    )
    def post_roster(self, place: int, when: str, party: Signer, shift: int, size: int) -> None:
        task = self.at(place)
        self.course.prepare(task, self.course.is_idle, when)
        window = max(0, self.number(task, 0) // (self.course.books.terms[task].roster_rounds or 1) + shift)
        self.course.tell(party, "post_roster", task, window, bytes([1]) * size, b"")

    @rule(place=places, when=whens, server=servers, blocks=mostly(0, 1, 257))
    def draw(self, place: int, when: str, server: Signer | None, blocks: int) -> None:
        """``blocks`` later the cohort may be drawn, or its time be over."""
        task = self.at(place)
        self.course.prepare(task, self.course.is_idle, when)
        self.course.tell(self.acting(task, server), "draw_cohort", task)
        self.course.sides.mine(blocks)
        if blocks > 1:
            self.course.tell(self.acting(task, server), "draw_cohort", task)

    @rule(
        place=places,
        when=whens,
        server=servers,
        shift=mostly(1, 0, 2),
        fewer=mostly(0, -1, 1, 2),
        plan=mostly(PLAN, ZERO),
    )
    def open_round(self, place: int, when: str, server: Signer | None, shift: int, fewer: int, plan: bytes) -> None:
        task = self.at(place)
        self.course.prepare(task, self.course.is_idle, when)
        shown = self.course.task(task)
        number, cohort = self.number(task, shift), max(0, min(shown.enrolled, shown.max_cohort) - fewer)
        self.course.open(task, number, self.acting(task, server), cohort, plan)

    @rule(
        place=places,
        when=whens,
        server=servers,
        shift=shifts,
        group=groups,
        flaw=mostly("", "forged", "label", "round", "order", "twice"),
        more=mostly(None, 0, 4),
    )
    def commit_batch(
        self,
        place: int,
        when: str,
        server: Signer | None,
        shift: int,
        group: Sequence[Signer],
        flaw: str,
        more: int | None,
    ) -> None:
        task = self.at(place)
        self.course.prepare(task, self.course.is_open, when)
        number = self.number(task, shift)
        ordered = sorted(group, key=lambda client: client.address)
        batch = self.course.pen.batch(task, number, ordered, flaw)
        self.course.commit(task, number, self.acting(task, server), batch, more)

    @rule(
        place=places,
        when=whens,
        shift=shifts,
        client=clients,
        flaw=mostly("", "forged", "label", "ciphertext", "weight", "index"),
    )
    def commit_direct(self, place: int, when: str, shift: int, client: Signer, flaw: str) -> None:
        task = self.at(place)
        self.course.prepare(task, self.course.is_open, when)
        number = self.number(task, shift)
        proven = self.course.place(task, number, client)
        changes: dict[str, Any] = {"forged": {"forged": True}, "label": {flaw: ZERO}, "ciphertext": {flaw: ZERO}}
        moved: dict[str, Any] = {"weight": {flaw: 3}, "index": {flaw: proven.index + 1}}
        commitment = self.course.pen.commitment(task, number, client, **changes.get(flaw, {}))
        self.course.tell(STRANGER, "commit_direct", commitment, replace(proven, **moved.get(flaw, {})))

    @rule(
        place=places, when=whens, server=servers, shift=shifts, request=mostly(REQUEST, ZERO), direct=st.integers(0, 4)
    )
    def request_key(
        self, place: int, when: str, server: Signer | None, shift: int, request: bytes, direct: int
    ) -> None:
        """After ``direct`` clients have committed themselves."""
        task = self.at(place)
        self.course.prepare(task, self.course.is_open, when)
        for client in self.course.enrolled(task)[:direct]:
            self.course.commit_direct(task, self.number(task, 0), client)
        self.course.tell(self.acting(task, server), "request_key", task, self.number(task, shift), request)

    @rule(
        place=places,
        when=whens,
        server=servers,
        batch=st.booleans(),
        direct=st.sampled_from([4, 4, 4, 1, 0]),
        flaw=mostly("", "round", "count", "request", "this block", "a later block", "an old block"),
    )
    def request_screening(
        self, place: int, when: str, server: Signer | None, batch: bool, direct: int, flaw: str
    ) -> None:
        """After a ``batch`` of all who are planned, or ``direct`` commitments; then both are tried once more."""
        task, course = self.at(place), self.course
        course.prepare(task, course.is_open, when)
        number, acting = self.number(task, 0), self.acting(task, None)
        planned = course.planned(task, number)
        whole = course.pen.batch(task, number, planned or CLIENTS[:1], "")
        if batch:
            course.sides.pass_to(course.batch_window(task)[0])
            course.commit(task, number, acting, whole)
            course.sides.pass_to(course.last(task).object_until + 1)
        for client in () if batch else planned[:direct]:
            course.commit_direct(task, number, client)
        back = {"this block": 0, "a later block": -1, "an old block": 257}.get(flaw, 1)
        block, count = max(0, course.sides.height() - back), course.last(task).direct + (flaw == "count")
        asked = number + (flaw == "round"), block, count, ZERO if flaw == "request" else REQUEST
        course.tell(self.acting(task, server), "request_screening", task, *asked)
        course.commit_direct(task, number, (planned or CLIENTS)[0])
        course.sides.pass_to(course.batch_window(task)[0])
        course.commit(task, number, acting, whole)

    @rule(
        place=places,
        when=whens,
        server=servers,
        shift=shifts,
        rises=st.lists(st.sampled_from([0, REWARD, REWARD, 4 * REWARD]), min_size=1, max_size=3),
        grade=st.sampled_from([3, 3, 0, 1, 6]),
        limit=mostly("fair", "low", "high", "lower", "higher"),
        extra=st.sampled_from([(), (), CLIENTS[:1], AUTHORITIES, [EDGE, SUBSTITUTE, STRANGER]]),
        fault=mostly({}, {"model": ZERO}, {"record": ZERO}, {"allocation_root": ZERO}),
        abandon=mostly(False, True),
    )
    def settle(
        self,
        place: int,
        when: str,
        server: Signer | None,
        shift: int,
        rises: Sequence[int],
        grade: int,
        limit: str,
        extra: Sequence[Signer],
        fault: dict[str, bytes],
        abandon: bool,
    ) -> None:
        """The tree may promise more than is allocated, to people who earn nothing, and grades above the maximum."""
        task = self.at(place)
        self.course.prepare(task, self.course.is_open if abandon else self.course.is_requested, when)
        if abandon and when == "ready":
            self.course.sides.pass_to(self.course.last(task).commit_until + 1)
        if abandon:
            rises = [min(rise, self.course.task(task).participation) for rise in rises]
        sender, number = self.acting(task, server), self.number(task, shift)
        tree = self.course.tree(task, rises, grade, extra)
        if abandon:
            self.course.abandon(task, number, sender, tree, limit, **fault)
        else:
            self.course.publish(task, number, sender, tree, limit, **fault)
