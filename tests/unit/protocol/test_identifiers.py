"""Addresses as people type them."""

from __future__ import annotations

import re

import pytest

from protocol.errors import MalformedError
from protocol.identifiers import checksummed, parse_address, to_hex

# the examples of EIP-55
RIGHT = [
    "0x52908400098527886E0F7030069857D2E4169EE7", "0xde709f2102306220921060314715629080e2fb77",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB", "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]  # fmt: skip


@pytest.mark.parametrize("text", RIGHT)
def test_capitals_are_the_checksum_or_no_matter_at_all(text: str) -> None:
    address = bytes.fromhex(text[2:])
    assert checksummed(address) == text
    for spelling in (text, text.lower(), "0x" + text[2:].upper()):
        assert parse_address(spelling) == address


@pytest.mark.parametrize("text", RIGHT[2:])
def test_a_mistyped_address_is_refused_and_the_right_capitals_named(text: str) -> None:
    swapped = "0x" + re.sub("[A-Fa-f]", lambda letter: letter[0].swapcase(), text[2:], count=1)
    with pytest.raises(MalformedError, match=text):
        parse_address(swapped)
    other_digit = text[:2] + ("1" if text[2] != "1" else "2") + text[3:]
    with pytest.raises(MalformedError, match=checksummed(bytes.fromhex(other_digit[2:]))):
        parse_address(other_digit)


@pytest.mark.parametrize(
    "text", ["", "0x", RIGHT[0][2:], RIGHT[0] + "0", RIGHT[0][:-1], "0X" + RIGHT[0][2:], RIGHT[0] + "\n",
             "0x" + "\u0661" * 40, "0x" + "g" * 40, "x" * 10_000, "\udcff", "hearth.eth"],
)  # fmt: skip
def test_anything_else_is_no_address(text: str) -> None:
    with pytest.raises(MalformedError, match="is no address"):
        parse_address(text)


def test_whoever_has_no_letter_in_it_has_no_capital() -> None:
    assert parse_address(to_hex(bytes(20))) == bytes(20)
