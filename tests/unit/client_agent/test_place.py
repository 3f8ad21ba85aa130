"""What keeps an account out of a task is said before anybody is asked: just when, and why, the contract refuses it."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_agent.place import AccountBoundError, EnrolmentOverError, ReputationError, TaskFullError, require_place
from protocol.errors import HearthError
from protocol.messages.chain import Standing
from protocol.messages.submission import Enrolment
from protocol.round.planning import terms_of
from protocol.round.state_table import RoundState
from protocol.signing import sign
from storage.ledger.interface import TransactionRevertedError
from tests.reference_ledger.books import Books
from tests.reference_ledger.chain import Block, Contract, MemoryChain
from tests.reference_ledger.ledger import MemoryLedger
from tests.samples import DOMAIN, client_address, private_key, sample_spec

START, CLAIM_UNTIL, DAY = 1_700_000_000, 1_700_200_000, 86_400
CLIENT, MANUFACTURERS = client_address(0), (b"\x11" * 20, b"\x12" * 20)
OWN = (b"\x01" * 32,)  # envelopes of this phone
OTHER, TASK = 1, 2  # the account worked for the first, or does, and wants to enrol for the second
SPEC = sample_spec()
REASONS = {
    "EnrolmentClosed": TaskFullError,  # nothing else closes it here
    "ReputationPending": AccountBoundError,
    "ReputationWrong": ReputationError,
}


def _chain() -> MemoryChain:
    chain = MemoryChain(DOMAIN, lambda: START, held=dict.fromkeys(MANUFACTURERS, 10**20))
    for manufacturer in MANUFACTURERS:
        MemoryLedger(chain, manufacturer).post_task(terms_of(SPEC), SPEC.budget())
    return chain


CHAIN = _chain()
POSTED = CHAIN.books
ENROLMENT = Enrolment(TASK, POSTED.tasks[TASK].spec, CLIENT, CLIENT, OWN[0], 0, POSTED.tasks[TASK].claim_until, 2**47)
SIGNATURE = sign(DOMAIN, ENROLMENT, private_key("client", 0))


def _refused(books: Books, now: int) -> str | None:
    """By the contract's rules: the name of its error."""
    contract = Contract(DOMAIN, CHAIN.rules, books.copy(), CLIENT, 0, now, CHAIN)
    try:
        contract.enrol([ENROLMENT], [SIGNATURE])
    except TransactionRevertedError as error:
        return error.name
    return None


def _said(books: Books, now: int) -> HearthError | None:
    """By the phone."""
    chain = copy(CHAIN)
    chain.blocks = [*CHAIN.blocks, Block(b"\x02" * 32, now, books)]
    try:
        require_place(MemoryLedger(chain, CLIENT), TASK, books.terms[TASK], CLIENT, OWN, now)
    except HearthError as error:
        return error
    return None


flags = st.booleans()


@settings(max_examples=400)
@given(
    now=st.sampled_from([START, START + 700]),
    enrolled=st.integers(0, 5),
    opened=st.sampled_from([0, 1, 3]),
    stopped=flags,
    state=st.sampled_from(RoundState),
    roots=st.tuples(flags, flags),
    pending=st.integers(0, 2),
    payable_from=st.sampled_from([START - 1, START + 800]),
    claims_over=flags,
    left=st.sampled_from([(False, 0), (True, 0), (True, 1)]),
    standing=st.builds(
        Standing,
        reputation=st.integers(-3, 5).map(lambda found: max(found, 0)),
        since=st.sampled_from([START - 40 * DAY, START]),
        task=st.sampled_from([0, OTHER]),
        source=st.sampled_from([0, OTHER, OTHER, TASK]),
    ),
    least=st.integers(0, 5),
    sources=st.sampled_from([(), MANUFACTURERS[:1], MANUFACTURERS[1:]]),
    full=st.integers(0, 9).map(lambda found: not found),
)
def test_the_phone_says_what_the_contract_would(
    now: int,
    enrolled: int,
    opened: int,
    stopped: bool,
    state: RoundState,
    roots: tuple[bool, bool],
    pending: int,
    payable_from: int,
    claims_over: bool,
    left: tuple[bool, int],
    standing: Standing,
    least: int,
    sources: tuple[bytes, ...],
    full: bool,
) -> None:
    books = POSTED.copy()
    books.tasks[OTHER] = replace(
        books.tasks[OTHER],
        enrolled=enrolled,
        last_round=opened,
        stopped=stopped,
        pending_round=min(pending, opened),
        payable_from=payable_from,
        allocation_root=bytes([roots[0]] * 32),
        pending_root=bytes([roots[1]] * 32),
        claim_until=now - 1 if claims_over else now + DAY,
    )
    books.rounds[OTHER, opened] = replace(books.rounds[OTHER, opened], state=state)
    books.enrolments[OTHER, CLIENT] = replace(
        books.enrolments[OTHER, CLIENT], envelope=b"\x03" * 32, left=left[0], left_round=min(left[1], opened)
    )
    books.standings[CLIENT] = standing
    books.terms[TASK] = replace(books.terms[TASK], min_reputation=least, reputation_sources=sources)
    books.tasks[TASK] = replace(books.tasks[TASK], enrolled=books.tasks[TASK].min_clients)
    if full:
        books.tasks[TASK] = replace(books.tasks[TASK], enrolled=books.tasks[TASK].max_clients)
    refused, said = _refused(books, now), _said(books, now)
    assert type(said) is (type(None) if refused is None else REASONS[refused]), (refused, said)


def _bound() -> Books:
    books = POSTED.copy()
    books.standings[CLIENT] = Standing(2, 0, OTHER, 0)
    books.enrolments[OTHER, CLIENT] = replace(books.enrolments[OTHER, CLIENT], envelope=b"\x03" * 32)
    books.tasks[OTHER] = replace(books.tasks[OTHER], claim_until=CLAIM_UNTIL)
    return books


def test_an_account_that_another_task_holds_is_told_which_and_until_when() -> None:
    text = str(_said(_bound(), START))
    assert "task 1 until its last reward there is claimed" in text
    assert "in 2 days" in text and f"block time {CLAIM_UNTIL})" in text
    assert "another account" in text, "what its owner can do"
    assert "\n" not in text


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"stopped": True}, "too few of its servers"),
        ({"last_round": SPEC.rounds}, "its last round"),
        ({"task_until": START - 7_200}, "2 hours ago"),
        ({"enrol_until": START - 1, "enrolled": 0}, "only 0 of at least"),
        ({"enrolled": SPEC.cohort.max_clients}, f"full, with {SPEC.cohort.max_clients} of"),
    ],
)
def test_a_task_that_takes_nobody_says_why(changed: dict[str, Any], why: str) -> None:
    books = POSTED.copy()
    books.tasks[TASK] = replace(books.tasks[TASK], **changed)
    said = _said(books, START)
    assert isinstance(said, EnrolmentOverError) and why in str(said)


def test_an_account_that_is_enrolled_meanwhile_is_not_refused_by_its_own_place() -> None:
    books = POSTED.copy()
    books.tasks[TASK] = replace(books.tasks[TASK], enrolled=books.tasks[TASK].max_clients)
    books.enrolments[TASK, CLIENT] = replace(books.enrolments[TASK, CLIENT], envelope=b"\x01" * 32)
    assert _said(books, START) is None


def test_an_account_that_is_enrolled_from_another_folder_is_told_so() -> None:
    books = POSTED.copy()
    books.enrolments[TASK, CLIENT] = replace(books.enrolments[TASK, CLIENT], envelope=b"\x07" * 32)
    said = _said(books, START)
    assert isinstance(said, EnrolmentOverError) and "--folder that it had then" in str(said)
