"""What an edge server looks at before it relays an enrolment: whatever the ledger would refuse it for, at a price."""

from __future__ import annotations

from backend.rounds.desk_error import DeskError
from protocol.domain import Domain
from protocol.errors import Party, VerificationError
from protocol.messages.chain import TaskPosted
from protocol.messages.submission import SignedEnrolment
from protocol.messages.task import TaskSpec
from protocol.signing import verify
from protocol.task.documents import Absent
from protocol.vouchers.blinding import Statement, verify_voucher


def check_sender(domain: Domain, posted: TaskPosted, signed: SignedEnrolment) -> None:
    """Whether it is for this server to relay. Raises DeskError, VerificationError."""
    verify(domain, signed.enrolment, signed.signature, signed.enrolment.client, Party.CLIENT)
    if posted.terms.stake:
        message = "this task asks for a stake: the client sends its enrolment itself, with its own money"
        raise DeskError(message, fault=Party.CLIENT, code="E_STAKE")


def check_enrolment(
    domain: Domain, spec: TaskSpec | Absent, posted: TaskPosted, signed: SignedEnrolment, now: int
) -> None:
    """``now`` in seconds of block time. Raises DeskError, VerificationError."""
    enrolment, terms = signed.enrolment, posted.terms
    said = enrolment.spec, enrolment.stake, enrolment.locked_until
    agreed = said == (terms.spec, terms.stake, posted.claim_until) and any(enrolment.signer)
    if not agreed or enrolment.deadline < now:
        raise VerificationError("the enrolment is for other terms, or too old", fault=Party.CLIENT)
    if not any(terms.voucher_key):
        if signed.voucher:
            raise VerificationError("the task needs no voucher", fault=Party.CLIENT)
        return
    if isinstance(spec, Absent):
        raise DeskError("the task's spec cannot be read yet", code="E_STARTING")
    statement = Statement(domain, spec.vouchers.modulus, enrolment.task, enrolment.client)
    verify_voucher(statement, signed.voucher, Party.CLIENT)
