"""The authorities' word on the cohort of the round that runs, for phones that do not derive it themselves."""

from __future__ import annotations

from backend.rounds.committee_client import CommitteeClient
from protocol.canonical import encode
from protocol.errors import HearthError
from protocol.identifiers import Address
from protocol.messages.round import CohortEvidence, RoundPlan, SignedEndorsement
from protocol.messages.task import TaskSpec
from protocol.round.endorsing import evidence_for
from protocol.task.state import TaskState
from storage.content.interface import ContentStore, get_document


class Endorsing:
    """Of one task. Kept in memory alone: authorities say it again. Asked by one thread at a time, read by all."""

    def __init__(self, store: ContentStore, committee: CommitteeClient) -> None:
        self._store, self._committee = store, committee
        self._endorsements: tuple[bytes, dict[Address, SignedEndorsement]] = b"", {}  # with the label that they are of

    def endorsements(self, label: bytes, spec: TaskSpec) -> tuple[SignedEndorsement, ...]:
        """Ascending by position in the committee; none while they are too few."""
        known, found = self._endorsements
        if known != label or len(found) < spec.committee.quorum:
            return ()
        return tuple(found[member] for member in spec.committee.members if member in found)

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
        self._endorsements = label, {**(before if known == label else {}), **found}
        return bool(self.endorsements(label, spec))
