"""What becomes of screened rounds while their committee lies, is away, or is too few to open them; and afterwards.

Four of five answers have to agree: three open something, and one may be a lie.
"""

from __future__ import annotations

from pathlib import Path

from protocol.canonical import decode
from protocol.identifiers import ZERO_DIGEST, Address, to_hex
from protocol.messages.chain import KeyRequested, RoundAbandoned, RoundPublished, ScreeningRequested
from protocol.messages.screening import MAX_GRAM_REQUEST_BYTES, GramRequest, SignedOpening
from protocol.messages.screening_terms import CONTINUE
from protocol.messages.settlement import Allocation, max_allocation_bytes
from protocol.round.unscreened import unscreened_after
from scripts.demonstration.presets import DEMO_REWARDS
from scripts.demonstration.processes import RoleProcess
from scripts.demonstration.stage import client_name
from storage.content.interface import get_document
from tests.e2e.play import Play, killed_launcher, lying_launcher, play

LIAR, AWAY, DEAD = "authority-2", "authority-4", "authority-5"
HELD = 2  # the client for which a round waits until everybody is back


def test_a_lie_then_a_round_without_one_authority_then_one_that_too_few_open(tmp_path: Path) -> None:
    """A lie is named, and who was away for two rounds opens afterwards what all others open."""
    with play(tmp_path / "play", rounds=4, suite="screened") as task:
        task.stage.launchers |= {
            LIAR: lying_launcher(1), AWAY: killed_launcher("instead", "Answered:2"),
            DEAD: killed_launcher("instead", "Answered:3"),
            client_name(HELD): killed_launcher("instead", "RoundFollowed:4"),
        }  # fmt: skip
        task.prepare()
        task.start_agents()
        for role in (AWAY, DEAD):
            task.await_death(task.role(role))
        _beyond_its_openings(task, 3)
        task.await_event(RoundAbandoned)
        task.await_death(task.agents[HELD])
        _come_back(task, AWAY, DEAD)
        del task.stage.launchers[client_name(HELD)]
        task.start_agents([HELD])
        task.finish()

        everyone = sorted(task.stage.addresses[f"authority-{j}"] for j in range(1, 6))
        members = {name: task.stage.addresses[name] for name in (LIAR, AWAY, DEAD)}
        assert [event.round for event in task.events(RoundPublished)] == [1, 2, 4]
        lied, without, last = (task.screening(number) for number in (1, 2, 4))
        assert _who(lied.accused) == [members[LIAR]] and members[LIAR] not in _who(lied.openings)
        assert _who(without.openings) == [member for member in everyone if member != members[AWAY]]
        assert (_who(last.openings), without.accused, last.accused) == (everyone, (), ())
        clients = tuple(sorted(task.address(number) for number in range(task.clients)))
        assert (_asked(task, 2).histories, _asked(task, 4).histories) == ((), clients)
        assert last.verdict.rounds == 3
        assert len(task.record(4).keys) == 5

        assert [event.round for event in task.events(RoundAbandoned)] == [3]
        assert 3 not in [event.round for event in task.events(KeyRequested)]
        assert task.record(3).screening == ZERO_DIGEST
        models = [task.plan(task.opened(number).plan).model for number in (2, 3, 4)]
        assert models[0] != models[1] == models[2]
        before, after = (_entitled(task, number) for number in (2, 3))
        assert {client: after[client] - before[client] for client in clients} == dict.fromkeys(
            clients, DEMO_REWARDS.participation
        )
        assert [task.reader.claimed(1, client) for client in clients] == [_entitled(task, 4)[c] for c in clients]

        warnings = [line for line in _log(task, "edge") if "a key authority lied" in line]
        assert len(warnings) == 1 and to_hex(members[LIAR]) in warnings[0]
        answer = task.audit()
        assert answer["verdict"] == "PASS"
        lies = [line for line in answer["lines"] if "signed a lie" in line]
        assert len(lies) == 1 and "round 1 openings" in lies[0] and to_hex(members[LIAR]) in lies[0]


def test_a_task_that_goes_on_without_openings_asks_for_everybody_late(tmp_path: Path) -> None:
    with play(tmp_path / "play", suite="screened", unopened=CONTINUE) as task:
        task.stage.launchers |= dict.fromkeys((AWAY, DEAD), killed_launcher("instead", "Answered:1"))
        task.prepare()
        task.start_agents()
        for role in (AWAY, DEAD):
            task.await_death(task.role(role))
        assert not task.events(KeyRequested)
        _beyond_its_openings(task, 1)
        _come_back(task, AWAY, DEAD)
        task.finish()

        assert [event.round for event in task.events(RoundPublished)] == [1, 2]
        requested = next(event for event in task.events(KeyRequested) if event.round == 1)
        due = unscreened_after(task.opened(1).settle_until, task.phase_seconds)
        assert task.reader.block_timestamp(requested.block) > due
        record = task.record(1)
        assert (record.screening, len(record.verdict.accepted)) == (ZERO_DIGEST, task.clients)
        assert len(task.screening(2).openings) == 5
        answer = task.audit()
        assert answer["verdict"] == "PASS"
        assert len([line for line in answer["lines"] if "nobody was screened" in line and "round 1" in line]) == 1


def _beyond_its_openings(task: Play, number: int) -> None:
    """The chain's time passes the instant until which authorities may open the round."""
    due = unscreened_after(task.opened(number).settle_until, task.phase_seconds)
    task.advance_clock(due + 2 - task.reader.now())


def _come_back(task: Play, *roles: str) -> None:
    started: list[RoleProcess] = []
    for role in roles:
        del task.stage.launchers[role]
        started.append(task.stage.start_authority(role))
    for process in started:
        task.stage.url_of(process)


def _who(signed: tuple[SignedOpening, ...]) -> list[Address]:
    return sorted(one.statement.authority for one in signed)


def _asked(task: Play, number: int) -> GramRequest:
    event = next(event for event in task.events(ScreeningRequested) if event.round == number)
    document = get_document(task.store, event.request, MAX_GRAM_REQUEST_BYTES)
    return decode(GramRequest, document, MAX_GRAM_REQUEST_BYTES)


def _entitled(task: Play, number: int) -> dict[Address, int]:
    """What everyone has earned up to this round."""
    most = max_allocation_bytes(task.clients)
    allocation = decode(Allocation, get_document(task.store, task.record(number).allocation, most), most)
    return {entry.client: entry.cumulative for entry in allocation.entitlements}


def _log(task: Play, role: str) -> list[str]:
    return (task.stage.folder(role) / "log").read_text().splitlines()
