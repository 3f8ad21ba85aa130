"""The manufacturer's own process: it signs what the edge server's API prepares, once, and only after checking it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from protocol.canonical import encode
from protocol.errors import HearthError, Party, VerificationError
from protocol.identifiers import Digest, sha256
from protocol.messages.chain import TaskPosted
from protocol.messages.following import NO_CLIENT
from protocol.round.planning import terms_of
from scripts.commands.ready_task import ReadyTask
from scripts.commands.servers import prepare_call
from storage.content.interface import ContentStore
from storage.ledger.block_times import measured_block_seconds
from storage.ledger.deposits import allow, require_funds
from storage.ledger.ethereum.calls import escrow_value
from storage.ledger.ethereum.ledger import EthereumLedger, decode_post_task
from storage.ledger.ethereum.pace import DEFAULT_PACE, Pace
from storage.ledger.interface import LedgerError, LedgerReader

LOOK_BACK: Final = 256  # tasks of the ledger; who posts twice by accident does so at once
MANY: Final = 32  # whose reading takes a while
POLL_SECONDS: Final = 2.0
PATIENCE_SECONDS: Final = 600.0  # in which nothing new is heard of the chain

Say = Callable[[str], None]  # progress, a line


class UnsettledError(HearthError):
    """What was sent may stand on chain or not; nothing is sent again before that is known."""

    code = "E_PENDING"


@dataclass(frozen=True, slots=True)
class Posted:
    """``gas_used``: 0 where an earlier run has posted this very task."""

    task: int
    gas_used: int


def post_task(
    task: ReadyTask,
    edge_url: str,
    store: ContentStore,
    ledger: EthereumLedger,
    say: Say,
    *,
    again: bool = False,
    pace: Pace = DEFAULT_PACE,
) -> Posted:
    """Posts a task, if this account did not already, and waits for its block.

    The model and the test set go to content from here; the edge server only prepares the call. ``again``: also where
    the ledger has this very task. Raises before any money moves, or UnsettledError, LedgerError: called again, it finds
    what was sent.
    """
    spec, terms = task.spec, terms_of(task.spec)
    ledger.verify_contract()
    if not again:
        await_earlier(ledger, say, pace)
        if (number := own_task(ledger, terms.spec, say)) is not None:
            return Posted(number, 0)
    task.check_chain(ledger.rules(), ledger.task_count(), measured_block_seconds(ledger))
    require_funds(ledger, terms.token, spec.budget())
    for data in (task.initial_model, task.test_set):
        store.put(data)
    prepared = prepare_call(edge_url, spec)
    found_terms, value_wei = decode_post_task(prepared)
    expected = (terms, escrow_value(terms, spec.budget()), ledger.domain.ledger)
    if (found_terms, value_wei, prepared.to) != expected:
        raise VerificationError("the prepared transaction is not this task", fault=Party.EDGE_SERVER)
    if value_wei == 0:
        allow(ledger, terms.token, spec.budget())
    say("the task is sent; its block is waited for. Whatever happens now, the same command finds it again")
    receipt = ledger.send_prepared(prepared)
    posted = [event for event in receipt.logs if isinstance(event, TaskPosted)]
    if len(posted) != 1 or posted[0].terms != terms:
        raise VerificationError("the ledger did not post this task", fault=Party.LEDGER)
    return Posted(posted[0].task, receipt.gas_used)


def await_earlier(ledger: EthereumLedger, say: Say, pace: Pace = DEFAULT_PACE) -> None:
    """Until every transaction of this account is in a block: one of them may be this very task, from a run that ended
    before it knew. Raises UnsettledError."""
    since, told = pace.monotonic(), 0
    while waiting := ledger.transactions_waiting(ledger.sender):
        if told != (told := waiting):
            say(
                f"{waiting} transactions of this account are on their way; one may be this task, so they are waited for"
            )
        if pace.monotonic() - since > PATIENCE_SECONDS:
            raise UnsettledError(
                f"{waiting} transactions of this account are still on their way, and one may be this task: nothing was"
                " posted. Run this again when they are in a block, or with --again to post whatever they are"
            )
        pace.sleep(POLL_SECONDS)


def own_task(ledger: EthereumLedger, spec: Digest, say: Say) -> int | None:
    """The number of this account's latest task with this spec, if it is among the last ones of the ledger."""
    last = ledger.task_count()
    if last > MANY:
        say(f"looks through the last {min(last, LOOK_BACK)} tasks of the ledger, for it may be posted already")
    for number in range(last, max(0, last - LOOK_BACK), -1):
        view = ledger.task(number)
        if view.spec == spec and view.manufacturer == ledger.sender:
            return number
    return None


def await_depth(
    ledger: LedgerReader, task: int, task_spec: Digest, confirmations: int, say: Say, pace: Pace = DEFAULT_PACE
) -> None:
    """Until so many blocks lie upon the task's own. Raises UnsettledError when the chain stands still or lost it."""
    since, seen, block = pace.monotonic(), (-1, -1), None
    while True:
        try:
            depth = _depth(ledger, block)
            if block is None or depth >= confirmations:  # whether it is still there
                block = _block_of(ledger, task, task_spec)
                depth = _depth(ledger, block)
            if block is not None and depth >= confirmations:
                return
            if seen != (seen := (-1 if block is None else block, depth)):
                since = pace.monotonic()
                say("the chain took the task back" if block is None else f"{depth} of {confirmations} blocks upon it")
        except LedgerError as error:
            say(f"the chain cannot be read now; {error.args[0]}")
        if pace.monotonic() - since > PATIENCE_SECONDS:
            raise UnsettledError(
                f"task {task}: nothing new of its chain for {PATIENCE_SECONDS:.0f} s; look again later"
            )
        pace.sleep(POLL_SECONDS)


def spec_digest(task: ReadyTask) -> Digest:
    return sha256(encode(task.spec))


def _depth(ledger: LedgerReader, block: int | None) -> int:
    return -1 if block is None else max(0, ledger.block_number() - block)


def _block_of(ledger: LedgerReader, task: int, spec: Digest) -> int | None:
    posted = [event for event in ledger.events(task, client=NO_CLIENT) if isinstance(event, TaskPosted)]
    return posted[0].block if posted and posted[0].terms.spec == spec else None
