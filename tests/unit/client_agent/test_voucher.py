"""A phone's voucher: when it is redeemed, what it may lose, and why a task without one is not joined.

given a task that needs vouchers, and a code
    when the phone steps on
        should redeem at one drawn instant of the enrolment window and show at a later one
    when it is killed anywhere
        should show the manufacturer the same value, and keep one plan
    when no server answers
        should ask again later
given no code, or one that is spent, or a signature of something else
    when the phone wants to join
        should refuse, and say why
given a key whose proof is wrong
    when the phone plans
        should refuse before anything is sent
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from client_agent.edge_client import EdgeClient, EdgeRefusedError, EdgeUnavailableError
from client_agent.journal import AgentJournal
from client_agent.voucher import PATIENCE_SECONDS, PhoneVoucher, VoucherMissingError
from protocol.domain import Domain
from protocol.errors import Party, VerificationError
from protocol.messages.task import TaskSpec
from protocol.messages.vouchers import VoucherRequest, VoucherTerms
from protocol.randomness import SeededRandomness
from protocol.vouchers.blinding import VoucherError
from storage.records.memory import MemoryRecords
from tests.samples import client_address, sample_spec
from tests.voucher_keys import KEYS, voucher_of

DOMAIN, CLIENT, CODE = Domain(1, b"\1" * 20), client_address(1), b"\7" * 20
NOW, UNTIL = 1_000, 1_000 + 3_600
SPEC = replace(sample_spec(), vouchers=KEYS[0].terms())


class PlayedIssuer:
    """In the place of the edge client."""

    def __init__(self) -> None:
        self.asked, self.trouble = list[VoucherRequest](), cast("Exception | None", None)
        self.key = KEYS[0]

    def redeem(self, task: int, request: VoucherRequest) -> bytes:
        assert task == 1
        self.asked.append(request)
        if self.trouble is not None:
            raise self.trouble
        return self.key.sign(request.blinded, SeededRandomness(b"mask"))


class Phone:
    def __init__(self, seed: bytes = b"life", code: bytes = CODE) -> None:
        self.records, self.issuer, self.code = MemoryRecords(), PlayedIssuer(), code
        self.told = list[str]()
        self.start(seed)

    def start(self, seed: bytes) -> None:
        self.journal = AgentJournal(self.records)
        self.voucher = PhoneVoucher(
            DOMAIN, 1, CLIENT, self.code, cast(EdgeClient, self.issuer), self.journal, SeededRandomness(seed),
            self.told.append,
        )  # fmt: skip

    def step(self, now: float, spec: TaskSpec = SPEC) -> float | None:
        return self.voucher.step(spec, UNTIL, int(now))


def test_it_redeems_at_one_instant_and_shows_at_a_later_one() -> None:
    plans = set[tuple[int, int]]()
    for number in range(20):
        phone = Phone(b"phone %d" % number)
        redeem_at = phone.step(NOW)
        assert redeem_at is not None and not phone.issuer.asked, "nothing before"
        if redeem_at > NOW:
            assert phone.step(redeem_at - 1) == redeem_at
        show_at = phone.step(redeem_at)
        assert len(phone.issuer.asked) == 1
        assert show_at is None or phone.step(show_at - 1) == show_at
        assert phone.step(show_at or redeem_at) is None
        assert phone.journal.voucher == voucher_of(KEYS[0], DOMAIN, 1, CLIENT)
        plans.add((int(redeem_at), int(show_at or redeem_at)))
    assert all(NOW <= redeem_at <= show_at < NOW + 2_700 for redeem_at, show_at in plans)
    assert len({redeem_at for redeem_at, _ in plans}) > 15 < len({show_at - at for at, show_at in plans})
    assert min(plans)[0] < NOW + 600 and max(show_at for _, show_at in plans) > NOW + 2_100


def test_a_killed_phone_shows_the_same_value() -> None:
    phone = Phone()
    planned = phone.step(NOW)
    phone.start(b"another life")
    assert phone.step(NOW) == planned
    phone.issuer.trouble = EdgeUnavailableError("away")
    assert phone.step(UNTIL) == UNTIL + PATIENCE_SECONDS
    phone.start(b"a third life")
    phone.issuer.trouble = None
    assert phone.step(UNTIL) is None
    first, second = phone.issuer.asked
    assert first == second == VoucherRequest(CODE, first.blinded)
    phone.start(b"a fourth life")
    assert phone.step(NOW) is not None, "what it planned holds, whatever the time seems to be"
    assert phone.step(UNTIL) is None and len(phone.issuer.asked) == 2


def test_a_server_that_is_away_is_told_once() -> None:
    phone = Phone()
    phone.issuer.trouble = EdgeUnavailableError("away")
    for _ in range(3):
        assert phone.step(UNTIL) == UNTIL + PATIENCE_SECONDS
    assert len(phone.told) == 1 and "goes on asking" in phone.told[0]


def test_who_comes_late_does_not_wait() -> None:
    phone = Phone()
    assert phone.step(UNTIL + 5) is None
    assert len(phone.issuer.asked) == 1


def test_a_task_without_vouchers_asks_for_nothing() -> None:
    phone = Phone(code=b"")
    plain = sample_spec()
    phone.voucher.check(plain)
    assert phone.step(NOW, plain) is None and phone.journal.voucher_plan is None


def test_without_a_code_there_is_no_place() -> None:
    phone = Phone(code=b"")
    with pytest.raises(VoucherMissingError, match="invitation that came with the appliance"):
        phone.voucher.check(SPEC)
    with pytest.raises(VoucherMissingError):
        phone.step(NOW)


@pytest.mark.parametrize("code", ["E_VOUCHER_SPENT", "E_VOUCHER_CODE"])
def test_a_code_that_is_refused_is_the_end(code: str) -> None:
    phone = Phone()
    phone.issuer.trouble = EdgeRefusedError("the server's words", code=code)
    with pytest.raises(VoucherMissingError, match="the server's words") as refused:
        phone.step(UNTIL)
    assert refused.value.code == code, "whoever has words of their own for it knows which one"


def test_a_signature_of_something_else_is_refused() -> None:
    phone = Phone()
    phone.issuer.key = KEYS[1]
    with pytest.raises((VoucherError, VerificationError)) as refused:
        phone.step(UNTIL)
    assert refused.value.fault in (Party.MANUFACTURER, Party.CLIENT) and phone.journal.voucher is None


def test_a_key_without_its_proof_is_refused_before_anything_is_sent() -> None:
    terms = KEYS[0].terms()
    unproved = VoucherTerms(terms.modulus, (terms.roots[1], terms.roots[0], *terms.roots[2:]))
    phone = Phone()
    with pytest.raises(VerificationError, match="proves nothing"):
        phone.step(NOW, replace(SPEC, vouchers=unproved))
    assert not phone.issuer.asked and phone.journal.voucher_plan is None


def test_an_owner_who_does_not_want_to_wait_need_not() -> None:
    phone = Phone()
    phone.voucher.plan_now(SPEC, NOW)
    assert phone.step(NOW) is None and phone.journal.voucher is not None
