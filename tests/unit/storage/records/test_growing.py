"""A mapping that grows is as good as a copy at every step."""

from __future__ import annotations

import threading
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from storage.records.growing import Growing

STEPS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 6), st.integers(0, 99)), max_size=40)


@given(STEPS)
def test_every_one_stays_what_it_was_whatever_is_made_of_it(steps: list[tuple[int, int, int]]) -> None:
    """Each step makes a longer one of any that there is already, so that branches come about."""
    made: list[tuple[Growing[int, int], dict[int, int]]] = [(Growing(), {})]
    for of, key, value in steps:
        grown, expected = made[of % len(made)]
        made.append((grown.plus(key, value), {**expected, key: value}))
    for grown, expected in made:
        assert list(grown.items()) == list(expected.items())
        assert len(grown) == len(expected) and grown == expected
        assert all((key in grown) == (key in expected) for key in range(7))


def test_what_grows_in_a_line_is_not_copied() -> None:
    line = [Growing[int, int]()]
    for number in range(100):
        line.append(line[-1].plus(number, number))
    assert all(before._places is after._places for before, after in pairwise(line))


def test_readers_of_a_shorter_one_are_not_disturbed() -> None:
    grown = Growing[int, int]()
    for number in range(1_000):
        grown = grown.plus(number, number)
    begun, seen = threading.Event(), list[int]()

    def read() -> None:
        walk = iter(grown)
        seen.append(next(walk))
        begun.set()
        seen.extend(walk)

    reader = threading.Thread(target=read)
    reader.start()
    begun.wait()
    longer = grown
    for number in range(1_000, 3_000):
        longer = longer.plus(number, number)
    reader.join()
    assert seen == list(range(1_000)) and len(longer) == 3_000
