"""A task is posted once: nothing moves for one that cannot run, and the same command finds again what it has sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from protocol.errors import MalformedError
from protocol.identifiers import checksummed
from protocol.messages.chain import TaskPosted
from protocol.model.dataset import encode_labelled
from protocol.round.planning import terms_of
from scripts.commands import posting
from scripts.commands.posting import UnsettledError, await_depth, await_earlier, own_task, post_task, spec_digest
from scripts.commands.ready_task import ReadyTask, stand_in
from scripts.commands.task_file import SAMPLE
from storage.content.memory import MemoryStore
from storage.ledger.deposits import FundsError
from storage.ledger.ethereum.calls import prepare_post_task
from storage.ledger.ethereum.ledger import EthereumLedger
from storage.ledger.ethereum.pace import Pace
from storage.ledger.interface import LedgerError, LedgerReader
from storage.ledger.signer import Signer
from tests.ports.chains import RunningChain, running_chain
from tests.samples import private_key

MANUFACTURER = Signer(private_key("posting manufacturer"))
MEMBERS = [checksummed(bytes([j]) * 20) for j in range(1, 6)]


def written(folder: Path, *changes: tuple[str, str]) -> Path:
    """The sample with authorities by address, its test set, and some of its text changed."""
    members = iter(MEMBERS)
    text = re.sub(r'url = "[^"]*"', lambda _: f'address = "{next(members)}"', SAMPLE.read_text())
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = folder / "my task.toml"
    path.write_text(text)
    images = np.zeros((4, 1, 8, 8), dtype=np.uint8)
    (folder / "test-set.safetensors").write_bytes(encode_labelled(images, np.arange(4)))
    return path


class Desk:
    """A manufacturer with money, a ledger of its own, and an edge server that prepares what it is asked for."""

    def __init__(self, chain: RunningChain, monkeypatch: pytest.MonkeyPatch) -> None:
        self.chain, self.address, self.store = chain, chain.deploy(), MemoryStore()
        chain.fund(self.address, MANUFACTURER.address)
        self.ledger = chain.ledger(self.address, MANUFACTURER)
        self.said: list[str] = []
        self.asked = 0
        monkeypatch.setattr(posting, "prepare_call", self._prepare)

    def _prepare(self, _: str, spec: Any) -> Any:
        self.asked += 1
        return prepare_post_task(self.address, terms_of(spec), spec.budget())

    def post(self, path: Path, again: bool = False) -> posting.Posted:
        ready = ReadyTask.read(path, stand_in)
        return post_task(ready, "http://edge", self.store, self.ledger, self.said.append, again=again)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    made = Desk(running_chain("memory"), monkeypatch)
    yield made
    made.ledger.close()


def test_the_same_task_is_posted_once_unless_another_is_asked_for(desk: Desk, tmp_path: Path) -> None:
    path = written(tmp_path)
    first = desk.post(path)
    assert first.task == 1 and first.gas_used > 0
    assert desk.post(path) == posting.Posted(1, 0)
    assert (desk.asked, desk.ledger.task_count()) == (1, 1)
    assert desk.post(path, again=True).task == 2
    renamed = written(tmp_path, ('"Which digit is it?"', '"Küche"'))
    assert desk.post(renamed).task == 3


def test_who_died_after_sending_finds_the_task(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    send = EthereumLedger.send_prepared

    def send_and_die(ledger: EthereumLedger, prepared: Any) -> Any:
        send(ledger, prepared)
        raise KeyboardInterrupt

    path = written(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(EthereumLedger, "send_prepared", send_and_die)
        with pytest.raises(KeyboardInterrupt):
            desk.post(path)
    assert desk.post(path) == posting.Posted(1, 0)


def test_another_manufacturer_of_the_same_spec_posts_its_own(desk: Desk, tmp_path: Path) -> None:
    ready = ReadyTask.read(written(tmp_path), stand_in)
    desk.post(written(tmp_path))
    other = desk.chain.ledger(desk.address, desk.chain.faucet)
    assert (own_task(desk.ledger, spec_digest(ready), print), own_task(other, spec_digest(ready), print)) == (1, None)
    other.close()


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("maximum = 5", "maximum = 6", "reputation.maximum"),
        ("initial = 2 ", "initial = 1 ", "reputation.initial"),
    ],
)
def test_what_this_ledger_cannot_do_is_refused_before_money_moves(
    old: str, new: str, line: str, desk: Desk, tmp_path: Path
) -> None:
    path = written(tmp_path, (old, new))
    number = 1 + path.read_text()[: path.read_text().index(new)].count("\n")
    with pytest.raises(MalformedError, match=rf"my task\.toml, line {number}: {line}: "):
        desk.post(path)
    assert (desk.asked, desk.ledger.task_count(), desk.store.objects) == (0, 0, {})


def test_who_cannot_pay_is_told_before_anything_is_sent(desk: Desk, tmp_path: Path) -> None:
    dear = ("contribution = 400000000000 ", f"contribution = {10**24} ")
    with pytest.raises(FundsError):
        desk.post(written(tmp_path, dear))
    assert (desk.asked, desk.store.objects) == (0, {})


class Clock:
    """Whose sleeping does what the next of ``events`` says."""

    def __init__(self, *events: Any) -> None:
        self.now, self._events = 0.0, iter(events)
        self.pace = Pace(monotonic=lambda: self.now, sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        event = next(self._events, None)
        if event is not None:
            event()


def test_confirmations_are_waited_for_with_progress(desk: Desk, tmp_path: Path) -> None:
    path = written(tmp_path)
    task, digest = desk.post(path).task, spec_digest(ReadyTask.read(path, stand_in))
    clock = Clock(desk.chain.mine, lambda: None, desk.chain.mine, desk.chain.mine)
    said: list[str] = []
    await_depth(desk.ledger, task, digest, 3, said.append, clock.pace)
    assert said == ["0 of 3 blocks upon it", "1 of 3 blocks upon it", "2 of 3 blocks upon it"]


class Shown:
    """A chain as one endpoint shows it."""

    def __init__(self, *views: tuple[int, int | None] | Exception) -> None:
        """``views``: head, and block of the task; the last one stays."""
        self._views, self._digest = list(views), b"\1" * 32

    def block_number(self) -> int:
        return self._view()[0]

    def events(self, task: int, client: bytes) -> list[Any]:
        block = self._view()[1]
        terms = SimpleNamespace(spec=self._digest)
        event = TaskPosted.__new__(TaskPosted)
        for name, value in (("task", task), ("terms", terms), ("block", block)):
            object.__setattr__(event, name, value)
        return [] if block is None else [event]

    def next(self) -> None:
        if len(self._views) > 1:
            self._views.pop(0)

    def _view(self) -> tuple[int, int | None]:
        view = self._views[0]
        if isinstance(view, Exception):
            raise view
        return view

    def wait(self) -> list[str]:
        said: list[str] = []
        clock = Clock(*[self.next] * 10)
        await_depth(cast(LedgerReader, self), 1, self._digest, 2, said.append, clock.pace)
        return said


def test_a_task_that_the_chain_took_back_is_waited_for_anew() -> None:
    chain = Shown((10, 10), (12, None), (13, 13), (15, 13))
    assert chain.wait() == ["0 of 2 blocks upon it", "the chain took the task back", "0 of 2 blocks upon it"]


def test_an_answer_that_does_not_come_ends_nothing() -> None:
    chain = Shown((10, 10), LedgerError("status 429"), (12, 10))
    assert chain.wait() == ["0 of 2 blocks upon it", "the chain cannot be read now; status 429"]


def test_a_chain_that_stands_still_is_given_up_with_the_number() -> None:
    with pytest.raises(UnsettledError, match="task 1: nothing new of its chain for 600 s"):
        Shown((10, 10)).wait()


def test_transactions_on_their_way_are_waited_for_before_another_is_sent() -> None:
    waiting, said = [2, 2, 1, 0], list[str]()
    ledger: Any = SimpleNamespace(sender=bytes(20), transactions_waiting=lambda _: waiting[0])
    await_earlier(ledger, said.append, Clock(*[lambda: waiting.pop(0)] * 3).pace)
    assert [line.split(" ")[0] for line in said] == ["2", "1"]
    waiting[:] = [1]
    with pytest.raises(UnsettledError, match="nothing was posted"):
        await_earlier(ledger, said.append, Clock().pace)


def test_what_is_in_a_block_waits_no_more(desk: Desk) -> None:
    desk.ledger.transfer(MANUFACTURER.address, 1)
    assert desk.ledger.transactions_waiting(MANUFACTURER.address) == 0
