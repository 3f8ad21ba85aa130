"""An older copy of an edge server's records is put back: nothing is signed twice, and the task goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest

from backend.rounds.desk_error import DeskError
from protocol.domain import Domain
from protocol.errors import HearthError
from protocol.identifiers import ZERO_DIGEST
from protocol.messages.chain import RoundPublished
from protocol.messages.round import RoundStatement
from protocol.messages.submission import Receipt
from protocol.round.commitments import receipt_of
from protocol.round.state_table import RoundState
from storage.ledger.signer import Signer
from tests.unit.backend.copies import Copies
from tests.unit.backend.rounds.scene_committee import CLIENTS
from tests.unit.backend.rounds.scene_server import Scene


class Oracle:
    """Everything that an account ever signs beside the chain. What contradicts what it said before is a breach."""

    def __init__(self, account: Signer) -> None:
        self._account = account
        self.labels: dict[int, bytes] = {}
        self.models: dict[int, bytes] = {}
        self.receipts = set[tuple[int, bytes]]()
        self.sent = set[tuple[int, int]]()  # round and phone

    @contextmanager
    def listening(self) -> Iterator[None]:
        sign = Signer.sign

        def heard(signer: Signer, domain: Domain, statement: Any) -> bytes:
            if signer.address == self._account.address:
                self.hear(statement)
            return sign(signer, domain, statement)

        with mock.patch.object(Signer, "sign", heard):
            yield

    def hear(self, said: object) -> None:
        if isinstance(said, RoundStatement):
            assert self.labels.setdefault(said.round, said.label) == said.label
            if said.model != ZERO_DIGEST:
                assert self.models.setdefault(said.round, said.model) == said.model
        elif isinstance(said, Receipt):
            self.receipts.add((said.round, said.commitment))


def started() -> tuple[Scene, Oracle, Copies]:
    scene, records = Scene(), Copies()
    scene.records = records, scene.records[1]
    scene.start()
    until(scene, lambda: scene.state.posted)
    scene.enrol()
    return scene, Oracle(scene.signer), records


def until(scene: Scene, holds: Callable[[], object]) -> None:
    """From one instant at which there is something to do to the next one."""
    for _ in range(600):
        if holds():
            return
        if not scene.step() and not scene._post_rosters():
            scene.chain.pass_time(max(1, min(60, scene.driver.next_due() - scene.ledger.now())))
    raise AssertionError("nothing happened")


def play(scene: Scene, oracle: Oracle, state: RoundState | None = None) -> None:
    """To that state of the first round, or to the end of the second. Phones do what they can, and ask what is said."""

    def over() -> bool:
        rounds = scene.state.rounds
        for number in range(len(CLIENTS)):
            try:
                if rounds and rounds[-1].running and (rounds[-1].number, number) not in oracle.sent:
                    scene.desk.next_round(0)
                    scene.desk.submit(rounds[-1].number, scene.submission(number, rounds[-1].number))
                    oracle.sent.add((rounds[-1].number, number))
            except (HearthError, AssertionError):
                break
        for facts in rounds:
            try:
                scene.desk.statement(facts.number)
            except HearthError:
                continue
        if state is not None:
            return bool(rounds) and rounds[0].state is state
        return len(rounds) == 2 and rounds[1].ended is not None

    until(scene, over)


def changes_until(state: RoundState) -> int:
    scene, oracle, records = started()
    play(scene, oracle, state)
    return len(records.made)


@pytest.mark.parametrize("told", [True, False], ids=["its machine knows", "the chain alone"])
@pytest.mark.parametrize("state", [RoundState.REQUESTED, RoundState.PUBLISHED], ids=lambda state: state.name.lower())
def test_every_copy_of_the_first_round_put_back_later(state: RoundState, told: bool) -> None:
    """At that state of the round. Then the task goes on to its end: nothing that was said is said otherwise, no receipt
    is given after it for what the batch has not, and the second round is as if nothing had happened."""
    for number in range(int(told), changes_until(state) - 1, 2):  # every second one: the others are told otherwise
        scene, oracle, records = started()
        with oracle.listening():
            play(scene, oracle, state)
            scene.crash()
            records.put_back(number)
            before = set(oracle.receipts)
            scene.start(older=told)
            play(scene, oracle)
        given = {(of_round, digest) for of_round, digest in oracle.receipts - before if of_round == 1}
        assert not given or not told, "a receipt in a round of which something is forgotten"
        first, second = scene.state.rounds
        assert first.ended is not None
        assert second.state is RoundState.PUBLISHED
        assert len(scene.state.verdict(2).accepted) == len(CLIENTS)  # type: ignore[union-attr]
        batch = scene.state.batch(1)
        if first.batched is not None:
            digests = {receipt_of(signed.commitment).commitment for signed in batch.commitments}  # type: ignore[union-attr]
            assert {digest for _, digest in given} <= digests


def test_a_round_that_the_records_do_not_know_is_announced_by_nobody() -> None:
    """The chain says that this server opened it: so there may be receipts, and a batch on its way."""
    scene, _, records = started()
    scene.announced(1)
    opening = next(n for n, (entries, _) in enumerate(records.made) if "Opening" in {e.kind for e in entries})
    scene.crash()
    records.put_back(opening - 1)
    scene.start()
    scene.until(lambda: scene.journal.task(1).forgotten == 1)
    for ask in (lambda: scene.desk.next_round(0), lambda: scene.desk.statement(1)):
        with pytest.raises(DeskError, match="E_LABEL_USED"):
            ask()
    with pytest.raises(DeskError, match="E_LABEL_USED"):
        scene.desk.submit(1, scene.submission(0, 1))


def test_what_is_remembered_is_said_again_and_nothing_else() -> None:
    scene, oracle, records = started()
    with oracle.listening():
        scene.announced(1)
        receipt = scene.desk.submit(1, scene.submission(0, 1))
        kept = len(records.made) - 1
        scene.desk.submit(1, scene.submission(1, 1))
        scene.crash()
        records.put_back(kept)
        scene.start(older=True)
        scene.announced(1)
        assert scene.desk.submit(1, scene.submission(0, 1)) == receipt
        for number in (1, 2):
            with pytest.raises(DeskError, match="E_ROUND"):
                scene.desk.submit(1, scene.submission(number, 1))
        scene.until(lambda: scene.facts(1).batched)
        batch = scene.state.batch(1)
        assert [signed.commitment.client for signed in batch.commitments] == [CLIENTS[0].address]  # type: ignore[union-attr]
        scene.until(lambda: len(scene.state.rounds) == 2)
        scene.submit(2)
        scene.ended(RoundPublished, 2)
