"""Checks 4 and 5: who enrolled, by whose word and with what reputation, and who left."""

from __future__ import annotations

from collections.abc import Iterable

from protocol.audit.case import Case, known
from protocol.audit.evidence import Replay
from protocol.audit.report import require, same
from protocol.domain import Domain
from protocol.encryption.envelope import MAX_ENVELOPE_BYTES
from protocol.errors import HearthError, Party, VerificationError
from protocol.identifiers import Address, to_hex
from protocol.messages.chain import Enrolled, EnrolmentFull, Left, StakeReturned, TaskPosted, VoucherShown
from protocol.messages.submission import Enrolment, Leave
from protocol.messages.task import TaskSpec
from protocol.signing import verify
from protocol.task.ending import is_over
from protocol.vouchers.blinding import Statement, verify_voucher

_OWN_WORD = "a contract, whose own word the ledger took: whom it asks may have changed since"


def check_enrolments(case: Case) -> None:
    evidence, replay, full = case.evidence, Replay(case.evidence), list[EnrolmentFull]()
    shown = dict[Address, bytes]()  # vouchers, of who comes next
    count, returned = 0, {other.client for other in case.of_task(StakeReturned)}
    for event in replay.own():
        if isinstance(event, EnrolmentFull):
            full.append(event)
        if isinstance(event, VoucherShown):
            shown[event.client] = event.voucher
        if not isinstance(event, Enrolled):
            continue
        count += 1
        with case.report.check(4, f"client {to_hex(event.client)}") as remarks:
            remarks += _check_enrolment(case, replay, event, event.client in returned)
            _check_voucher(case, event.client, shown.get(event.client))
    with case.report.check(4, f"task {evidence.task}"):
        same("number enrolled", evidence.task_view.enrolled, count)
        require(count <= evidence.task_view.max_clients, "more clients than the task allows")
        _check_full(case, full)


def check_envelopes(case: Case, planned: Iterable[Address]) -> None:
    """Only of planned clients: whoever enrols with bytes that no authority accepts harms nobody but itself."""
    for client in sorted(set(planned)):
        with case.report.check(4, f"client {to_hex(client)} envelope"):
            enrolled = known(case.state.enrolled.get(client), "its enrolment")
            case.content(enrolled.envelope, MAX_ENVELOPE_BYTES, "key envelope")


def check_leaves(case: Case) -> None:
    evidence, replay = case.evidence, Replay(case.evidence)
    for event in replay.own():
        if not isinstance(event, Left):
            continue
        with case.report.check(5, f"client {to_hex(event.client)}"):
            require(event.client not in replay.state.left, "left twice")
            require(event.client in replay.state.enrolled, "left without having enrolled")
            signer = replay.state.signer_of(event.client)
            verify(evidence.domain, Leave(evidence.task, event.client), event.signature, signer, Party.LEDGER)
    for client, view in sorted(evidence.enrolments.items()):
        with case.report.check(5, f"client {to_hex(client)} view"):
            same("left", view.left, client in case.state.left)
            same("last round when it left", view.left_round, case.state.left.get(client, 0))


def verify_enrolment(domain: Domain, posted: TaskPosted, event: Enrolled) -> None:
    """Raises unless the client's own key signed what the ledger was told."""
    terms = posted.terms
    enrolment = Enrolment(
        task=posted.task,
        spec=terms.spec,
        client=event.client,
        signer=event.signer,
        envelope=event.envelope,
        stake=terms.stake,
        locked_until=posted.claim_until,
        deadline=event.deadline,
    )
    verify(domain, enrolment, event.signature, event.client, Party.LEDGER)


def _check_enrolment(case: Case, replay: Replay, event: Enrolled, is_returned: bool) -> list[str]:
    """Remarks. ``is_returned``: its stake."""
    evidence, state, time = case.evidence, replay.state, case.evidence.time(event)
    posted = known(state.posted, "the posting of the task")
    require(event.client not in state.enrolled, "enrolled twice")
    view = known(evidence.enrolments.get(event.client), "its enrolment view")
    same("envelope", view.envelope, event.envelope)
    same("reputation in the view", view.reputation, event.reputation)
    _check_reputation(replay, event, case.spec)
    same("staked", view.staked, posted.terms.stake > 0 and not is_returned)
    require(time <= event.deadline, "enrolled after its own deadline")
    require(not is_over(state, time), "enrolled after the task's end")
    return _check_word(case, posted, event)


def _check_voucher(case: Case, client: Address, voucher: bytes | None) -> None:
    """The manufacturer's signature, again, under the key of the spec."""
    if not case.spec.vouchers.needed:
        require(voucher is None, "it showed a voucher, and the task needs none")
        return
    if voucher is None:
        raise VerificationError("it showed no voucher", fault=Party.LEDGER)
    statement = Statement(case.evidence.domain, case.spec.vouchers.modulus, case.evidence.task, client)
    verify_voucher(statement, voucher, Party.LEDGER)


def _check_word(case: Case, posted: TaskPosted, event: Enrolled) -> list[str]:
    """What the client agreed to, by its key; whether a contract agreed, events cannot tell."""
    require(any(event.signer), "it named no key to sign with")
    try:
        verify_enrolment(case.evidence.domain, posted, event)
    except HearthError:
        if event.client not in case.evidence.contracts:
            raise
        return [_OWN_WORD]
    return []


def _check_reputation(replay: Replay, enrolled: Enrolled, spec: TaskSpec) -> None:
    """What its standing on chain before the enrolment is worth here, or the task's initial one."""
    counts, reputation = replay.admission(enrolled, spec.reputation.initial)
    same("reputation", enrolled.reputation, reputation)
    if counts:
        require(reputation >= spec.reputation.admission, "below the admission floor")


def _check_full(case: Case, full: list[EnrolmentFull]) -> None:
    """Once nobody can enrol any more nobody is waited for: said with the last enrolment, if it came early enough."""
    evidence, posted = case.evidence, known(case.state.posted, "the posting of the task")
    enrolled = list(case.state.enrolled.values())
    filled = enrolled[posted.terms.max_clients - 1] if len(enrolled) >= posted.terms.max_clients else None
    early = filled is not None and evidence.time(filled) < posted.enrol_until
    expected = [(len(enrolled), evidence.time(filled))] if filled is not None and early else []
    same("end of the wait for enrolments", [(event.enrolled, event.enrol_until) for event in full], expected)
