"""While nothing happens a server asks its chain one cheap question for each block, however many things it watches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, cast

import pytest

from backend.key_authority.bonds import BondWatch
from backend.key_authority.followed import FollowedTasks
from backend.key_authority.records import AuthorityRecords
from backend.key_authority.rosters import Rosters, RosterWatch
from backend.key_authority.windows import Windows, WindowWatch, seeded
from protocol.canonical import encode
from protocol.messages.chain import BondPlaced
from protocol.messages.task import DepositTerms
from protocol.round.planning import terms_of
from storage.ledger.follower import LAG_BLOCKS
from storage.ledger.interface import Ledger
from storage.ledger.polling import Polling
from storage.ledger.signer import Signer
from storage.records.memory import MemoryRecords
from tests.ports.reference_chain import DOMAIN, ReferenceChain
from tests.samples import private_key, sample_spec
from tests.unit.backend.enrolments import signed_enrolment
from tests.unit.backend.rounds.test_driver import Scene

BLOCK_SECONDS, BLOCKS = 12, 20
ENVELOPE = b"\5" * 32


class _Counted:
    """A ledger that counts what it asks its node."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger, self.calls = ledger, Counter[str]()

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._ledger, name)
        if not callable(value) or name == "confirmed":
            return value

        def counted(*arguments: Any, **named: Any) -> Any:
            self.calls[name] += 1
            return value(*arguments, **named)

        return counted


class _Time:
    def __init__(self) -> None:
        self.running = 0.0

    def pass_blocks(self, chain: ReferenceChain, blocks: int, look: Callable[[], None]) -> None:
        """Every two seconds somebody looks at what is due."""
        for _ in range(blocks):
            chain.pass_time(BLOCK_SECONDS)
            for _ in range(BLOCK_SECONDS // 2):
                self.running += 2
                look()


@pytest.mark.parametrize("seconds", [float(BLOCK_SECONDS), None])
def test_an_edge_server_with_a_waiting_task(seconds: float | None) -> None:
    """``seconds`` between two looks; None: it finds the pace of this chain, which is one for development, by itself."""
    scene, time = Scene(), _Time()
    scene.post(sample_spec())
    scene.post(sample_spec(deposits=DepositTerms(edge_server=10**9)))  # waits for its operator's bond
    counted = _Counted(scene.ledger)
    scene.ledger = cast(Any, counted)
    scene.start()
    scene.driver._polling._running, scene.driver._polling._seconds = lambda: time.running, seconds
    scene.steps(20)
    assert (scene.code(1), scene.code(2)) == (None, "E_STARTING")

    def look() -> None:
        scene.driver.keep_up()
        for task in scene.driver.due():
            scene.driver.step(task)
        scene.driver.relay()

    time.pass_blocks(scene.chain, LAG_BLOCKS + 2, look)
    counted.calls.clear()
    time.pass_blocks(scene.chain, BLOCKS, look)
    assert counted.calls.pop("head") <= BLOCKS + 1
    assert not counted.calls
    scene.poster.place_bond(2, scene.signer.address, 10**9)
    time.pass_blocks(scene.chain, 2, look)
    assert scene.code(2) is None, "what happens is noticed with the next block"


def test_a_key_authority_with_a_waiting_task() -> None:
    chain, time, signer = ReferenceChain(), _Time(), Signer(private_key("authority", 1))
    manufacturer = Signer(private_key("manufacturer"))
    spec = sample_spec(deposits=DepositTerms(edge_server=5_000, authority=7))
    poster = chain.ledger(DOMAIN.ledger, manufacturer)
    for party in (manufacturer.address, signer.address):
        chain.fund(DOMAIN.ledger, party)
    poster.post_task(terms_of(spec), spec.budget())
    counted = _Counted(chain.ledger(DOMAIN.ledger, signer))
    ledger, records = cast(Ledger, counted), AuthorityRecords(MemoryRecords())
    records.keep_task(1, encode(spec))
    windows = Windows(ledger, records, signer, seeded(bytes(32), signer.address))
    windows.signed_key(1, spec, 0)
    followed = FollowedTasks(ledger, Polling(ledger, float(BLOCK_SECONDS), lambda: time.running))
    rosters = RosterWatch(Rosters(ledger, records, followed), records)
    bonds, erasing = BondWatch(ledger, records, 7, followed), WindowWatch(windows, records, followed)

    def look() -> None:
        rosters.post()
        bonds.place_and_take_back()
        erasing.erase()

    time.pass_blocks(chain, LAG_BLOCKS + 2, look)
    assert any(isinstance(event, BondPlaced) for event in poster.events(1))
    counted.calls.clear()
    time.pass_blocks(chain, BLOCKS, look)
    assert counted.calls.pop("head") <= BLOCKS + 1
    assert not counted.calls
    client = Signer(private_key("client", 0))
    poster.place_bond(1, spec.edge_server, 5_000)
    poster.enrol([signed_enrolment(DOMAIN, poster.task(1), client, ENVELOPE)])
    time.pass_blocks(chain, 1, look)
    assert client.address in followed.state(1).enrolled
    chain.pass_time(spec.durations.task_seconds)
    time.pass_blocks(chain, 4, look)
    assert not records.windows(1) and poster.bond(1, signer.address).amount == 0, "time alone has decided"
    counted.calls.clear()
    time.pass_blocks(chain, BLOCKS, look)
    assert sum(counted.calls.values()) <= BLOCKS + LAG_BLOCKS + 2
