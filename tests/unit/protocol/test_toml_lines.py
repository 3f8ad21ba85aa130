"""Every entry of a TOML text is found in the line where its key stands."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.toml_lines import Place, places_of

SAMPLES = Path(__file__).resolve().parents[3] / "docs" / "samples"
TEXT = '''# a comment with = [brackets] and "quotes
plain = 1
"quoted = [key]" = 2 # trailing
'a.b' . "c\\u0064" = 3
[table] # of a kind
when = 1979-05-27 07:32:00
list = [ 1, # one ]
  [2, 3], "]",

  { key = "}" , other.deep = [4] },
]
text = """
not = a key
[nor a table] \\""" """"
literal = \'\'\'
[x]
\'\'\'\'
after = "# no comment"
[outer.inner]
one = 1
[outer]
two = 2
[[many]]
name = 1
[many.below]
name = 2
[[many]]
[[many.more]]
name = 3
'''
PLACES: dict[Place, int] = {
    ("plain",): 2,
    ("quoted = [key]",): 3,
    ("a.b", "cd"): 4,
    ("table",): 5,
    ("table", "when"): 6,
    ("table", "list"): 7,
    ("table", "list", 0): 7,
    ("table", "list", 1): 8,
    ("table", "list", 1, 1): 8,
    ("table", "list", 2): 8,
    ("table", "list", 3): 10,
    ("table", "list", 3, "key"): 10,
    ("table", "list", 3, "other", "deep", 0): 10,
    ("table", "text"): 12,
    ("table", "literal"): 15,
    ("table", "after"): 18,
    ("outer", "inner"): 19,
    ("outer", "inner", "one"): 20,
    ("outer",): 21,
    ("outer", "two"): 22,
    ("many",): 23,
    ("many", 0, "name"): 24,
    ("many", 0, "below", "name"): 26,
    ("many", 1): 27,
    ("many", 1, "more", 0): 28,
    ("many", 1, "more", 0, "name"): 29,
}


def entries(plain: Any, above: Place = ()) -> set[Place]:
    pairs = plain.items() if isinstance(plain, dict) else enumerate(plain) if isinstance(plain, list) else ()
    return {above} - {()} | {place for key, value in pairs for place in entries(value, (*above, key))}


def test_every_way_to_write_an_entry() -> None:
    found = places_of(TEXT)
    assert {place: found.get(place) for place in PLACES} == PLACES
    assert found.keys() == entries(tomllib.loads(TEXT))


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.toml")), ids=lambda path: str(path.name))
def test_the_files_that_come_along(path: Path) -> None:
    text = path.read_text()
    found = places_of(text)
    assert found.keys() == entries(tomllib.loads(text))
    for place, line in found.items():
        assert isinstance(place[-1], int) or str(place[-1]) in text.splitlines()[line - 1]


@given(st.text(st.sampled_from("ab.=[]{}\"'\\#,\n 1"), max_size=40))
def test_whatever_is_toml_has_its_places(text: str) -> None:
    try:
        plain = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert places_of(text).keys() == entries(plain)
