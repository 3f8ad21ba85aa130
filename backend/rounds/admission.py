"""Whom a round can plan: enrolled clients whose reputation is enough and whose keys are with enough authorities."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from backend.rounds.committee_client import CommitteeClient
from backend.rounds.history import TaskHistory
from backend.rounds.journal import EdgeJournal
from protocol.encryption.envelope import MAX_ENVELOPE_BYTES
from protocol.identifiers import Address
from protocol.incentives.reputation import eligible
from storage.content.interface import ContentError, ContentStore, get_document

log = structlog.get_logger()


@dataclass
class Admission:
    """One task's."""

    store: ContentStore
    journal: EdgeJournal
    committee: CommitteeClient
    history: TaskHistory

    def __post_init__(self) -> None:
        self.spec, self.task = self.history.spec, self.history.task

    def candidates(self, number: int) -> dict[Address, int]:
        """Reputation by client: enrolled, not left, eligible, keys with enough authorities, refused by none."""
        _, allocation = self.history.before(number)
        return {
            entry.client: entry.reputation
            for entry in allocation.entitlements
            if entry.client not in self.history.left
            and eligible(entry.reputation, self.spec.reputation)
            and not self.journal.refused(self.task, entry.client)
            and len(self.journal.acceptances(self.task, entry.client)) >= self.spec.committee.threshold
        }

    def collect_acceptances(self) -> None:
        """Shows every enrolled client's envelope to the authorities that have not confirmed its shares."""
        missing: dict[Address, dict[Address, tuple[bytes, bytes]]] = {}
        for client, event in self.history.enrolled.items():
            accepted = self.journal.acceptances(self.task, client)
            if len(accepted) == len(self.spec.committee.members) or self.journal.refused(self.task, client):
                continue
            if self.history.rounds and len(accepted) >= self.spec.committee.threshold:
                continue  # enough, and one that is still missing is not asked in every round
            try:
                envelope = get_document(self.store, event.envelope, MAX_ENVELOPE_BYTES)
            except ContentError as error:
                log.info("envelope not there", error=str(error))
                continue
            for member in self.spec.committee.members:
                if member.address not in accepted:
                    missing.setdefault(member.address, {})[client] = (event.envelope, envelope)
        if missing:
            confirmed = self.committee.show_envelopes(self.task, self.spec.committee, missing)
            for authority, word in confirmed.items():
                self.journal.keep_word(self.task, authority, word.accepted, word.refused)
