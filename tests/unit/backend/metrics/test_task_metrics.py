"""What an edge server shows of its tasks, held against a round that is played on the reference chain."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from backend.metrics.account_balance import AccountBalance
from backend.metrics.edge_metrics import AuthorityMetrics, watch_edge
from backend.metrics.process_metrics import ProcessMetrics
from protocol.errors import HearthError
from protocol.identifiers import NATIVE_COIN, to_hex
from protocol.messages.chain import RoundPublished
from storage.ledger.interface import LedgerError
from storage.ledger.polling import Polling
from tests.unit.backend.rounds.scene_committee import authority
from tests.unit.backend.rounds.scene_server import Scene

TOKEN = to_hex(NATIVE_COIN)


@pytest.fixture
def scene() -> Scene:
    made = Scene()
    made.start()
    return made


def shown(scene: Scene) -> ProcessMetrics:
    metrics = ProcessMetrics("edge", scene.signer.address)
    polling = Polling(scene.ledger, 0.01)
    polling.ask()
    watch_edge(metrics, scene.driver, polling, scene.inbox.counts, lambda: 5)
    return metrics


def test_a_task_from_its_enrolment_to_its_last_claim(scene: Scene) -> None:
    metrics = shown(scene)

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(name, labels)

    terms = scene.state.posted
    assert terms is not None
    assert (
        value("hearth_task_deadline_seconds", task="1", deadline="enrol") == scene.state.enrol_until - scene.driver.now
    )
    assert value("hearth_task_deadline_seconds", task="1", deadline="commit") is None
    assert value("hearth_task_money", task="1", token=TOKEN, what="escrow") == terms.escrow
    scene.enrol()
    assert value("hearth_inbox_waiting", task="1", kind="enrolments") == 3
    scene.until(lambda: scene.state.current)
    opened = scene.facts(1).opened
    assert value("hearth_task_rounds", task="1", state="open") == 1 == value("hearth_task_round", task="1")
    assert value("hearth_task_deadline_seconds", task="1", deadline="commit") == opened.commit_until - scene.driver.now
    assert value("hearth_tasks", service="served") == 1 == value("hearth_leases_held")
    scene.submit(1)
    scene.ended(RoundPublished, 1)
    assert value("hearth_task_rounds", task="1", state="published") == 1
    settled = scene.facts(1).settled
    assert settled is not None
    assert value("hearth_task_money", task="1", token=TOKEN, what="allocated") == settled.allocated > 0
    assert value("hearth_chain_blocks_behind") == 0
    scene.pass_time_to(terms.claim_until + 1)
    scene.step()
    assert value("hearth_task_round", task="1") is None, "a task that is over is shown for ever"


def test_an_endpoint_that_is_away_is_seen_by_its_silence(scene: Scene) -> None:
    class Away:
        away = False

        def head(self) -> object:
            if self.away:
                raise LedgerError("away")
            return scene.ledger.head()

    ledger, running = Away(), [100.0]
    polling = Polling(ledger, 1.0, lambda: running[0])  # type: ignore[arg-type]
    assert polling.silent_seconds() == 0 and polling.last is None
    polling.ask()
    running[0] = 200.0
    assert polling.silent_seconds() == 0.0, "nobody has asked"
    ledger.away = True
    for running[0] in (210.0, 220.0):
        with pytest.raises(LedgerError):
            polling.ask()
    running[0] = 240.0
    assert polling.silent_seconds() == 30.0
    ledger.away = False
    polling.ask()
    assert polling.silent_seconds() == 0.0


def test_authorities_are_timed_and_their_errors_counted_by_code(scene: Scene) -> None:
    metrics = ProcessMetrics("edge", scene.signer.address)
    asked = AuthorityMetrics(metrics)
    asked.heard(authority(1).address, None, 0.5)
    asked.heard(authority(1).address, HearthError("http://10.1.2.3: away", code="E_AUTHORITY"), 10.0)
    labels = {"authority": to_hex(authority(1).address)}
    assert metrics.registry.get_sample_value("hearth_authority_seconds_sum", labels) == 10.5
    assert metrics.registry.get_sample_value("hearth_authority_errors_total", {**labels, "code": "E_AUTHORITY"}) == 1


def test_a_balance_is_asked_for_once_a_minute_and_waits_for_nobody() -> None:
    answers: Iterator[int | LedgerError] = iter([7, LedgerError("away"), 9])
    now, waiting = [0.0], list[Callable[[], None]]()

    def ask() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    balance = AccountBalance(ask, lambda: now[0], waiting.append)

    def read() -> float:
        (family,) = balance.collect()
        return float(family.samples[0].value)

    assert (read(), read(), len(waiting)) == (-1, -1, 1), "asked twice, or waited for"
    waiting.pop()()
    assert read() == 7 and not waiting
    for known in (7, 9):  # the second answer is none
        now[0] += 61
        read()
        waiting.pop()()
        assert read() == known
