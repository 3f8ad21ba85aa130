"""The known answers of both suites (``encryption.md`` 3.9 and 7.2), by every arithmetic there is."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from protocol.encryption.committee import subsets, subsets_without
from protocol.encryption.fe64.compiled import Compiled as Fe64Compiled
from protocol.encryption.fe64.encoding import Fe64Encoding
from protocol.encryption.fe64.reference import Reference as Fe64Reference
from protocol.encryption.fe64.ring import inverse_ntt, multiply, public_block, switch_to_words
from protocol.encryption.fe64.suite import Arithmetic as Fe64Arithmetic
from protocol.encryption.graded import Graded
from protocol.encryption.pad.compiled import Compiled as PadCompiled
from protocol.encryption.pad.encoding import PadEncoding, pack_words
from protocol.encryption.pad.reference import Reference as PadReference
from protocol.encryption.pad.reference import stream
from protocol.encryption.pad.suite import Arithmetic as PadArithmetic
from protocol.encryption.pad.suite import Pad
from protocol.encryption.shares import derive

FE64_LABEL = hashlib.sha256(b"FE64 known-answer label").digest()
PAD_LABEL = hashlib.sha256(b"PAD known-answer label").digest()
NONCE, D = bytes(16), 10_000
VALUES = 6 * np.arange(D, dtype=np.int64) % 65536 - 32768


class Lopsided(Fe64Encoding):
    """Lets m = 0 pass, which no centred value becomes but the known answer has."""

    @property
    def largest(self) -> int:
        return 1 << (self.bits - 1)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("arithmetic", [Fe64Reference(), Fe64Compiled()])
def test_fe64(arithmetic: Fe64Arithmetic) -> None:
    secret = arithmetic.expand_sum([derive(bytes(range(32)), b"FE64/s", FE64_LABEL, NONCE)], [1])
    assert secret[:, 0].tolist() == [89028201, 77048485, 10091928]
    assert sha(secret.astype("<u4").tobytes()) == "58a9e85e5f58f6f0ee60355f9a8755a1052a2a6d0451b7f90c19c0b5eefdce62"
    body = arithmetic.encrypt(secret, FE64_LABEL, VALUES, Lopsided(16, 2), None)
    assert body[:8][::-1].hex() == "4aacd6a136d11ac2"
    assert sha(body) == "92ae3635fe8166937a7867f816cfc061465d9eb6d60745c9e88f5f748959e29a"


def test_fe64_public_elements_and_the_switch() -> None:
    secret = Fe64Reference().expand_sum([derive(bytes(range(32)), b"FE64/s", FE64_LABEL, NONCE)], [1])
    digests = [sha(public_block(FE64_LABEL, t).astype("<u4").tobytes()) for t in range(2)]
    assert digests == [
        "89f7f4d620ae1797a6df70fe74b5c98de4c311edb4d63d1f12db9fda03f07b46",
        "5c2d9914f28a2700d66b47d660c20d5594dc0b9852e37224a7f04a4a819a4120",
    ]
    words = switch_to_words(inverse_ntt(multiply(public_block(FE64_LABEL, 1), secret)))
    assert [f"{word:016x}" for word in words[:3]] == ["ea22ecf0fb75bf88", "e53bcef07274222c", "85451761a1446181"]
    assert sha(words.astype("<u8").tobytes()) == "3bab24f413c77bf93b5e5629b741f77bd42d375d514627389eb9fdb1e45f9c90"


def pad_keys(m: int, t: int) -> dict[tuple[int, ...], bytes]:
    return {subset: hashlib.sha256(b"PAD known-answer key" + bytes(subset)).digest() for subset in subsets(m, t)}


@pytest.mark.parametrize(
    ("width", "first", "in_second_block", "digest"),
    [
        (4, [2792015145, 1631630495, 1575222257], 1934556183,
         "2a1636083249e022081512169b19ca429c23e67f8cf7acff857b3bb1fb48f3ca"),
        (6, [198597784814889, 103233765859648, 251914087710162], 217789452798830,
         "d842ce4ae1eeb15acdf04c8b4969621834c8ba3734f6ed7e83c90e354746801e"),
    ],
)  # fmt: skip
def test_pad_stream(width: int, first: list[int], in_second_block: int, digest: str) -> None:
    key = derive(pad_keys(5, 2)[(1,)], b"PAD/main/1", PAD_LABEL, NONCE)
    words = stream(key, D, PadEncoding(16, width))
    assert words[:3].tolist() == first
    assert words[8192] == in_second_block
    assert sha(pack_words(words, width)) == digest


@pytest.mark.parametrize("arithmetic", [PadReference(), PadCompiled()])
@pytest.mark.parametrize(
    ("width", "m", "t", "digest"),
    [
        (4, 5, 2, "090b0831fecea085e38c5facfb13d839e171ddbf44d8c17712b97d02b3cb8779"),
        (4, 7, 3, "0a7b03ecb43c3c8ada474559746ffca9d41ad1c61e6c28dae87d6e43291dec4a"),
        (6, 5, 2, "dca9edd7890a5e830c99e4fbb1aa320e814b1f5a1ea03317d76f4fa80e897927"),
        (6, 7, 3, "e70862c1287fa4348fbc936beee347488f1b1883cac6715a63ee1943f8093569"),
    ],
)
def test_pad_ciphertext(arithmetic: PadArithmetic, width: int, m: int, t: int, digest: str) -> None:
    # -32768 is a value of 17 bits; the encoding of a ciphertext does not depend on how many there are
    body = Pad(Graded(arithmetic, lambda: arithmetic)).encrypt(
        pad_keys(m, t), PAD_LABEL, NONCE, VALUES, PadEncoding(17, width), bytes(32)
    )
    assert sha(body) == digest


@pytest.mark.parametrize("arithmetic", [PadReference(), PadCompiled()])
def test_pad_itself(arithmetic: PadArithmetic) -> None:
    body = Pad(Graded(arithmetic, lambda: arithmetic)).encrypt(
        pad_keys(5, 2), PAD_LABEL, NONCE, np.zeros(D, np.int64), PadEncoding(16, 4), bytes(32)
    )
    assert sha(body) == "4d878743dc5847b6969353100cc3cf3380952016faf5dbe410fbe5e06dcc09e9"


@pytest.mark.parametrize("arithmetic", [PadReference(), PadCompiled()])
@pytest.mark.parametrize(
    ("width", "m", "t", "j", "digest"),
    [
        (4, 5, 2, 1, "9cae7060b5e30313c5302b07945db6baea2f0f0c752009c7a4576d26ead8212a"),
        (4, 5, 2, 5, "2dd16073569da16ad0aff269ff246ad0aa603a68ed183ffed378912a47e30334"),
        (6, 7, 3, 7, "bfd62bd7a4616dea49112f941ff0717d16c16870d41afbdf669d0f2aaa58394d"),
    ],
)
def test_pad_share(arithmetic: PadArithmetic, width: int, m: int, t: int, j: int, digest: str) -> None:
    share = {subset: key for subset, key in pad_keys(m, t).items() if subset in subsets_without(m, t, j)}
    data = Pad(Graded(arithmetic, lambda: arithmetic)).partial_key(
        j, m, t, PAD_LABEL, [(share, NONCE, 1)], PadEncoding(16, width), D
    )
    assert sha(data) == digest
