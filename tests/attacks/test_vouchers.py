"""Enrolments without their voucher: the ledger refuses them, and an endpoint that says otherwise is found.

given a task that needs vouchers
    when everybody shows one
        should pass the audit
    when an endpoint tells of an enrolment without one, with another one's, or with a changed one
        should fail check 4 for that client, and nobody else
given a task that needs none
    when an endpoint tells of a voucher
        should fail check 4
given a spec whose key proves nothing
    when it is audited
        should fail check 3
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from protocol.audit.audit import audit_task
from protocol.audit.evidence import ChainEvidence
from protocol.audit.report import Status
from protocol.identifiers import to_hex
from protocol.messages.chain import Event, VoucherShown
from protocol.messages.vouchers import NO_VOUCHERS, VoucherTerms
from storage.evidence import fetch_from, published_codes, read_evidence, read_state
from storage.ledger.ethereum.decoding import event_digest
from tests.played_conduct import Conduct
from tests.played_task import Player
from tests.tiny_task import funded_ledger
from tests.voucher_keys import KEYS, voucher_of

Change = Callable[[VoucherShown], tuple[Event, ...]]
TERMS = KEYS[0].terms()


def played(name: str, terms: VoucherTerms = TERMS) -> tuple[Player, ChainEvidence]:
    player = Player(funded_ledger(name), rounds=1, vouchers=terms)
    player.play(1, Conduct())
    return player, read_evidence(player.reader, player.task)


def told(evidence: ChainEvidence, events: list[Event]) -> ChainEvidence:
    """By an endpoint that says nothing else."""
    return replace(evidence, events=tuple(events), said=tuple(map(event_digest, events)))


def failed(player: Player, evidence: ChainEvidence) -> dict[tuple[int, str], str]:
    state = read_state(player.store, evidence)
    report = audit_task(evidence, state, fetch_from(player.store), published_codes())
    return {(line.number, line.subject): line.detail for line in report.lines if line.status is Status.FAIL}


def test_an_enrolment_whose_voucher_does_not_hold_is_found() -> None:
    player, evidence = played("vouchers")
    assert failed(player, evidence) == {}
    shown = [event for event in evidence.events if isinstance(event, VoucherShown)]
    assert len(shown) == len(player.households)
    first, other = shown[:2]
    changes: dict[str, Change] = {
        "showed no voucher": lambda _: (),
        "none for this address": lambda event: (replace(event, voucher=other.voucher),),
        "none for this address in": lambda event: (
            replace(event, voucher=event.voucher[:-1] + bytes([event.voucher[-1] ^ 1])),
        ),
        "voucher is none": lambda event: (replace(event, voucher=voucher_of(KEYS[1], player.domain, 1, event.client)),),
    }
    for said, change in changes.items():
        events = [one for event in evidence.events for one in (change(first) if event is first else (event,))]
        found = failed(player, told(evidence, events))
        subject = 4, f"client {to_hex(first.client)}"
        assert said in found[subject]
        others = {key for key in found if key != subject}
        assert {number for number, _ in others} <= {27}, "the task's word says so, too"


def test_a_voucher_where_none_is_needed_is_found() -> None:
    player, evidence = played("no vouchers", NO_VOUCHERS)
    assert failed(player, evidence) == {}
    enrolled = next(iter(read_state(player.store, evidence).enrolled.values()))
    said = VoucherShown(
        block=enrolled.block, log_index=enrolled.log_index, transaction=enrolled.transaction, task=player.task,
        client=enrolled.client, voucher=bytes(256),
    )  # fmt: skip
    events = [one for event in evidence.events for one in ((said, event) if event == enrolled else (event,))]
    found = failed(player, told(evidence, events))
    assert "needs none" in found[4, f"client {to_hex(enrolled.client)}"]


def test_a_key_that_proves_nothing_is_found() -> None:
    player, evidence = played("unproved vouchers", VoucherTerms(TERMS.modulus, TERMS.roots[::-1]))
    assert (3, f"task {player.task} spec") in failed(player, evidence)
