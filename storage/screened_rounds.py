"""What the openings of a task's ended rounds say, derived again from what content has of them.

Every reader that plans, pays or checks goes by it, so nobody's word is taken: authorities' answers are read and opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from protocol.errors import MalformedError, Party
from protocol.identifiers import Digest
from protocol.messages.task import TaskSpec
from protocol.round.screening_verdict import settled_verdict
from protocol.task.documents import Lack, Screened, UnderivableError
from protocol.task.fold import apply
from protocol.task.screened_rounds import unscreened
from protocol.task.state import TaskState
from storage.content.interface import ContentStore
from storage.reading import read_content


def read_answers_from(store: ContentStore, digest: Digest, max_bytes: int) -> bytes:
    """Answers of an authority. Raises UnderivableError while they cannot be read, StoreUnavailableError; MalformedError
    for what its digest itself says is larger: that never changes."""
    found = read_content(store, digest, max_bytes)
    if found is Lack.MALFORMED:
        raise MalformedError(f"answers of more than {max_bytes} bytes", fault=Party.EDGE_SERVER)
    if isinstance(found, Lack):
        raise UnderivableError(f"an authority's answers are {found.value}")
    return found


def derive_screened(state: TaskState, store: ContentStore) -> Iterator[Screened]:
    """In order: what a round's openings say depends on the rounds before it. Raises UnderivableError at the first one
    of which something is missing, StoreUnavailableError."""
    read = partial(read_answers_from, store)
    while number := unscreened(state):
        assert isinstance(state.spec, TaskSpec)  # no other has such rounds
        derived = Screened(number, settled_verdict(state, state.spec, number, read))
        state = apply(state, derived)
        yield derived
