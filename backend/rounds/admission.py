"""Brings tasks and clients' envelopes before the key authorities; their word and the keys of windows are kept."""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog

from backend.rounds.committee_client import CommitteeClient
from backend.rounds.journal import EdgeJournal
from protocol.encryption.envelope import MAX_ENVELOPE_BYTES
from protocol.identifiers import Address, Digest
from protocol.messages.task import TaskSpec
from protocol.task.state import TaskState
from storage.content.interface import ContentError, ContentStore, get_document

log = structlog.get_logger()


@dataclass
class Admission:
    """Of one task. ``told``: authorities that have its spec; ``shown``: clients whose envelope was before them."""

    store: ContentStore
    journal: EdgeJournal
    committee: CommitteeClient
    told: set[Address] = field(default_factory=set)
    shown: set[Address] = field(default_factory=set)

    def show_task(self, task: int, spec: TaskSpec) -> bool:
        """True once a threshold of them has it."""
        self.told |= self.committee.show_task(task, spec)
        return len(self.told) >= spec.committee.threshold

    def ask_keys(self, task: int, spec: TaskSpec, window: int) -> bool:
        """True once all members' keys of this window are kept. A member that was away is shown the task first."""
        if len(self.told) < len(spec.committee.members):
            self.show_task(task, spec)
        self.journal.keep_window_keys(self.committee.window_keys(task, spec.committee, window))
        return len(self.journal.task(task).keys.get(window, ())) == len(spec.committee.members)

    def show_envelopes(self, state: TaskState, spec: TaskSpec, clients: tuple[Address, ...]) -> bool:
        """True when every authority that had not confirmed the shares of one of ``clients`` did so now.

        A member that was away is shown the task first.
        """
        self.shown |= set(clients)
        if len(self.told) < len(spec.committee.members):
            self.show_task(state.task, spec)
        kept, missing = self.journal.task(state.task), dict[Address, dict[Address, tuple[Digest, bytes]]]()
        for client in clients:
            digest = state.enrolled[client].envelope
            try:
                envelope = get_document(self.store, digest, MAX_ENVELOPE_BYTES)
            except ContentError as error:
                log.info("envelope not there", error=str(error))
                continue
            for member in spec.committee.members:
                if member not in kept.holders.get(client, ()):
                    missing.setdefault(member, {})[client] = (digest, envelope)
        words = self.committee.show_envelopes(state.task, spec.committee, missing)
        for authority, word in words.items():
            self.journal.keep_word(state.task, authority, word.accepted, word.refused)
        asked, confirmed = sum(map(len, missing.values())), sum(len(word.accepted) for word in words.values())
        return 0 < asked == confirmed
