"""postTask.

given terms
    when a term is out of its bounds
        should refuse, naming the term
    when a term is at a bound
        should accept
given a deployment whose tasks give clients so much time to claim at least
    when a task gives less
        should refuse
given valid terms
    when the money is not exactly what all rewards and fees of all rounds can cost
        should refuse, naming both amounts
    when it is
        should number tasks from 1, fix the instants, keep the money and emit TaskPosted
given a number that no task has
    when any function or view names it
        should refuse
"""

from __future__ import annotations

from dataclasses import astuple, replace
from typing import Any

import pytest

from protocol.messages.chain import LedgerRules, TaskView
from protocol.task.word import next_word
from storage.ledger.ethereum import abi
from storage.ledger.ethereum.decoding import event_digest
from tests.contracts.bonded import NO_LEAF
from tests.contracts.ledger import RULES, START
from tests.contracts.scene import REWARD, ZERO, Scene, escrow_of

TEN_YEARS = 3650 * 86_400
NOBODY = bytes(20)
SEVENTEEN = tuple(bytes([number]) * 20 for number in range(1, 18))
WRONG: list[tuple[str, dict[str, Any]]] = [
    ("spec", {"spec": ZERO}),
    ("edgeServers", {"edge_servers": (NOBODY,)}),
    ("edgeServers", {"edge_servers": ()}),
    ("edgeServers", {"edge_servers": SEVENTEEN}),
    ("authorities", {"edge_servers": SEVENTEEN[:1], "authorities": SEVENTEEN[:2]}),
    ("edgeServers", {"edge_servers": (SEVENTEEN[0], SEVENTEEN[0])}),
    ("takeoverSeconds", {"takeover_seconds": 201}),
    ("rounds", {"rounds": 0}),
    ("rounds", {"rounds": 100_001}),
    ("minClients", {"min_clients": 1}),
    ("minClients", {"min_clients": 5}),
    ("maxClients", {"max_clients": 1_000_001}),
    ("maxCohort", {"max_cohort": 1}),
    ("maxCohort", {"max_cohort": 5}),
    ("maxCohort", {"max_clients": 20_000, "max_cohort": 10_001, "edge_bond": 10**20}),
    ("enrolmentSeconds", {"enrolment_seconds": 0}),
    ("enrolmentSeconds", {"enrolment_seconds": TEN_YEARS + 1}),
    ("commitSeconds", {"commit_seconds": 0}),
    ("commitSeconds", {"commit_seconds": TEN_YEARS + 1}),
    ("trainingSeconds", {"training_seconds": 0}),
    ("trainingSeconds", {"training_seconds": TEN_YEARS + 1}),
    ("objectionSeconds", {"objection_seconds": 0}),
    ("objectionSeconds", {"objection_seconds": 261}),
    ("objectionSeconds", {"training_seconds": 136}),
    ("settleSeconds", {"settle_seconds": 0}),
    ("settleSeconds", {"settle_seconds": TEN_YEARS + 1}),
    ("taskSeconds", {"task_seconds": 0}),
    ("taskSeconds", {"task_seconds": TEN_YEARS + 1}),
    ("claimSeconds", {"claim_seconds": 0}),
    ("claimSeconds", {"claim_seconds": 500}),
    ("claimSeconds", {"claim_seconds": TEN_YEARS + 1}),
    ("claimSeconds", {"claim_seconds": 700, "dispute_seconds": 200}),
    ("disputeSeconds", {"dispute_seconds": 201}),
    ("token", {"token": b"\x99" * 20}),
    ("initialReputation", {"initial_reputation": 6}),
    ("minReputation", {"min_reputation": 6}),
    ("participation", {"contribution": 0}),
    ("edgeBond", {"participation": 100, "edge_bond": 399}),
    ("authorities", {"authorities": SEVENTEEN[:1], "threshold": 1}),
    ("authorities", {"authorities": SEVENTEEN}),
    ("authorities", {"authorities": (*SEVENTEEN[:2], NOBODY)}),
    ("authorities", {"authorities": (*SEVENTEEN[:2], SEVENTEEN[0])}),
    ("reputationSources", {"reputation_sources": SEVENTEEN}),
    ("reputationSources", {"reputation_sources": (NOBODY,)}),
    ("threshold", {"threshold": 1}),
    ("threshold", {"threshold": 4}),
]
AT_BOUNDS: list[dict[str, Any]] = [
    {"authorities": SEVENTEEN[:2], "threshold": 2},
    {"authorities": SEVENTEEN[:16], "threshold": 16},
    {"rounds": 1, "min_clients": 2, "max_clients": 2},
    {"max_cohort": 2},
    {"participation": 100, "contribution": 0, "edge_bond": 400},
    {"edge_fee": 10**18, "authority_fee": 10**17},
    {"reputation_sources": SEVENTEEN[:16]},
    {"rounds": 100_000, "max_clients": 1_000_000, "max_cohort": 10_000, "min_clients": 10_000},
    {"task_seconds": TEN_YEARS, "claim_seconds": TEN_YEARS, "enrolment_seconds": TEN_YEARS},
    {
        "commit_seconds": 3,
        "training_seconds": 1,
        "objection_seconds": 1,
        "settle_seconds": 1,
        "claim_seconds": 5,
        "takeover_seconds": 1,
    },
    {"dispute_seconds": 200, "claim_seconds": 701, "initial_reputation": 5, "min_reputation": 5},
]


@pytest.mark.parametrize(("term", "change"), WRONG, ids=lambda part: part if isinstance(part, str) else "")
def test_should_refuse_a_term_out_of_bounds(deployed: Scene, term: str, change: dict[str, Any]) -> None:
    terms = replace(deployed.terms, **change)
    call = "postTask", astuple(terms)
    refusal = deployed.ledger.refusal(deployed.ledger.manufacturer, *call, value=escrow_of(terms))
    assert refusal == ("TermsInvalid", term)


def test_should_give_clients_the_time_that_the_deployment_says(
    deployed: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, call = deployed.ledger, ("postTask", astuple(deployed.terms))
    for least in (deployed.terms.claim_seconds + 1, deployed.terms.claim_seconds):
        rules = replace(RULES, claim_seconds=least)
        monkeypatch.setattr(ledger, "address", ledger.deploy(rules))
        assert LedgerRules(*ledger.view("rules")) == rules
        if least > deployed.terms.claim_seconds:
            refusal = ledger.refusal(ledger.manufacturer, *call, value=deployed.escrow())
            assert refusal == ("TermsInvalid", "claimSeconds")
        else:
            ledger.send(ledger.manufacturer, *call, value=deployed.escrow())


@pytest.mark.parametrize("term", ["edgeServers", "authorities"])
def test_should_refuse_a_server_that_is_no_plain_account(deployed: Scene, term: str) -> None:
    """What signs by code may take its signature back: nobody could convict it."""
    party = deployed.ledger.address
    servers, authorities = deployed.terms.edge_servers, deployed.terms.authorities
    if term == "edgeServers":
        servers = (party,)
    else:
        authorities = (*authorities[:2], party)
    terms = astuple(replace(deployed.terms, edge_servers=servers, authorities=authorities))
    refusal = deployed.ledger.refusal(deployed.ledger.manufacturer, "postTask", terms, value=deployed.escrow())
    assert refusal == ("TermsInvalid", term)


@pytest.mark.parametrize("change", AT_BOUNDS)
def test_should_accept_terms_at_their_bounds(deployed: Scene, change: dict[str, Any]) -> None:
    deployed.post(**change)
    assert deployed.ledger.view("taskCount") == 1


@pytest.mark.parametrize("surplus", [-1, 1])
def test_should_refuse_any_other_amount(deployed: Scene, surplus: int) -> None:
    """A cohort's rewards and the fees of one server and three authorities, in each of three rounds."""
    money: dict[str, Any] = {"participation": 10, "contribution": 30, "edge_fee": 7, "authority_fee": 5}
    terms = replace(deployed.terms, max_clients=9, edge_bond=40, **money)
    escrow = 3 * (4 * 40 + 7 + 3 * 5)
    arguments = ("postTask", astuple(terms))
    refusal = deployed.ledger.refusal(deployed.ledger.manufacturer, *arguments, value=escrow + surplus)
    assert refusal == ("EscrowWrong", escrow + surplus, escrow)


def test_should_refuse_an_escrow_that_the_books_cannot_hold(deployed: Scene) -> None:
    too_much: list[dict[str, Any]] = [{"contribution": 2**128 - 1}, {"edge_fee": 2**128 - 1}, {"authority_fee": 2**127}]
    for change in too_much:
        terms = replace(deployed.terms, **change)
        refusal = deployed.ledger.refusal(deployed.ledger.manufacturer, "postTask", astuple(terms), value=0)
        assert refusal == ("EscrowWrong", 0, escrow_of(terms))


def test_should_keep_the_money_and_show_the_task(deployed: Scene) -> None:
    ledger, terms, escrow = deployed.ledger, deployed.terms, deployed.escrow()
    posted = deployed.post()
    manufacturer = ledger.manufacturer.address
    until = (START + 600, START + 10_000, START + 15_000)
    assert posted.sole() == {
        "event": "TaskPosted", "task": 1, "manufacturer": manufacturer, "terms": terms, "escrow": escrow,
        "enrol_until": until[0], "task_until": until[1], "claim_until": until[2],
    }  # fmt: skip
    assert ledger.task_view(1) == TaskView(
        spec=terms.spec, token=bytes(20), pending_round=0, payable_from=0, pending_server=0, manufacturer=manufacturer,
        rounds=3, min_clients=2, max_clients=4, enrolled=0, last_round=0,
        enrol_until=until[0], task_until=until[1], claim_until=until[2],
        max_cohort=4, stopped=False, escrow=escrow, claimed=0, allocated=0, pending_allocated=0,
        allocation_root=ZERO, pending_root=ZERO, participation=0, contribution=REWARD, deposits=0, reserved=0,
        edge_server=terms.edge_servers[0], drawn_at=0, word=next_word(ZERO, START, event_digest(posted.events[0])),
    )  # fmt: skip
    assert ledger.balance(ledger.address) == escrow
    assert deployed.post().sole()["task"] == ledger.view("taskCount") == 2
    assert ledger.balance(ledger.address) == 2 * escrow


@pytest.mark.parametrize("task", [0, 2, 2**256 - 1])
def test_should_refuse_a_number_that_no_task_has(enrolled: Scene, task: int) -> None:
    ledger, client = enrolled.ledger, enrolled.clients[0]
    calls = {
        "enrol": ([(task, ZERO, client.address, client.address, ZERO, 0, 0, 0)], [b""]),
        "enrolWithVouchers": (*([(task, ZERO, client.address, client.address, ZERO, 0, 0, 0)], [b""]), b""),
        "leave": (task, client.address, b""),
        "drawCohort": (task,),
        "openRound": (task, 1, ZERO, ZERO, ZERO, 3),
        "commitBatch": (task, 1, ZERO, ZERO, 1),
        "commitDirect": ((task, 1, client.address, ZERO, bytes(16), ZERO), b"", (0, 0, ())),
        "requestScreening": (task, 1, 0, 0, ZERO),
        "requestKey": (task, 1, ZERO),
        "publishRound": (task, 1, (ZERO, ZERO, ZERO, 0, 0, 0)),
        "abandonRound": (task, 1, ZERO, ZERO, 0),
        "expireRound": (task, 1),
        "compensate": (task, 1, client.address, (0, 0, ()), NO_LEAF),
        "claim": (task, (0, client.address, 1, 1), []),
        "claimMany": (task, [], [], []),
        "refund": (task,),
        "placeBond": (task, client.address),
        "postRoster": (task, 0, b"", b""),
        "returnBond": (task, client.address),
        "returnStake": (task, client.address),
        "withdraw": (task, client.address, client.address),
        "taskOf": (task,),
        "roundOf": (task, 1),
        "enrolmentOf": (task, client.address),
    }
    unbound = {
        "postTask",
        "taskCount",
        "hasCommittedDirectly",
        "isCompensated",
        "signerOf",
        "standingOf",
        "bondOf",
        "creditOf",
        "dispute",
        "rules",
        "domainSeparator",
    }
    assert set(abi.functions()) - set(calls) - unbound == {"eip712Domain"}
    for name, arguments in calls.items():
        assert ledger.refusal(ledger.edge, name, *arguments) == ("TaskUnknown", task)
