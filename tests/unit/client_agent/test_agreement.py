"""A folder works for the task that its owner agreed to, and for no other; the word is kept with what was shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from client_agent.agreement import ENROL, WITHOUT_GUARANTEE, Agreement
from client_agent.binding import FolderBoundError, TaskBinding
from client_agent.consent import Disclosure, disclose
from client_agent.journal import AgentJournal
from client_agent.privacy.ledger import HOME, Spending
from protocol.canonical import decode
from protocol.domain import Domain
from protocol.errors import Party, PolicyError, VerificationError
from protocol.identifiers import sha256
from protocol.messages.consent import Consent
from protocol.signing import verify
from protocol.task.limits import CohortLimits
from storage.ledger.signer import Signer
from storage.records.memory import MemoryRecords
from tests.samples import DOMAIN, private_key, sample_policy, sample_spec, with_terms
from tests.unit.client_agent.scene_phone import Phone
from tests.unit.client_agent.scene_server import PHONE, PlayedServer

BOUND = TaskBinding.of(DOMAIN, 1, b"\5" * 32)
DIGEST = b"\1" * 32
LIMITS = sample_policy().privacy


def _agreement(records: MemoryRecords, signer: Signer = PHONE) -> Agreement:
    return Agreement(DOMAIN, signer, AgentJournal(records), lambda _: None, lambda _: True)


def _agreed(signer: Signer = PHONE) -> MemoryRecords:
    records, consent = MemoryRecords(), Consent(1, PHONE.address, BOUND.spec, DIGEST, DIGEST)
    AgentJournal(records).keep_consent(BOUND, HOME, consent, signer.sign(DOMAIN, consent), {})
    return records


def test_the_task_that_was_agreed_to_goes_on() -> None:
    _agreement(_agreed()).check(BOUND)


@pytest.mark.parametrize("field", ["chain_id", "ledger", "task", "spec"])
def test_a_second_task_in_the_same_folder_is_refused(field: str) -> None:
    value = getattr(BOUND, field)
    changed: dict[str, Any] = {field: value + 1 if isinstance(value, int) else bytes(len(value))}
    other = replace(BOUND, **changed)
    with pytest.raises(FolderBoundError, match=f"bound to {field} "):
        _agreement(_agreed()).check(other)


def test_another_account_in_the_same_folder_is_refused() -> None:
    with pytest.raises(FolderBoundError, match="account"):
        _agreement(_agreed(), Signer(private_key("somebody else"))).check(BOUND)


def test_keys_without_a_consent_are_not_taken_over() -> None:
    records = MemoryRecords()
    AgentJournal(records).keep_keys({(1,): b"\1" * 32})
    with pytest.raises(FolderBoundError):
        _agreement(records).check(BOUND)


def test_a_consent_that_the_account_did_not_sign_is_none() -> None:
    told = mock.Mock()
    with mock.patch("client_agent.agreement.as_text", return_value=""), pytest.raises(VerificationError):
        _agreement(_agreed(Signer(private_key("somebody else")))).obtain(BOUND, told)


def test_a_consent_to_another_text_is_none() -> None:
    records, consent = MemoryRecords(), Consent(1, PHONE.address, BOUND.spec, DIGEST, DIGEST)
    shown = {"consent.txt": b"something else"}
    AgentJournal(records).keep_consent(BOUND, HOME, consent, PHONE.sign(DOMAIN, consent), shown)
    with mock.patch("client_agent.agreement.as_text", return_value=""), pytest.raises(VerificationError, match="text"):
        _agreement(records).obtain(BOUND, mock.Mock())


def test_what_was_shown_is_kept_and_signed(tmp_path: Path) -> None:
    server, asked = PlayedServer(), list[str]()
    phone = Phone(server, tmp_path)

    def agree(question: str) -> bool:
        asked.append(question)
        return True

    phone.agent.agreement.agree = agree
    phone.steps(60)
    journal = phone.agent.journal
    kept = journal.consented
    assert kept is not None
    assert len(asked) == 1
    posted = phone.agent.followed.state.posted
    assert posted is not None
    assert kept.binding == TaskBinding.of(server.chain.domain, 1, posted.terms.spec)
    verify(server.chain.domain, kept.consent, kept.signature, PHONE.address, Party.OURS)
    assert kept.consent.spec == posted.terms.spec
    assert kept.consent.text == sha256(journal.shown("consent.txt"))
    assert journal.shown("consent.txt").decode() == phone.told[0]
    assert kept.consent.facts == sha256(journal.shown("consent.json"))
    assert decode(Disclosure, journal.shown("consent.json")).title == server.spec.title


@pytest.mark.parametrize(("answers", "agreed"), [((True, True), True), ((True, False), False), ((False,), False)])
def test_a_task_without_a_guarantee_asks_for_a_consent_of_its_own(answers: tuple[bool, ...], agreed: bool) -> None:
    spec = sample_spec()
    spec = replace(spec, learning=with_terms(spec.learning, noise_multiplier_micro=0))
    agreement, left, asked = _agreement(MemoryRecords()), list(answers), list[str]()

    def agree(question: str) -> bool:
        asked.append(question)
        return left.pop(0)

    agreement.agree = agree
    assert agreement.obtain(BOUND, disclose(spec, BOUND, 7, HOME, Spending(), LIMITS)) is agreed
    assert asked == [WITHOUT_GUARANTEE, ENROL][: len(answers)]
    assert (agreement.journal.consented is not None) is agreed


def test_a_later_start_does_not_ask_again(tmp_path: Path) -> None:
    phone = Phone(PlayedServer(), tmp_path)
    phone.steps(60)
    phone.start()
    phone.agent.agreement.agree = lambda _: False
    phone.steps(60)
    assert phone.agent.agreed


@pytest.mark.parametrize("enrolled", [False, True])
def test_a_changed_spec_never_passes_on_an_old_consent(enrolled: bool, tmp_path: Path) -> None:
    """Not even before the enrolment: the phone was killed right after its owner's word."""
    first = Phone(PlayedServer(), tmp_path)
    first.agent.step()
    if enrolled:
        first.steps(60)
    changed = PlayedServer(confirmations=1)
    second = Phone(changed, tmp_path, first.records)
    with pytest.raises(FolderBoundError, match="spec"):
        second.steps(60)
    assert len(changed.chain.events()) == 3, "the task and the other clients"


def test_a_folder_is_bound_to_its_chain(tmp_path: Path) -> None:
    first = Phone(PlayedServer(), tmp_path)
    first.steps(60)
    first.server.chain.domain = Domain(1, DOMAIN.ledger)
    with pytest.raises(FolderBoundError, match="chain_id"):
        Phone(first.server, tmp_path, first.records).steps(60)


def test_an_endpoint_that_calls_the_phone_enrolled_gets_no_enrolment_past_the_policy(tmp_path: Path) -> None:
    """Whoever takes that lie back after the consent would have an enrolment, and its stake, without a check."""
    server = PlayedServer()
    phone = Phone(server, tmp_path)
    phone.policy = replace(sample_policy(), cohort=CohortLimits())
    phone.start()
    server.chain.enrol(PHONE.address)
    with pytest.raises(PolicyError, match="cohort"):
        phone.steps(60)
    assert phone.agent.journal.consented is None
