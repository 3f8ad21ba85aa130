"""Clients whose enrolment names another key, and clients that are contracts: who signs for them, and who does not.

given a client whose enrolment names a key of its own choice
    when that key signs leave and commitments
        should pass
    when the client's own key does, in the batch
        should fail, and be a bad leaf before the ledger's judge
given a client that is a contract
    when it agrees by its own word and its code is there
        should pass, with a remark
    when there is no code
        should fail
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from protocol.audit.audit import audit_task
from protocol.audit.breaches import BadLeaf, find_breaches
from protocol.audit.report import Report, Status
from protocol.canonical import encode
from protocol.encryption.envelope import seal_envelope
from protocol.identifiers import Address, to_hex
from protocol.incentives.rewards import admit
from protocol.messages.submission import Enrolment, SignedEnrolment
from protocol.round.reference import Household
from protocol.signing import address_of, sign
from scripts.commands.auditor import run_audit
from storage.evidence import fetch_from, published_codes, read_evidence, read_state
from storage.ledger.ethereum.decoding import address_of as decoded_address
from tests.played_conduct import Conduct
from tests.played_task import Player
from tests.samples import private_key
from tests.tiny_task import funded_ledger, sealed_to

NAMING = 4  # it enrols by hand
OWN, SIGNER = private_key("client", NAMING), private_key("signer of a client")
# a contract that always answers the word of ERC-1271, and what creates it
AGREES = bytes.fromhex("631626ba7e60e01b60005260206000f3")
CREATION = bytes.fromhex("6010600c60003960106000f3") + AGREES


@dataclass
class Named(Household):
    """Enrolled as ``client``; its ``private_key`` is that of whoever signs."""

    client: Address = bytes(20)

    @property
    def address(self) -> Address:
        return self.client


def _joined(name: str, *, key: bytes, is_contract: bool = False) -> Player:
    """All five enrolled; the last one's enrolment names SIGNER, and its updates are signed with ``key``."""
    player = Player(funded_ledger(name), rounds=2, late=(NAMING,))
    client = address_of(OWN)
    if is_contract:
        client = decoded_address(player.edge._sender().send(None, CREATION).get("contractAddress"))
    before, committee, view = player.households[NAMING], player.spec.committee, player.reader.task(player.task)
    scope = (player.domain.prefix(), player.task, 0, client, sealed_to(len(committee.members)), committee.threshold)
    envelope = player.put(encode(seal_envelope(before.master_keys, *scope, before.randomness)))
    until = (view.claim_until, player.now() + 3_600)
    enrolment = Enrolment(player.task, view.spec, client, address_of(SIGNER), envelope, 0, *until)
    signature = b"by its own word" if is_contract else sign(player.domain, enrolment, OWN)
    player.edge.enrol([SignedEnrolment(enrolment, signature)], 0)
    player.households[NAMING] = Named(key, before.master_keys, before.trainer, before.randomness, client)
    player.allocation = admit(player.allocation, {client: player.spec.reputation.initial})
    return player


def _failed(report: Report) -> set[tuple[int, str]]:
    return {(line.number, line.subject) for line in report.lines if line.status is Status.FAIL}


@pytest.mark.parametrize("direct", [(), (NAMING,)])
def test_the_named_key_signs_for_its_client(direct: tuple[int, ...]) -> None:
    player = _joined(f"signer {direct}", key=SIGNER)
    player.play(1, Conduct(direct=direct))
    player.play(2, Conduct(leaving=(NAMING,)))
    report = run_audit(player.reader, player.store, player.task)
    assert report.status is Status.PASS, report.failed


def test_the_own_key_of_a_client_that_named_another_one_signs_nothing() -> None:
    player = _joined("own key", key=OWN)
    player.play(1, Conduct())
    assert (10, "round 1") in _failed(run_audit(player.reader, player.store, player.task))
    state = read_state(player.store, read_evidence(player.reader, player.task))
    (breach,) = find_breaches(player.domain, state)
    assert isinstance(breach, BadLeaf)
    assert breach.batch.commitments[breach.index].commitment.client == address_of(OWN)


def test_a_contract_agrees_by_its_own_word() -> None:
    player = _joined("contract", key=SIGNER, is_contract=True)
    player.play(1, Conduct())
    evidence = read_evidence(player.reader, player.task)
    client = player.households[NAMING].address
    assert evidence.contracts == {client}
    report = run_audit(player.reader, player.store, player.task)
    assert report.status is Status.PASS, report.failed
    remarks = {line.subject: line.detail for line in report.lines if line.number == 4 and line.detail}
    assert list(remarks) == [f"client {to_hex(client)}"] and "a contract" in remarks[f"client {to_hex(client)}"]
    without = replace(evidence, contracts=frozenset())
    state, fetch = read_state(player.store, without), fetch_from(player.store)
    assert _failed(audit_task(without, state, fetch, published_codes())) == {(4, f"client {to_hex(client)}")}
