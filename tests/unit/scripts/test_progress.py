"""What an audit is at is said on a terminal alone, and nothing of it stays there."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from scripts.commands.progress import Progress
from storage.content.memory import MemoryStore
from storage.ledger.ethereum.rpc import NodeProvider


class Node(NodeProvider):
    def make_request(self, method: str, params: Any) -> dict[str, Any]:
        return {"result": method}


def _shown(terminal: bool) -> str:
    written = StringIO()
    console = Console(file=written, force_terminal=terminal, force_interactive=terminal, width=80, _environ={})
    store = MemoryStore()
    cid = store.put(b"content")
    with Progress(console) as progress:
        node, counted = progress.of_node(Node()), progress.of_store(store)
        for _ in range(1234):
            assert node.make_request("eth_chainId", []) == {"result": "eth_chainId"}
        progress._refresh()
        assert counted.get(counted.put(b"content"), 100) == b"content" and cid
        progress._refresh()
        progress.tell("check 7, round 1 [bold]")
        progress._refresh()
    return written.getvalue()


def test_nothing_is_said_where_there_is_no_terminal() -> None:
    assert _shown(terminal=False) == ""


def test_a_terminal_sees_what_is_read_and_checked() -> None:
    text = _shown(terminal=True)
    for words in ("question 1,234", "object 1", "check 7, round 1 [bold]"):
        assert words in text
    assert text.isascii()
    assert text.endswith("\x1b[2K")  # the line is empty again


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_whatever_ends_the_audit_leaves_the_terminal_clean(failure: type[BaseException]) -> None:
    written = StringIO()
    console = Console(file=written, force_terminal=True, force_interactive=True, width=80, _environ={})
    with pytest.raises(failure), Progress(console):
        raise failure
    assert written.getvalue().endswith("\x1b[2K")
