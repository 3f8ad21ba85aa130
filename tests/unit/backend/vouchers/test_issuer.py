"""One code, one signature: whatever is asked, by whomever, and wherever the server was killed.

given a code of the task's key
    when a phone shows a blinded value for it
        should sign that value, and sign it again when asked again
    when another value is shown for it
        should refuse, also in a later life of the server and when both come at one time
given a code of another key, or of none
    when it is shown
        should refuse, and keep nothing
given a server that is killed between record and answer
    when the same value comes again
        should answer as it would have
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from backend.vouchers.codes import is_code, new_codes
from backend.vouchers.issuer import CodeRedeemed, Issuer, RedeemError, key_path, make_key
from backend.vouchers.key_file import VoucherKeyError, read_key, write_key
from protocol.errors import HearthError, Party
from protocol.identifiers import sha256
from protocol.messages.vouchers import NO_VOUCHERS, VoucherRequest
from protocol.randomness import SeededRandomness
from protocol.vouchers.blinding import VoucherError
from protocol.vouchers.permutation import EXPONENT, check_key
from storage.records.interface import Change, RecordsError
from storage.records.memory import MemoryRecords
from tests.voucher_keys import KEYS

PASSWORD = "a password of tests"
OURS, THEIRS = KEYS
TERMS = OURS.terms()
ONE, OTHER = (number.to_bytes(256) for number in (12345, 67890))


class KilledRecords(MemoryRecords):
    """Dies once, after an entry was written."""

    killed = False

    def append(self, change: Change, after: int) -> None:
        super().append(change, after)
        if not self.killed:
            self.killed = True
            raise RecordsError("killed")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_key(key_path(tmp_path, TERMS), OURS, PASSWORD)
    return tmp_path


def issuer(folder: Path, records: MemoryRecords | None = None) -> Issuer:
    return Issuer(folder, PASSWORD, records or MemoryRecords(), SeededRandomness(b"issuer"))


def codes(count: int = 1, seed: bytes = b"codes") -> list[bytes]:
    return list(new_codes(OURS, count, SeededRandomness(seed)))


def refusal(one: Issuer, code: bytes, blinded: bytes = ONE) -> str:
    with pytest.raises(HearthError) as refused:
        one.redeem(TERMS, VoucherRequest(code, blinded))
    return refused.value.code


def test_a_code_brings_one_signature(folder: Path) -> None:
    records, (code,) = MemoryRecords(), codes()
    signed = issuer(folder, records).redeem(TERMS, VoucherRequest(code, ONE))
    assert pow(int.from_bytes(signed.signature), EXPONENT, OURS.modulus) == 12345
    later = issuer(folder, records)
    assert later.redeem(TERMS, VoucherRequest(code, ONE)) == signed, "whoever lost the answer asks again"
    assert refusal(later, code, OTHER) == "E_VOUCHER_SPENT"
    assert later.redeemed(TERMS) == 1
    assert list(records.read((CodeRedeemed,))) == [CodeRedeemed(TERMS.key, sha256(code), sha256(ONE))]


def test_of_two_values_at_one_time_one_is_signed(folder: Path) -> None:
    records, found = MemoryRecords(), list[bool]()
    processes = [issuer(folder, records), issuer(folder, records)]
    for code in codes(8):

        def asked(place: int, code: bytes = code) -> bool:
            try:
                processes[place].redeem(TERMS, VoucherRequest(code, (ONE, OTHER)[place]))
            except RedeemError:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            found.append(sum(pool.map(asked, (0, 1))) == 1)
    assert found == [True] * 8


def test_a_kill_between_record_and_answer_loses_nothing(folder: Path) -> None:
    records, (code,) = KilledRecords(), codes()
    with pytest.raises(RecordsError):
        issuer(folder, records).redeem(TERMS, VoucherRequest(code, ONE))
    again = issuer(folder, records)
    assert refusal(again, code, OTHER) == "E_VOUCHER_SPENT"
    again.redeem(TERMS, VoucherRequest(code, ONE))


def test_other_codes_bring_none(folder: Path) -> None:
    records, (code,) = MemoryRecords(), codes()
    one = issuer(folder, records)
    others = [next(new_codes(THEIRS, 1, SeededRandomness(b"codes"))), bytes(20), code[::-1]]
    others += [bytes([code[0] ^ 1]) + code[1:], code[:-1] + bytes([code[-1] ^ 1])]
    assert {refusal(one, other) for other in others} == {"E_VOUCHER_CODE"}
    with pytest.raises(VoucherError) as refused:
        one.redeem(TERMS, VoucherRequest(code, bytes(256)))
    assert refused.value.fault is Party.CLIENT
    assert not list(records.read((CodeRedeemed,))), "what cannot be signed spends no code"


def test_codes_differ_and_are_of_one_key() -> None:
    made = codes(200)
    assert len(set(made)) == 200
    assert all(is_code(OURS, code) and not is_code(THEIRS, code) for code in made)
    assert not set(made) & set(codes(200, b"another run"))


def test_a_task_of_another_key_has_no_codes_here(folder: Path) -> None:
    one, (code,) = issuer(folder), codes()
    for terms in (THEIRS.terms(), NO_VOUCHERS):
        with pytest.raises(RedeemError) as refused:
            one.redeem(terms, VoucherRequest(code, ONE))
        assert refused.value.code == "E_NOT_FOUND"


def test_a_key_file_opens_by_its_password_alone(folder: Path) -> None:
    path = key_path(folder, TERMS)
    assert read_key(path, PASSWORD) == OURS
    assert path.stat().st_mode & 0o777 == 0o600
    assert f"{OURS.p:x}"[:40].encode() not in path.read_bytes()
    with pytest.raises(FileExistsError):
        write_key(path, OURS, PASSWORD)
    with pytest.raises(VoucherKeyError):
        read_key(path, "another one")
    with pytest.raises(VoucherKeyError):
        write_key(folder / "new", OURS, "")
    with pytest.raises(VoucherKeyError, match="Passwords longer"):
        write_key(folder / "new", OURS, "x" * 1024)
    assert not (folder / "new").exists()
    for content in (b"", b"-----BEGIN PRIVATE KEY-----\n", b"x" * 20_000):
        path.write_bytes(content)
        with pytest.raises(VoucherKeyError):
            read_key(path, PASSWORD)


def test_a_new_key_is_one_that_a_task_can_have(tmp_path: Path) -> None:
    one, terms = issuer(tmp_path), make_key(tmp_path, PASSWORD)
    assert one.terms_of(terms.key) == terms and one.terms_of(TERMS.key) is None
    check_key(terms)
    code = next(new_codes(read_key(key_path(tmp_path, terms), PASSWORD), 1, SeededRandomness(b"code")))
    assert one.redeem(terms, VoucherRequest(code, ONE)) == one.redeem(terms, VoucherRequest(code, ONE))
