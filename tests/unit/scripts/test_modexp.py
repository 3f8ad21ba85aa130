"""Prices of the precompile, by the test cases of their EIPs.

given sizes and exponent of a test case of EIP-7883
    when its price is asked for
        should be the EIP's, before and after
given a voucher
    when it is verified
        should cost 32,768 at Osaka
"""

from __future__ import annotations

import pytest

from scripts.bench.modexp import VOUCHER, berlin_price, osaka_price

# https://eips.ethereum.org/EIPS/eip-7883: the cases of nagydani, with moduli of 64 to 1,024 bytes
SIZES = {1: 64, 2: 128, 3: 256, 4: 512, 5: 1024}
CASES = {
    1: ((200, 500), (200, 500), (341, 2048)),
    2: ((200, 512), (200, 512), (1365, 8192)),
    3: ((341, 2048), (341, 2048), (5461, 32768)),
    4: ((1365, 8192), (1365, 8192), (21845, 131072)),
    5: ((5461, 32768), (5461, 32768), (87381, 524288)),
}


@pytest.mark.parametrize("case", CASES)
def test_should_cost_what_the_eips_say(case: int) -> None:
    size = SIZES[case]
    for (length, exponent), (before, after) in zip(((1, 2), (1, 3), (3, 0x10001)), CASES[case], strict=True):
        assert berlin_price(size, size, length, exponent) == before
        assert osaka_price(size, size, length, exponent) == after


def test_should_count_the_bits_of_a_long_exponent_twice_as_dearly() -> None:
    """marcin_3_exp_heavy: 24 bytes of base and modulus, 40 of the exponent, all bits set."""
    assert berlin_price(24, 24, 40, 2**256 - 1) == 957
    assert osaka_price(24, 24, 40, 2**256 - 1) == 6128
    assert osaka_price(32, 32, 0, 0) == osaka_price(1, 1, 1, 1) == 500


def test_a_voucher_costs_six_times_as_much_at_osaka() -> None:
    assert (berlin_price(*VOUCHER), osaka_price(*VOUCHER)) == (5461, 32768)
