"""The chain behind an endpoint, and the ledger on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final

from protocol.audit.codes import expected_codes, named_tasks
from protocol.deployment import LEDGER
from protocol.domain import Domain
from protocol.errors import HearthError
from protocol.identifiers import NATIVE_COIN, Address, to_hex
from protocol.version import PROTOCOL_VERSION
from scripts.doctor.subject import Subject
from scripts.doctor.verdict import Finding, Grade, Verdict, examined, fail, ok, skipped, warn
from storage.evidence import deployed_codes, published_codes
from storage.http import shown_url
from storage.ledger.ethereum.node import BlockHead, Node, quantity
from storage.ledger.ethereum.reader import EthereumReader
from storage.ledger.ethereum.rpc import JsonRpcProvider, RpcRefusedError
from storage.ledger.interface import LedgerError
from storage.patience import Patience

TIMEOUT_SECONDS: Final = 5.0
IMPATIENT: Final = Patience(seconds=2.0, attempts=2)
OLD_SECONDS: Final = 600  # of a last block; a chain that is used makes one in seconds
DEEP_BLOCKS: Final = 1_000  # so far back a node without archive has no state, and an audit may want to look
_MAX_NAME: Final = 60
_ANOTHER: Final = "name another endpoint with --rpc-url"


@dataclass(frozen=True)
class Contact:
    """One endpoint; ``now`` is this machine's clock."""

    provider: JsonRpcProvider
    domain: Domain | None
    now: float

    @cached_property
    def node(self) -> Node:
        return Node(self.provider)

    @cached_property
    def head(self) -> BlockHead:
        head = self.node.block("latest")
        if head is None:
            raise LedgerError("the endpoint has no last block")
        return head

    @property
    def account(self) -> Address:
        """One to ask about where any would do."""
        return self.domain.ledger if self.domain else NATIVE_COIN

    def ask(self, method: str, *parameters: object) -> Any:
        return self.provider.make_request(method, list(parameters))["result"]


Row = tuple[str, Callable[[Contact], Verdict], str]


@contextmanager
def provider_of(url: str) -> Iterator[JsonRpcProvider]:
    """Of an impatient client. Raises LedgerError for what is no URL."""
    provider = JsonRpcProvider(url, timeout_seconds=TIMEOUT_SECONDS, patience=IMPATIENT)
    try:
        yield provider
    finally:
        provider.close()


def chain_findings(subject: Subject, seen: list[int]) -> Iterator[Finding]:
    """``seen`` gets the time of the chain's last block."""
    if subject.rpc_url is None:
        yield Finding("chain", skipped("no --rpc-url"))
        return
    try:
        with provider_of(subject.rpc_url) as provider:
            yield from _of_contact(Contact(provider, subject.ledger, subject.now()), seen)
    except HearthError as error:
        yield Finding("chain", fail(str(error.args[0]), _ANOTHER))


def _of_contact(contact: Contact, seen: list[int]) -> Iterator[Finding]:
    first = examined("chain", lambda: reachable(contact), f"is the node running there? {_ANOTHER}")
    yield first
    if first.verdict.grade is Grade.FAIL:
        return
    seen.append(contact.head.timestamp)
    for about, check, remedy in _OF_CHAIN if contact.domain is None else (*_OF_CHAIN, *_OF_LEDGER):
        yield examined(about, partial(check, contact), remedy)
    if contact.domain is None:
        yield Finding("ledger", skipped("no --ledger"))


def reachable(contact: Contact) -> Verdict:
    found, height = contact.node.chain_id(), contact.head.number
    try:
        name = str(contact.ask("web3_clientVersion"))[:_MAX_NAME]
    except LedgerError:
        name = "of no name"  # some providers hide it
    return ok(f"{shown_url(contact.provider.url)}: chain {found}, block {height:,}, {name}")


def same_chain(contact: Contact) -> Verdict:
    found = contact.node.chain_id()
    if contact.domain is None:
        return skipped("no --ledger names a chain")
    if found != contact.domain.chain_id:
        return fail(f"the endpoint is of chain {found}, the ledger of chain {contact.domain.chain_id}", _ANOTHER)
    return ok(f"{found}, as the ledger's")


def synced(contact: Contact) -> Verdict:
    state = contact.ask("eth_syncing")
    if state is False:
        return ok("the node is up to date by its own account")
    if not isinstance(state, dict):
        return warn("the node does not say whether it is up to date", _ANOTHER)
    at, end = (quantity(state[name]) for name in ("currentBlock", "highestBlock"))
    return fail(f"the node is at block {at:,} of {end:,}", "wait until it has caught up")


def last_block(contact: Contact) -> Verdict:
    age = round(contact.now) - contact.head.timestamp
    if age > OLD_SECONDS:
        why = "the chain stands still, the endpoint lags behind it, or this clock is ahead"
        return warn(f"{age:,} s old by this machine's clock", why)
    return ok(f"{max(0, age)} s old")


def proofs(contact: Contact) -> Verdict:
    try:
        contact.node.proof(contact.account, [0], contact.head.number)
    except RpcRefusedError as error:
        return warn(f"no eth_getProof: {error.reason[:_MAX_NAME]}", "audits need an endpoint that proves what it says")
    return ok("the endpoint proves what it says (eth_getProof)")


def archive(contact: Contact) -> Verdict:
    block = max(0, contact.head.number - DEEP_BLOCKS)
    try:
        contact.node.proof(contact.account, [], block)
        contact.node.balance(contact.account, block)
    except RpcRefusedError as error:
        said = f"no state of block {block:,}: {error.reason[:_MAX_NAME]}"
        return warn(said, "audits of the past need an archive node; running a task needs none")
    return ok(f"state as far back as block {block:,}")


def ledger(contact: Contact) -> Verdict:
    reader = _reader(contact)
    reader.verify_contract()
    return ok(f"{to_hex(reader.ledger)}, protocol version {PROTOCOL_VERSION}, {reader.task_count()} tasks")


def published(contact: Contact) -> Verdict:
    """To the byte, the contracts that it delegates to too."""
    reader = _reader(contact)
    deployed = deployed_codes(reader)
    tasks = named_tasks(published_codes()[LEDGER], deployed[LEDGER])
    expected = expected_codes(published_codes(), reader.domain, reader.rules(), tasks)
    if wrong := [name for name, code in expected.items() if deployed[name] != code]:
        return fail(f"other code than published: {', '.join(wrong)}", "send no money there: name another ledger")
    return ok(f"{', '.join(expected)}: as published")


def _reader(contact: Contact) -> EthereumReader:
    assert contact.domain is not None  # else nothing of a ledger is asked
    domain = contact.domain
    return EthereumReader(contact.provider, domain.ledger, chain_id=domain.chain_id, first_block=domain.first_block)


_OF_CHAIN: Final[tuple[Row, ...]] = (
    ("chain id", same_chain, _ANOTHER),
    ("synced", synced, _ANOTHER),
    ("last block", last_block, _ANOTHER),
    ("proofs", proofs, _ANOTHER),
    ("archive", archive, _ANOTHER),
)
_OF_LEDGER: Final[tuple[Row, ...]] = (
    ("ledger", ledger, "is it the ledger of this chain and of this program's version?"),
    ("code", published, "send no money there: name another ledger"),
)
