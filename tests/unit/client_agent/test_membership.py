"""An enrolment is sealed to the keys of its window; one that is late is sealed anew, and either may arrive."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from client_agent.edge_client import EdgeClient, EdgeUnavailableError
from client_agent.followed_task import FollowedTask
from client_agent.journal import AgentJournal
from client_agent.membership import RELAY_SECONDS, VALID_SECONDS, Membership
from client_agent.place import EnrolmentOverError
from protocol.canonical import decode
from protocol.domain import Domain
from protocol.encryption.envelope import KeyEnvelope
from protocol.errors import Party
from protocol.identifiers import Address
from protocol.messages.submission import SignedEnrolment
from protocol.messages.task import TaskSpec
from protocol.randomness import SeededRandomness
from protocol.signing import verify
from storage.content.interface import get_document
from storage.ledger.interface import Ledger
from storage.records.memory import MemoryRecords
from tests.unit.client_agent.scene_server import OTHERS, PHONE, PlayedServer


class SlowServer(PlayedServer):
    """Takes enrolments and puts them on chain when it is told to. ``keyless``: an authority gave it no key yet."""

    def __init__(self) -> None:
        super().__init__()
        self.taken, self.keyless = list[SignedEnrolment](), False
        self.spec = replace(self.spec, cohort=replace(self.spec.cohort, roster_rounds=1))

    def enrol(self, signed: SignedEnrolment) -> None:
        self.taken.append(signed)

    def window_keys(self, domain: Domain, task: int, window: int, members: object) -> list[tuple[Address, bytes]]:
        if self.keyless:
            raise EdgeUnavailableError("E_KEYS_AWAITED")
        return super().window_keys(domain, task, window, self.spec.committee.members)

    def relay(self, signed: SignedEnrolment) -> None:
        super().enrol(signed)

    def window_of(self, signed: SignedEnrolment) -> int:
        return decode(KeyEnvelope, get_document(self.store, signed.enrolment.envelope, 2**20)).window


class Phone:
    def __init__(self, server: SlowServer) -> None:
        self.server, self.records, self.lives = server, MemoryRecords(), 0
        self.start()

    def start(self) -> None:
        self.lives += 1
        chain = cast(Ledger, self.server.chain)
        self.journal = AgentJournal(self.records)
        self.membership = Membership(
            signer=PHONE,
            ledger=chain,
            store=self.server.store,
            edge=cast(EdgeClient, self.server),
            journal=self.journal,
            followed=FollowedTask(chain, self.server.store, 1, PHONE.address),
            randomness=SeededRandomness(b"life %d" % self.lives),
            tell=lambda _: None,
        )

    def step(self, spec: TaskSpec | None = None) -> bool:
        """Whether it is enrolled."""
        self.server.chain.time += RELAY_SECONDS
        self.membership.followed.refresh()
        return self.membership.step(spec or self.server.spec, self.server.chain.time) is None


@pytest.fixture
def server() -> SlowServer:
    return SlowServer()


def _late(server: SlowServer) -> Phone:
    """It enrolled twice: before round 1, and after it, since nothing was on chain."""
    phone = Phone(server)
    for _ in range(2):
        assert not phone.step()
    server.open(dict.fromkeys(OTHERS, 2))
    for _ in range(2):
        phone.start()
        assert not phone.step()
    return phone


def test_it_is_sealed_to_the_keys_of_the_next_rounds_window(server: SlowServer) -> None:
    phone = _late(server)
    assert [server.window_of(signed) for signed in server.taken] == [0, 0, 1, 1]
    assert server.windows == [0, 1], "the same one again after a restart"
    first, again, second, last = (signed.enrolment.envelope for signed in server.taken)
    assert (first, second) == (again, last) and first != second
    assert phone.journal.envelope == second


@pytest.mark.parametrize("arrives", [0, 2], ids=["the first", "the second"])
def test_whichever_arrives_counts(server: SlowServer, arrives: int) -> None:
    phone = _late(server)
    server.relay(server.taken[arrives])
    phone.start()
    assert phone.step()
    assert phone.journal.envelope == server.taken[arrives].enrolment.envelope
    phone.start()
    assert phone.journal.envelope == server.taken[arrives].enrolment.envelope
    assert len(phone.journal.keys_of(0)) == 3  # one set of master keys, whichever envelope it was


def test_what_it_signs_names_the_task_its_money_and_its_end(server: SlowServer) -> None:
    phone = Phone(server)
    assert not phone.step()
    (signed,), posted = server.taken, phone.membership.followed.state.posted
    assert posted is not None
    enrolment = signed.enrolment
    assert (enrolment.task, enrolment.spec, enrolment.client) == (1, posted.terms.spec, PHONE.address)
    assert (enrolment.signer, enrolment.stake) == (PHONE.address, 0)
    assert enrolment.locked_until == posted.claim_until
    assert server.chain.time < enrolment.deadline <= server.chain.time + VALID_SECONDS
    verify(server.chain.domain, enrolment, signed.signature, PHONE.address, Party.CLIENT)


def test_an_enrolment_that_is_nearly_over_is_signed_anew(server: SlowServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("client_agent.membership.VALID_SECONDS", 5 * RELAY_SECONDS)
    phone = Phone(server)
    for _ in range(12):
        assert not phone.step()
        signed = server.taken[-1].enrolment
        assert signed.deadline >= server.chain.time + RELAY_SECONDS, "the ledger takes no other"
    deadlines = [signed.enrolment.deadline for signed in server.taken]
    assert len(set(deadlines)) == 3, "and no new one without need"
    assert len({signed.enrolment.envelope for signed in server.taken}) == 1
    server.relay(server.taken[-1])
    assert phone.step()


def test_none_is_good_beyond_the_task(server: SlowServer) -> None:
    phone = Phone(server)
    phone.membership.followed.refresh()
    posted = phone.membership.followed.state.posted
    assert posted is not None
    server.chain.time = posted.task_until - 100
    assert not phone.step()
    assert server.taken[-1].enrolment.deadline == posted.task_until


OPEN: dict[str, Any] = {
    "last_round": 2,
    "rounds": 3,
    "stopped": False,
    "enrolled": 2,
    "min_clients": 2,
    "max_clients": 3,
    "enrol_until": 5,
    "task_until": 86_400,
}


@pytest.mark.parametrize(
    ("changed", "over"),
    [
        ({}, False),
        ({"enrolled": 3}, True),
        ({"last_round": 3}, True),
        ({"stopped": True}, True),
        ({"min_clients": 3}, True),
    ],
    ids=["a latecomer", "full", "over", "stopped", "too few"],
)
def test_a_place_is_free_while_the_task_runs(
    server: SlowServer, changed: dict[str, Any], over: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = SimpleNamespace(**{**OPEN, **changed})
    monkeypatch.setattr(server.chain, "task", lambda _: view, raising=False)
    server.keyless = True
    phone = Phone(server)
    if over:
        with pytest.raises(EnrolmentOverError):
            phone.step()
    else:
        assert not phone.step()


def test_keys_of_somebody_else_are_refused(server: SlowServer) -> None:
    phone = _late(server)
    server.chain.enrol(PHONE.address, b"\1" * 32)
    with pytest.raises(EnrolmentOverError):
        phone.step()


def test_without_keys_it_waits_and_draws_nothing(server: SlowServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.keyless = True
    monkeypatch.setattr(Membership, "_require_place", lambda _: None)
    phone = Phone(server)
    assert not phone.step()
    assert not phone.journal.has_keys and phone.journal.envelope is None
    server.keyless = False
    assert not phone.step()
    assert [server.window_of(signed) for signed in server.taken] == [0]
