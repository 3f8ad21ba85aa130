"""A model that a round published, as anybody fetches it."""

from __future__ import annotations

from protocol.canonical import decode
from protocol.errors import HearthError
from protocol.identifiers import Digest
from protocol.messages.chain import RoundPublished
from protocol.messages.following import NO_CLIENT
from protocol.messages.learning import ModelSpec
from protocol.messages.settlement import MAX_RECORD_BYTES, RoundRecord
from protocol.messages.task import MAX_SPEC_BYTES, TaskSpec
from protocol.model.layout import Layout
from storage.content.interface import ContentStore, get_document
from storage.ledger.interface import LedgerReader, TransactionRevertedError


class NotThereError(HearthError):
    """A task or round that nobody posted or published."""

    code = "E_NOT_FOUND"


def require_task(ledger: LedgerReader, task: int) -> Digest:
    """Digest of its spec. Raises NotThereError for a number that the ledger has not given."""
    try:
        return ledger.task(task).spec
    except TransactionRevertedError as error:
        if error.name != "TaskUnknown":
            raise
        count = ledger.task_count()
        there = f"its tasks are 1 to {count}" if count else "nobody has posted one yet"
        raise NotThereError(f"there is no task {task} on this ledger; {there}") from error


def published_model(ledger: LedgerReader, task: int, round_number: int) -> RoundPublished:
    """Of a round; 0: of the last one that published. Raises NotThereError."""
    events = ledger.events(task, client=NO_CLIENT)
    published = {event.round: event for event in events if isinstance(event, RoundPublished)}
    if not published:
        raise NotThereError(f"task {task} has published no model yet; `hearth task status` says where it stands")
    if round_number and round_number not in published:
        rounds = ", ".join(map(str, published))
        raise NotThereError(f"round {round_number} of task {task} published no model; rounds {rounds} did")
    return published[round_number or max(published)]


def fetch_model(store: ContentStore, spec_digest: Digest, model: Digest) -> tuple[bytes, ModelSpec]:
    """The published tensors, checked against the task's model. Raises MalformedError or a content error."""
    spec = decode(TaskSpec, get_document(store, spec_digest, MAX_SPEC_BYTES))
    layout = Layout.published(spec)
    data = get_document(store, model, layout.max_bytes)
    layout.from_safetensors(data)
    return data, spec.model


def fetch_average(store: ContentStore, spec_digest: Digest, event: RoundPublished) -> tuple[bytes, ModelSpec, int]:
    """The mean parameters that the record of a round names, and of how many models. Raises NotThereError as well."""
    spec = decode(TaskSpec, get_document(store, spec_digest, MAX_SPEC_BYTES))
    record = decode(RoundRecord, get_document(store, event.record, MAX_RECORD_BYTES), MAX_RECORD_BYTES)
    if not record.averaged_rounds:
        raise NotThereError(f"round {event.round} has no average: control.averaged_rounds is 0, or it made no model")
    layout = Layout.of(spec.model)
    data = get_document(store, record.averaged, layout.max_bytes)
    layout.from_safetensors(data)
    return data, spec.model, record.averaged_rounds
