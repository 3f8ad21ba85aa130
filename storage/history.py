"""The arrays behind a task's public past, from which every party derives the next index set."""

from __future__ import annotations

from typing import TypeVar

from protocol.errors import HearthError
from protocol.model.layout import Layout
from protocol.round.key_request import key_request
from protocol.round.planning import History, Published
from protocol.sparse.codec import decode_index_set, decode_sums
from protocol.task.documents import Absent
from protocol.task.past import Past
from protocol.task.state import TaskState
from storage.content.interface import ContentCorruptError, ContentMissingError, ContentStore, get_document

T = TypeVar("T")


class UnderivableError(HearthError):
    """Too much is withheld, or what follows is not what stands on chain."""

    code = "E_UNDERIVABLE"


def there(document: T | Absent) -> T:
    """Raises UnderivableError for one that is absent."""
    if isinstance(document, Absent):
        raise UnderivableError(f"a document that the round needs is {document.lack}")
    return document


def load_history(state: TaskState, past: Past, store: ContentStore) -> History:
    """Without a published round where one of its documents is withheld from everybody.

    Raises StoreUnavailableError, and MalformedError for a document that is not what it should be.
    """
    alone = History(past.named, past.model, past.previous_label)
    if past.published == 0:
        return alone
    try:
        published = _published(state, past.published, store)
    except (UnderivableError, ContentMissingError, ContentCorruptError):
        return alone
    return History(past.named, past.model, past.previous_label, published)


def _published(state: TaskState, number: int, store: ContentStore) -> Published:
    """From public documents alone: what this party derived again, others cannot read."""
    spec, plan, record = there(state.spec), there(state.plan(number)), there(state.record(number))
    there(state.batch(number))
    committed, accepted = there(state.committed(number)), record.verdict.accepted
    if not committed.keys() >= set(accepted):
        raise UnderivableError("somebody is accepted who committed to nothing")
    dimension = Layout.of(spec.model).dimension
    indices = decode_index_set(get_document(store, plan.index_set, 4 * dimension), dimension)
    sums = decode_sums(get_document(store, record.aggregate, 8 * plan.dimension), plan.dimension)
    entries = key_request(plan, committed, accepted).entries
    return Published(indices, sums, tuple(entry.client + entry.nonce for entry in entries))
