"""The authorities' word on the cohort of the round that runs, for phones that do not derive it themselves."""

from __future__ import annotations

from collections.abc import Mapping

from backend.rounds.committee_client import CommitteeClient
from backend.rounds.journal import EdgeJournal
from protocol.canonical import encode
from protocol.errors import HearthError
from protocol.identifiers import Address
from protocol.messages.round import CohortEvidence, RoundPlan, SignedEndorsement
from protocol.messages.task import Committee, TaskSpec
from protocol.round.endorsing import evidence_for
from protocol.task.documents import Absent
from protocol.task.state import TaskState
from storage.content.interface import ContentStore, get_document


class Endorsing:
    """Of one task. Asked by one thread at a time, read by all. Enough of them are kept in the records: phones may ask
    another process of this server than the one that drives the task."""

    def __init__(self, store: ContentStore, committee: CommitteeClient, journal: EdgeJournal) -> None:
        self._store, self._committee, self._journal = store, committee, journal
        self._endorsements: tuple[bytes, dict[Address, SignedEndorsement]] = b"", {}  # with the label that they are of

    def endorsements(self, label: bytes, spec: TaskSpec) -> tuple[SignedEndorsement, ...]:
        """Ascending by position in the committee; none while they are too few."""
        known, found = self._endorsements
        return _enough(found, spec.committee) if known == label else ()

    def ask(self, state: TaskState, spec: TaskSpec, number: int) -> bool:
        """Every authority, about the round that runs. Whether enough of them endorse it now."""
        plan = state.plan(number)
        if not isinstance(plan, RoundPlan):
            return False
        label, documents = plan.label(), list[bytes]()
        for wanted in evidence_for(state, spec, number):
            try:
                documents.append(get_document(self._store, wanted.digest, wanted.max_bytes))
            except HearthError:
                continue  # whoever needs it says so
        evidence = CohortEvidence(encode(plan), tuple(documents))
        found = self._committee.endorsements(spec.committee, plan, evidence)
        known, before = self._endorsements
        found = {**(before if known == label else {}), **found}
        if enough := _enough(found, spec.committee):
            self._journal.keep_endorsements(state.task, number, enough)
        self._endorsements = label, found
        return bool(enough)

    def recall(self, state: TaskState) -> None:
        """What another process was told of the round that runs. Raises RecordsError."""
        facts, spec = state.current, state.spec
        if facts is None or isinstance(spec, Absent) or self.endorsements(facts.opened.label, spec):
            return
        kept = self._journal.task(state.task).round(facts.number).endorsements
        if kept and kept[0].statement.label == facts.opened.label:
            self._endorsements = facts.opened.label, {said.statement.authority: said for said in kept}


def _enough(found: Mapping[Address, SignedEndorsement], committee: Committee) -> tuple[SignedEndorsement, ...]:
    """Ascending by position in the committee; none where they are too few."""
    if len(found) < committee.quorum:
        return ()
    return tuple(found[member] for member in committee.members if member in found)
