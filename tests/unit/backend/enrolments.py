"""What a client signs to enter a task, as the ledger's books have the task."""

from __future__ import annotations

from protocol.domain import Domain
from protocol.identifiers import Address, Digest
from protocol.messages.chain import TaskView
from protocol.messages.submission import Enrolment, SignedEnrolment
from storage.ledger.signer import Signer

FOREVER = 2**48 - 1


def signed_enrolment(
    domain: Domain, view: TaskView, client: Signer, envelope: Digest, signer: Address | None = None, task: int = 1
) -> SignedEnrolment:
    """``signer``: of its commitments, the client itself where none is named."""
    enrolment = Enrolment(
        task, view.spec, client.address, signer or client.address, envelope, 0, view.claim_until, FOREVER
    )
    return SignedEnrolment(enrolment, client.sign(domain, enrolment))
