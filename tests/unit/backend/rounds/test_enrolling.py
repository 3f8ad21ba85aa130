"""What an edge server relays of an enrolment in a task that needs vouchers, and in one that needs none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from backend.rounds.desk_error import DeskError
from backend.rounds.enrolling import check_enrolment
from protocol.errors import VerificationError
from protocol.identifiers import ZERO_DIGEST
from protocol.messages.chain import TaskPosted
from protocol.messages.submission import Enrolment, SignedEnrolment
from protocol.messages.task import TaskSpec
from protocol.round.planning import terms_of
from protocol.task.documents import Absent, Lack
from storage.ledger.signer import Signer
from tests.samples import DOMAIN, client_address, private_key, sample_spec
from tests.voucher_keys import KEYS, voucher_of

CLIENT = Signer(private_key("client", 0))
NEEDING = replace(sample_spec(), vouchers=KEYS[0].terms())
OWN = voucher_of(KEYS[0], DOMAIN, 1, CLIENT.address)


def posted(spec: TaskSpec) -> TaskPosted:
    return TaskPosted(
        block=1, log_index=0, transaction=ZERO_DIGEST, task=1, manufacturer=bytes(20), terms=terms_of(spec), escrow=1,
        enrol_until=10, task_until=100, claim_until=1_000,
    )  # fmt: skip


def check(spec: TaskSpec, voucher: bytes = b"", known: Any = None) -> None:
    terms, own = terms_of(spec), CLIENT.address
    said = Enrolment(1, terms.spec, own, own, b"\1" * 32, 0, 1_000, 50)
    signed = SignedEnrolment(said, CLIENT.sign(DOMAIN, said), voucher)
    check_enrolment(DOMAIN, spec if known is None else known, posted(spec), signed, 5)


def test_an_enrolment_brings_its_voucher_or_none() -> None:
    check(NEEDING, OWN)
    check(sample_spec())


@pytest.mark.parametrize(
    "voucher", [b"", bytes(256), OWN[:-1], voucher_of(KEYS[0], DOMAIN, 1, client_address(1)),
                voucher_of(KEYS[0], DOMAIN, 2, CLIENT.address), voucher_of(KEYS[1], DOMAIN, 1, CLIENT.address)],
)  # fmt: skip
def test_another_voucher_is_not_relayed(voucher: bytes) -> None:
    with pytest.raises(VerificationError, match="voucher"):
        check(NEEDING, voucher)


def test_a_voucher_where_none_is_needed_is_not_relayed() -> None:
    with pytest.raises(VerificationError, match="needs no voucher"):
        check(sample_spec(), OWN)


def test_a_spec_that_cannot_be_read_yet_is_waited_for() -> None:
    with pytest.raises(DeskError) as refused:
        check(NEEDING, OWN, Absent(ZERO_DIGEST, Lack.AWAITED, bytes(20)))
    assert refused.value.code == "E_STARTING"
