"""A screened task as a key authority sees it: its own chain, content that it fetches itself, verdicts it derived."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from backend.key_authority.chain_checks import RefusedError
from backend.key_authority.endpoints import ChainReader
from backend.key_authority.records import AuthorityRecords
from protocol.canonical import encode
from protocol.errors import Party
from protocol.identifiers import Digest, to_hex
from protocol.messages.screening import GramEntry
from protocol.messages.task import TaskSpec
from protocol.round.scheme import RoundScheme
from protocol.round.screening_request import making_round
from protocol.round.screening_verdict import settled_verdict
from protocol.task.documents import (
    Absent,
    Delivered,
    Kind,
    Lack,
    Screened,
    UnderivableError,
    Wanted,
)
from protocol.task.fold import apply, fold
from protocol.task.state import TaskState
from protocol.task.told import Documents
from storage.content.interface import ContentStore
from storage.reading import read_content
from storage.screened_rounds import read_answers_from
from storage.task_reader import look_up

KINDS: Final = frozenset({Kind.PLAN, Kind.BATCH, Kind.REQUEST, Kind.GRAM, Kind.SCREENING, Kind.RECORD})


class Evidence:
    """May be shared by threads. ``store`` None: no screened task can be served."""

    def __init__(self, reader: ChainReader, store: ContentStore | None, records: AuthorityRecords) -> None:
        self._reader, self._store, self._records = reader, store, records
        self._documents: dict[int, Documents] = {}  # that were read, by task

    def check_store(self) -> None:
        """Raises RefusedError ``E_NO_STORE``."""
        self._content()

    def state(self, task: int, spec: TaskSpec, number: int) -> TaskState:
        """With what was derived of all rounds before ``number``, and the documents of that one.

        Raises StoreUnavailableError, LedgerError; UnderivableError where what counts of a round before is not there.
        """
        verdicts = {
            earlier: verdict for earlier, verdict in self._records.histories.verdicts(task).items() if earlier < number
        }
        state = fold(task, self._reader.events(task), self._documents.get(task, {}))
        state = self._with_spec(state, spec)
        if number > len(state.rounds):
            raise UnderivableError(f"round {number} is not opened on this chain")
        for earlier, verdict in verdicts.items():
            lost = state.rounds[earlier - 1].loses_histories  # after this authority had settled it
            state = apply(state, Screened(earlier, None if lost else verdict))
        unsettled = range(len(verdicts) + 1, number + 1)
        state = self._with_documents(state, unsettled)
        models = {making_round(state, one) for one in unsettled if not isinstance(state.plan(one), Absent)}
        state = self._with_documents(state, sorted(made for made in models if made is not None))
        self._documents[task] = {key: kept for key, kept in state.documents.items() if not isinstance(kept, Absent)}
        for earlier in range(len(verdicts) + 1, number):
            state = apply(state, Screened(earlier, settled_verdict(state, spec, earlier, self.read)))
        return state

    def read(self, digest: Digest, most: int) -> bytes:
        """Content as the pure checks ask for it. Raises UnderivableError, StoreUnavailableError; MalformedError for
        what is larger."""
        return read_answers_from(self._content(), digest, most)

    def ciphertext(self, scheme: RoundScheme, entry: GramEntry) -> bytes:
        """What the client committed to, from this authority's own store. Raises like :meth:`read`."""
        found = read_content(self._content(), entry.ciphertext, scheme.max_fetched_bytes, scheme.block_bytes)
        return _found(entry.ciphertext, found)

    def _with_documents(self, state: TaskState, numbers: Collection[int]) -> TaskState:
        """What these rounds name, until nothing new is named; each is looked for once."""
        store, looked = self._content(), set[tuple[Kind, Digest]]()
        while True:
            missing = [
                wanted
                for number in numbers
                for wanted in state.wanted_of(number)
                if (wanted.kind, wanted.digest) not in looked and _may_come(state, wanted)
            ]
            if not missing:
                return state
            for wanted in missing:
                looked.add((wanted.kind, wanted.digest))
                state = apply(state, Delivered(wanted, look_up(store, wanted)))

    def _with_spec(self, state: TaskState, spec: TaskSpec) -> TaskState:
        """From the authority's own records."""
        named = (wanted for wanted in state.wanted() if wanted.kind is Kind.SPEC)
        for wanted in list(named):
            state = apply(state, Delivered(wanted, encode(spec)))
        return state

    def _content(self) -> ContentStore:
        if self._store is None:
            message = "this authority has no content store, which a screened task takes"
            raise RefusedError(message, code="E_NO_STORE", fault=Party.KEY_AUTHORITY)
        return self._store


def _may_come(state: TaskState, wanted: Wanted) -> bool:
    found = state.documents.get((wanted.kind, wanted.digest))
    absent = found is None or (isinstance(found, Absent) and found.lack is not Lack.MALFORMED)
    return wanted.kind in KINDS and absent


def _found(digest: Digest, found: bytes | Lack) -> bytes:
    if isinstance(found, Lack):
        raise UnderivableError(f"the content {to_hex(digest)} is {found}", fault=Party.CONTENT_STORE)
    return found
