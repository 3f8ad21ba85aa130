"""Check 28: keys that authorities say they issued, held against what the servers published.

A server that requests a key and lets the round expire may have opened the sum for itself. Chain and content do not
tell: the authorities do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from protocol.audit.case import Case
from protocol.audit.evidence import MissingEvidenceError
from protocol.errors import HearthError, Party, VerificationError
from protocol.identifiers import Address, to_hex
from protocol.messages.chain import RoundPublished
from protocol.messages.issued import IssuedRecord, IssuedStatement, SignedIssued
from protocol.signing import verify
from protocol.task.round_facts import RoundFacts

NOT_ASKED = "no authority was asked what it issued"
Answer = IssuedRecord | str  # or why there is none


def check_issued(case: Case, answers: Mapping[str, Answer]) -> list[str]:
    """``answers``: by where they were asked for. Remarks.

    Raises VerificationError, which names who broke the rules.
    """
    silent = _unpublished(case)
    remarks = [f"round {facts.number} was requested by {_requester(facts)} and not published" for facts in silent]
    if not answers:
        return [NOT_ASKED, *remarks]
    issued: defaultdict[int, set[Address]] = defaultdict(set)
    heard = set[Address]()
    for where, answer in sorted(answers.items()):
        try:
            statements = _statements(case, answer)
        except HearthError as error:
            remarks.append(f"{where}: {error.args[0]}")
            continue
        for statement in (one for one in statements if one.task == case.state.task):
            heard.add(statement.authority)
            _check_statement(case, statement)
            issued[statement.round].add(statement.authority)
    for facts in silent:
        _check_silence(facts, issued[facts.number], case.spec.committee.threshold)
    return [*remarks, f"{len(heard)} of {len(case.spec.committee.members)} authorities told of keys"]


def _unpublished(case: Case) -> list[RoundFacts]:
    """Rounds that are over, whose key was requested and whose sum was not published."""
    over = (facts for facts in case.state.rounds if facts.requested is not None and not facts.running)
    return [facts for facts in over if not isinstance(facts.ended, RoundPublished)]


def _statements(case: Case, answer: Answer) -> Sequence[IssuedStatement]:
    """Of one authority of the task, each signed by it. Raises."""
    if isinstance(answer, str):
        raise MissingEvidenceError(answer)
    authorities = {signed.statement.authority for signed in answer.issued}
    if len(authorities) > 1 or not authorities <= set(case.spec.committee.members):
        raise MissingEvidenceError("no record of one authority of the task")
    return [_signed(case, signed) for signed in answer.issued]


def _signed(case: Case, signed: SignedIssued) -> IssuedStatement:
    statement = signed.statement
    verify(case.evidence.domain, statement, signed.signature, statement.authority, Party.KEY_AUTHORITY)
    return statement


def _check_statement(case: Case, statement: IssuedStatement) -> None:
    """By its own word the authority answered the one request on chain."""
    who, number = to_hex(statement.authority), statement.round
    facts = case.state.round(number)
    if facts is None or (facts.requested is None and facts.running):
        return  # the authority may know later blocks than the audit
    if facts.requested is None:
        raise VerificationError(f"authority {who} issued a key in round {number}, where none was requested")
    if (statement.label, statement.request) != (facts.opened.label, facts.requested.request):
        raise VerificationError(f"authority {who} issued a key of round {number} for a request that is not on chain")


def _check_silence(facts: RoundFacts, issued: set[Address], threshold: int) -> None:
    if len(issued) >= threshold:
        raise VerificationError(
            f"{len(issued)} authorities issued the key of round {facts.number} to {_requester(facts)}, which could open"
            " the sum, and it was never published",
            fault=Party.EDGE_SERVER,
        )


def _requester(facts: RoundFacts) -> str:
    return to_hex(facts.requested_by or facts.server)
