"""What an auditor reads: the published code, one task's events and views, and the documents that they name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from contracts import artifact
from protocol.audit.codes import PublishedCode, named_tasks
from protocol.audit.enrolment_checks import verify_enrolment
from protocol.audit.evidence import ChainEvidence, Fetch
from protocol.content.cid import CHUNK_BYTES, Cid
from protocol.deployment import JUDGE, LEDGER, TASKS, contract_addresses
from protocol.errors import HearthError
from protocol.identifiers import Address, Digest
from protocol.messages.chain import Claimed, Credited, Enrolled, RoundOpened, TaskPosted
from protocol.messages.task import TaskSpec
from protocol.task.documents import Kind, Lack
from protocol.task.state import TaskState
from storage.content.interface import ContentStore, StoreUnavailableError
from storage.ledger.ethereum.decoding import event_digest
from storage.ledger.ethereum.proven_reader import ProvenReader
from storage.ledger.interface import LedgerReader
from storage.reading import read_content
from storage.task_reader import TaskReader


def published_codes() -> dict[str, PublishedCode]:
    """By the contract's name."""
    published = {name: artifact(name) for name in (LEDGER, TASKS, JUDGE)}
    return {
        name: PublishedCode(
            bytes.fromhex(one["deployedBytecode"].removeprefix("0x")),
            {immutable: tuple(places) for immutable, places in one["immutables"].items()},
        )
        for name, one in published.items()
    }


def deployed_codes(ledger: LedgerReader) -> dict[str, bytes]:
    """By the contract's name; where the others stand follows from the ledger's own code."""
    own = ledger.code()
    addresses = contract_addresses(ledger.domain.ledger, named_tasks(published_codes()[LEDGER], own))
    return {name: own if name == LEDGER else ledger.code(address) for name, address in addresses.items()}


def read_evidence(ledger: LedgerReader, task: int) -> ChainEvidence:
    """Raises LedgerError or TransactionRevertedError when the endpoint cannot or will not answer."""
    events = tuple(ledger.events())
    task_view, task_count = ledger.task(task), ledger.task_count()
    posts = [event for event in events if isinstance(event, TaskPosted)]
    views = {number: ledger.task(number) for number in range(1, min(task_count, len(posts)) + 1)}
    listed = [holder for e in posts if e.task == task for holder in (*e.terms.edge_servers, *e.terms.authorities)]
    owed = sorted({e.holder for e in events if isinstance(e, Credited) and e.task == task})
    enrolled = [e for e in events if isinstance(e, Enrolled) and e.task == task]
    clients = sorted({e.client for e in enrolled})
    paid = {e.client for e in events if isinstance(e, Claimed) and e.task == task}
    unsigned = {e.client for e in enrolled for post in posts if post.task == task and not _is_signed(ledger, post, e)}
    opened = [e.round for e in events if isinstance(e, RoundOpened) and e.task == task]
    numbers = sorted({*opened, *range(1, min(task_view.last_round, len(events)) + 1)})
    if isinstance(ledger, ProvenReader):
        ledger.foresee(_of_clients(task, sorted({*clients, *paid}), numbers))
    return ChainEvidence(
        domain=ledger.domain,
        task=task,
        codes=deployed_codes(ledger),
        balance=ledger.balance(ledger.domain.ledger, task_view.token),
        task_count=task_count,
        held={n: view.escrow + view.deposits for n, view in views.items() if view.token == task_view.token},
        events=events,
        said=tuple(map(event_digest, events)),
        times={block: ledger.block_timestamp(block) for block in sorted({event.block for event in events})},
        words={number: view.word for number, view in views.items()},
        task_view=task_view,
        rounds={number: ledger.round(task, number) for number in numbers},
        enrolments={client: ledger.enrolment(task, client) for client in sorted({*clients, *paid})},
        contracts=frozenset(client for client in sorted(unsigned) if ledger.code(client)),
        directs={
            number: frozenset(client for client in clients if ledger.has_committed_directly(task, number, client))
            for number in numbers
        },
        standings={client: ledger.standing(client) for client in sorted({*clients, *paid})},
        bonds={holder: ledger.bond(task, holder) for holder in listed},
        credits={holder: ledger.credit(task, holder) for holder in owed},
        rules=ledger.rules(),
    )


def with_beacons(ledger: LedgerReader, evidence: ChainEvidence, state: TaskState) -> ChainEvidence:
    """With what shows that nobody chose the blocks which draw the sketches of screened rounds: their hashes, and the
    times of those blocks by whose time they follow. Raises LedgerError."""
    if not isinstance(state.spec, TaskSpec):
        return evidence
    drawn = [facts.screening.beacon_block for facts in state.rounds if facts.screening is not None]
    if not drawn:
        return evidence
    confirmations, head = state.spec.confirmations, ledger.block_number()
    late = {block - confirmations - before for block in drawn for before in (0, 1)}
    times = {block: ledger.block_timestamp(block) for block in sorted(late) if 0 <= block <= head}
    hashes = {block: ledger.block_hash(block) for block in sorted({block for block in drawn if block <= head})}
    told = {block: found for block, found in hashes.items() if found is not None}
    return replace(evidence, times={**evidence.times, **times}, beacons=told)


def _of_clients(task: int, clients: list[Address], numbers: list[int]) -> Iterator[tuple[str, tuple[object, ...]]]:
    """The views that an audit asks for of each client."""
    for client in clients:
        yield "enrolmentOf", (task, client)
        yield "standingOf", (client,)
        yield from (("hasCommittedDirectly", (task, number, client)) for number in numbers)


def _is_signed(ledger: LedgerReader, posted: TaskPosted, enrolled: Enrolled) -> bool:
    """By the client's own key; a contract has none."""
    try:
        verify_enrolment(ledger.domain, posted, enrolled)
    except HearthError:
        return False
    return True


def read_state(store: ContentStore, evidence: ChainEvidence) -> TaskState:
    """The fold of the evidence's events with every document that the store has. What cannot be asked for is awaited."""
    reader = TaskReader(store, evidence.task, list(Kind))
    reader.follow(evidence.events)
    with suppress(StoreUnavailableError):
        reader.fetch(0)
    return reader.state


class UnlessGone:
    """Reads a store until it cannot be asked as a whole, which ``gone`` says: then it is not asked any more."""

    def __init__(self, store: ContentStore) -> None:
        self._store = store
        self.gone: StoreUnavailableError | None = None

    def put(self, data: bytes, chunk_bytes: int = CHUNK_BYTES) -> Cid:
        return self._store.put(data, chunk_bytes)

    def get(self, cid: Cid, max_bytes: int, chunk_bytes: int = CHUNK_BYTES) -> bytes:
        if self.gone is not None:
            raise self.gone
        try:
            return self._store.get(cid, max_bytes, chunk_bytes)
        except StoreUnavailableError as error:
            self.gone = error
            raise


def fetch_from(store: ContentStore) -> Fetch:
    """Keeps nothing: the audit asks for each object once, and a round's ciphertexts may not fit into memory."""

    def fetch(digest: Digest, max_bytes: int, chunk_bytes: int) -> bytes | Lack:
        try:
            return read_content(store, digest, max_bytes, chunk_bytes)
        except StoreUnavailableError:
            return Lack.AWAITED

    return fetch
