"""What a person may write into a TOML file of ours, and what is said of everything else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import pytest

from protocol.errors import MalformedError, SpecError
from protocol.identifiers import Address, Amount, Range, checksummed
from protocol.strict_toml import MAX_TOML_BYTES, TomlFile, parse_toml

ADDRESS = bytes(range(100, 120))
Share = Annotated[int, Range(1, 1_000_000)]


@dataclass(frozen=True)
class Inner:
    share_ppm: Share = 200_000
    amount: Amount = 0
    holder: Address | None = None

    def __post_init__(self) -> None:
        if self.amount == 13:
            raise SpecError("inner.amount", "13 brings bad luck")


@dataclass(frozen=True)
class Shape:
    kind: Annotated[str, Range(1, 10)]
    sizes: dict[str, int]


@dataclass(frozen=True)
class File:
    name: Annotated[str, Range(1, 10)]
    inner: Inner
    shapes: Annotated[tuple[Shape, ...], Range(0, 2)] = ()
    wanted: bool = False
    other: Inner = field(default_factory=Inner)


def parsed(text: str) -> File:
    return parse_toml(File, text.encode(), "file")


def test_units_lists_and_what_may_be_left_out() -> None:
    text = (
        f'name = "Küche"\nshapes = [{{ kind = "box", height = 3 }}]\n[inner]\nshare = 0.5\nholder = "0x{ADDRESS.hex()}"'
    )
    assert parsed(text) == File("Küche", Inner(500_000, 0, ADDRESS), (Shape("box", {"height": 3}),))
    assert parsed('\ufeffname = "a"\r\n[inner]\r\n') == File("a", Inner())


@pytest.mark.parametrize("amount", [2**128 - 1, 10**30 + 1])
def test_amounts_keep_every_digit(amount: int) -> None:
    assert parsed(f'name = "a"\n[inner]\namount = {amount}').inner.amount == amount


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('nam = "a"', "line 1: nam: is not known here; did you mean name?"),
        ('name = "a"\n[iner]', "line 2: iner: is not known here; did you mean inner?"),
        ('name = "a"\n\n[inner]\nShare = 0.1', "line 4: inner.Share: is not known here; did you mean share?"),
        ('name = "a"\n[inner]\nxyz = 1', "line 3: inner.xyz: is not known here; known are share, amount, holder"),
        ('name = "a"', "inner: the table is missing"),
        ("[inner]", "name: is missing"),
        ('name = "a"\n[inner]\namount = true', "line 3: inner.amount: true where a whole number belongs"),
        ('name = "a"\n[inner]\namount = 1.0', "line 3: inner.amount: 1.0 where a whole number belongs"),
        ('name = "a"\n[inner]\nshare = "1"', 'line 3: inner.share: "1" where a number belongs'),
        ('name = "a"\n[inner]\nshare = 2026-01-01', "line 3: inner.share: 2026-01-01 where a number belongs"),
        ('name = "a"\n[inner]\nshare = 1.5', "line 3: inner.share: 1.5 is not between 0.000001 and 1"),
        ('name = "a"\n[inner]\nshare = 0.12345600000000000000000000000000001', "has more than 6 decimals"),
        ('name = "a"\n[inner]\nshare = 1e-9999999', "line 3: inner.share: 1E-9999999 has more than 6 decimals"),
        ('name = "a"\n[inner]\nshare = 1e9999999', "line 3: inner.share: 1E+9999999 is out of range"),
        ('name = "a"\n[inner]\namount = 13', "line 3: inner.amount: 13 brings bad luck"),
        ('name = "a\\tb"\n[inner]', "line 1: name: character 2, U+0009, is a line end or control character"),
        ('name = "a\u202eb"\n[inner]', "line 1: name: character 2, U+202E, is a mark that turns or hides text"),
        ('name = ""\n[inner]', "line 1: name: 0 characters where 1 to 10 belong"),
        (
            'name = "a"\nshapes = [\n{ kind = "b", x = 1 },\n{ kin = "b" }]\n[inner]',
            "line 4: shapes[1].kin: is not known",
        ),
        ('name = "a"\nshapes = [\n{ kind = "b", x = true }]\n[inner]', "line 3: shapes[0].x: true where"),
        ('name = "a"\nshapes = [1, 2, 3]\n[inner]', "line 2: shapes: 3 entries where 0 to 2 belong"),
        ('name = "a"\nwanted = 1\n[inner]', "line 2: wanted: 1 where true or false belongs"),
        ('name = "a"\nname = "b"', "line 2, column 11"),
        ("x = " + "[" * 100 + "]" * 100, "file: brackets within brackets"),
        ('name = "a"\n[inner]\namount = 1' + "0" * 5000, "file, line 3: a number of more than 1000 digits"),
        ("#" * (MAX_TOML_BYTES + 1), "larger than"),
    ],
)
def test_what_cannot_stand_is_named_with_line_entry_and_reason(text: str, said: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parsed(text)
    assert said in str(caught.value.args[0])


def test_capitals_of_an_address_are_checked_and_the_right_ones_named() -> None:
    right = checksummed(ADDRESS)
    assert parsed(f'name = "a"\n[inner]\nholder = "{right}"').inner.holder == ADDRESS
    place = next(number for number, one in enumerate(right) if one.isalpha() and number > 1)
    wrong = f"{right[:place]}{right[place].swapcase()}{right[place + 1 :]}"
    with pytest.raises(MalformedError, match=rf"line 3: inner\.holder: .*{right}"):
        parsed(f'name = "a"\n[inner]\nholder = "{wrong}"')


def test_other_encodings_are_refused_with_the_line() -> None:
    with pytest.raises(MalformedError, match="file, line 2: not a text in UTF-8"):
        TomlFile('# one\nname = "Küche"'.encode("latin-1"), "file")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[task]\na = 1\n[task]\n", "line 3, column 6: Cannot declare task twice"),
        ("[a.b]\n[a.b]\n", "Cannot declare a.b twice"),
        ("a = \n", "line 1, column 5: Invalid value"),
    ],
)
def test_what_is_no_toml_is_said_in_plain_words(text: str, said: str) -> None:
    with pytest.raises(MalformedError) as refused:
        TomlFile(text.encode(), "task.toml")
    assert said in str(refused.value) and "(" not in str(refused.value).partition("): ")[2]
