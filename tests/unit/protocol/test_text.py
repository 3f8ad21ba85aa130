"""Text from outside: what a message carries, and how it is shown; no text hides, turns or imitates."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.canonical import decode, encode
from protocol.errors import MAX_MESSAGE, HearthError, MalformedError
from protocol.text import MAX_MARKS, is_line, refused_in, shown
from tests.samples import sample_spec

SPEC = sample_spec()
BEYOND_ASCII = st.text(st.characters(min_codepoint=0x80), min_size=1, max_size=120)
ANY = st.one_of(st.text(max_size=200), BEYOND_ASCII)


@dataclass(frozen=True, slots=True)
class Named:
    numbers: dict[str, int]


@pytest.mark.parametrize("title", ["Küche", "Кухня у окна", "厨房：用电量", "مطبخ", "रसोई", "2ª fase, 3 m²", "café 🍳"])
def test_titles_of_the_world_come_back_as_they_were(title: str) -> None:
    spec = replace(SPEC, title=title)
    assert encode(spec).isascii()
    assert decode(type(spec), encode(spec)).title == title


@pytest.mark.parametrize(
    "code",
    ["\n", "\r", "\t", "\0", "\x1b[2J", "\x7f", "\x85", "\x9b2J", "\u2028", "\u2029", "\ud800", "\ue000", "\uffff"],
)
def test_controls_and_line_ends_are_refused(code: str) -> None:
    with pytest.raises(MalformedError, match=r"title: .* is not one line"):
        encode(replace(SPEC, title=f"a{code}b"))
    escaped = "".join(f"\\u{ord(one):04x}" for one in code).encode()
    with pytest.raises(MalformedError):
        decode(type(SPEC), encode(SPEC).replace(b'"title":"', b'"title":"' + escaped))


@pytest.mark.parametrize("title", ["Küche", "厨房：用电量", "مطبخ", "می‌خواهم", "👩‍👩‍👧", "\u00a0", " "])
def test_what_people_can_read_is_taken_as_a_name(title: str) -> None:
    assert refused_in(title) is None


@pytest.mark.parametrize("code", ["\n", "\x1b", "\x9b", "\u2028", "\u202e", "\u2066", "\u200f", "\ufeff", "\u200b"])
def test_what_turns_hides_or_commands_is_no_name(code: str) -> None:
    said = refused_in(f"a{code}b")
    assert said is not None and said.startswith(f"character 2, U+{ord(code):04X}, is ")
    assert said.isprintable()


def test_names_in_a_mapping_are_text_too() -> None:
    with pytest.raises(MalformedError, match="not one line"):
        encode(Named({"a\nb": 1}))


@given(ANY)
def test_every_text_is_refused_or_comes_back(text: str) -> None:
    if is_line(text):
        value = Named({text: 1})
        assert decode(Named, encode(value)) == value
    else:
        with pytest.raises(MalformedError):
            encode(Named({text: 1}))


@given(ANY)
def test_what_is_shown_is_one_printable_line(text: str) -> None:
    line = shown(text)
    assert line.isprintable()
    assert len(line) <= 10 * len(text)
    assert shown(line) == line
    assert len([one for one in line if unicodedata.bidirectional(one) in ("LRE", "RLE", "LRO", "RLO", "PDF")]) == 0


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert shown(text) == text


@given(st.text(st.characters(categories=["Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"]), min_size=1))
def test_what_has_no_glyph_is_shown_by_its_number(text: str) -> None:
    assert shown(text) == "".join(f"[U+{ord(one):04X}]" for one in text)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("budget 8\u202e000", "budget 8[U+202E]000"),
        ("a\u2066b\u200d\u200b\ufeffc", "a[U+2066]b[U+200D][U+200B][U+FEFF]c"),
        ("\u3164\u2800x\ufe0f", "[U+3164][U+2800]x[U+FE0F]"),
        ("p\u0430ypal", "p[U+0430]ypal"),  # one Cyrillic letter in a Latin word
        ("\u0440\u0430\u0443", "[U+0440][U+0430][U+0443]"),  # a Cyrillic word that could be a Latin one
        ("\u041a\u0443\u0445\u043d\u044f", "\u041a\u0443\u0445\u043d\u044f"),  # one that could not
        ("\u0395\u03bb\u03bb\u03ac\u03b4\u03b1", "\u0395\u03bb\u03bb\u03ac\u03b4\u03b1"),
        ("\uff50\U0001d41a\u1d00", "[U+FF50][U+1D41A][U+1D00]"),
        ("\u13e3\u13b3\u13a9", "[U+13E3][U+13B3][U+13A9]"),
        ("e" + "\u0301" * (MAX_MARKS + 1), "e" + "\u0301" * MAX_MARKS + "[U+0301]"),
    ],
)
def test_what_hides_turns_or_imitates_is_shown_as_such(text: str, seen: str) -> None:
    assert shown(text) == seen


@given(ANY)
def test_an_error_is_one_line_whatever_it_quotes(text: str) -> None:
    error = HearthError(f"the title {text} is refused")
    assert str(error).isprintable()
    assert str(HearthError(error.args[0])) == str(error), "an error within an error"


def test_an_error_does_not_fill_the_screen() -> None:
    assert len(str(HearthError("x" * 10**6))) < MAX_MESSAGE + 100


@pytest.mark.parametrize("code", ["", "E_", "e_range", "E_A\nFAIL", "E_A\x1b[2J", "E_" + "A" * 100, "OK"])
def test_a_code_from_outside_that_is_none_counts_as_not_given(code: str) -> None:
    assert HearthError("no", code=code).code == "E_HEARTH"
    assert HearthError("no", code="E_NOT_FOUND").code == "E_NOT_FOUND"
