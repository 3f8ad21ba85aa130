"""What was read of a chain is kept over restarts, believed as far as the chain still has it, and never needed."""

from __future__ import annotations

from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest

from protocol.identifiers import Address, Size
from protocol.messages.chain import Event, KeyRequested
from storage.ledger.ethereum.decoding import EVENT_TYPES
from storage.ledger.event_file import EventFile
from storage.ledger.follower import LAG_BLOCKS, MAX_CHECKPOINTS, SAVED_BLOCKS, EventFollower
from storage.ledger.signer import Signer
from tests.ports.reference_chain import DOMAIN, ReferenceChain
from tests.reference_ledger.ledger import MemoryLedger
from tests.samples import private_key

EVENT = KeyRequested(block=7, log_index=0, transaction=b"\1" * 32, task=1, round=2, request=b"\2" * 32)


class _Asked(MemoryLedger):
    """Remembers from which block on it was read."""

    asked: list[int]

    def events(self, task: int | None = None, from_block: int = 0, client: Address | None = None) -> list[Event]:
        self.asked.append(from_block)
        return super().events(task, from_block, client)


def _follow(chain: ReferenceChain, file: EventFile) -> tuple[EventFollower[Event], list[int]]:
    ledger = _Asked(chain._chain, Signer(private_key("edge")).address)
    ledger.asked = []
    return EventFollower(ledger, None, Event, file=file), ledger.asked


def test_a_restart_reads_on_where_the_last_one_was(tmp_path: Path) -> None:
    chain, file = ReferenceChain(), EventFile(tmp_path / "events", DOMAIN)
    follower, asked = _follow(chain, file)
    for _ in range(SAVED_BLOCKS // 20 + MAX_CHECKPOINTS + 5):
        chain.mine(20)
        follower.refresh()
    assert asked[0] == 0
    again, asked = _follow(chain, file)
    again.refresh()
    assert len(asked) == 1 and asked[0] > SAVED_BLOCKS - LAG_BLOCKS
    assert (again.events, again.head) == (follower.events, follower.head)


def test_a_branch_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    chain, file = ReferenceChain(), EventFile(tmp_path / "events", DOMAIN)
    chain.mine(20)
    file.save(9, b"\7" * 32, (EVENT,))
    follower, asked = _follow(chain, file)
    assert follower.events == (EVENT,)
    follower.refresh()
    assert len(follower.events) == 0 and asked == [0]


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    file = EventFile(tmp_path / "events", DOMAIN)
    assert file.load() is None
    file.save(9, b"\7" * 32, (EVENT, replace(EVENT, log_index=1)))
    assert file.load() == (9, b"\7" * 32, (EVENT, replace(EVENT, log_index=1)))
    assert EventFile(file.path, replace(DOMAIN, chain_id=5)).load() is None


@pytest.mark.parametrize("kind", EVENT_TYPES.values(), ids=lambda kind: kind.__name__)
def test_an_event_of_any_kind_is_loaded_as_it_was(kind: type[Event], tmp_path: Path) -> None:
    event = _value(kind)
    file = EventFile(tmp_path / "events", DOMAIN)
    file.save(9, b"\7" * 32, (event,))
    assert file.load() == (9, b"\7" * 32, (event,))


def _value(hint: Any) -> Any:
    """One that a field may have."""
    if isinstance(hint, type) and is_dataclass(hint):
        return hint(**{name: _value(inner) for name, inner in get_type_hints(hint, include_extras=True).items()})
    base, *limits = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    if base is bytes:
        return b"\1" * next((limit.length for limit in limits if isinstance(limit, Size)), 1)
    return () if get_origin(base) is tuple else base(1)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-9],
        lambda content: content.replace(b"KeyRequested", b"Nothing"),
        lambda content: content.replace(b" 9 ", b" 6 "),
        lambda content: content.replace(b'"round":2', b'"round":"2"'),
        lambda content: b"\xff" + content,
        lambda content: content.replace(b" 0x0707", b" 0x07"),
    ],
)
def test_a_damaged_file_is_no_loss(damage: object, tmp_path: Path) -> None:
    file = EventFile(tmp_path / "events", DOMAIN)
    file.save(9, b"\7" * 32, (EVENT,))
    file.path.write_bytes(damage(file.path.read_bytes()))  # type: ignore[operator]
    assert file.load() is None
