"""What the page of a task makes of the API's answers."""

from __future__ import annotations

import asyncio
from dataclasses import astuple
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from backend.dashboard.answers import Client, Money, Round
from backend.dashboard.api import Api
from backend.dashboard.overview import MOST_BARS, answering, funnel, parts_of, spread, standing_by
from backend.dashboard.pictures import price, progress, side_by_side, work
from tests.unit.backend.dashboard.scene_many import COIN, Many


def client(reputation: int, **more: int) -> Client:
    found = Client.model_validate(Many().client(1) | {"claimed": 0, "compensated": 0})
    return found.model_copy(update={"reputation": reputation, **more})


def rounds(count: int = 40) -> list[Round]:
    many = Many()
    return [Round.model_validate(many.round(number)) for number in range(1, count + 1)]


def test_each_household_counts_once_at_every_step_it_reached() -> None:
    reached = {"planned": 5, "committed": 3, "accepted": 2, "claimed": 10}
    names = list(reached)
    clients = [
        client(1, **{n: reached[n] if place < upto else 0 for place, n in enumerate(names)}) for upto in range(5)
    ]
    assert [step.count for step in funnel(clients)] == [5, 4, 3, 2, 1]
    assert funnel([client(1, compensated=1)])[-1].count == 1, "a compensation is a payment"


@given(st.lists(st.integers(0, 255), max_size=40))
def test_every_household_is_in_one_bar(reputations: list[int]) -> None:
    bars = spread([client(value) for value in reputations])
    assert sum(bar.count for bar in bars) == len(reputations) and len(bars) <= MOST_BARS
    for bar in bars:
        assert bar.count == sum(bar.first <= value <= bar.last for value in reputations)
    if reputations:
        assert (bars[0].first, bars[-1].last) == (min(reputations), max(reputations))


amounts = st.integers(0, 10**30)


@given(*[amounts] * 6)
def test_the_parts_are_the_whole_escrow(a: int, b: int, c: int, d: int, e: int, f: int) -> None:
    """Escrow = paid out + refunded + held, and what is promised is held."""
    money = Money.model_validate(
        Many().money()
        | {"escrow": a + b + c + d + e + f, "forfeited": 0, "held": b + c + f, "refunded": e}
        | {
            "rewards": {
                "allocated": a + b + c,
                "disputable": c,
                "payable": a + b,
                "claimed": a,
                "unclaimed": b,
                "compensated": d,
                "compensation_owed": 0,
            }
        }
    )
    parts = parts_of(money)
    assert [part.amount for part in parts] == [a, b, c, d, e, f]
    if money.escrow:
        assert sum(part.width for part in parts) == 1000
        assert all(one.left + one.width == other.left for one, other in pairwise(parts))


def test_who_is_dismissed_or_silent_does_not_answer() -> None:
    api = Api(Many().app)
    committee, task = asyncio.run(api.authorities(1)), asyncio.run(api.task(1))
    assert answering(committee) == 2
    first = committee.members[0].model_copy(update={"dismissed": True})
    assert answering(committee.model_copy(update={"members": (first, *committee.members[1:])})) == 1
    assert standing_by(task) == 1


def test_pictures_show_what_is_published() -> None:
    found = progress(rounds(), "a", "b")
    assert found is not None and 37 not in found.x, "an abandoned round has no model"
    assert [one.name for one in found.series] == ["a", "b"] and len(found.x) == 39
    assert progress(rounds(1), "a", "b") is None and work(rounds(1), "s") is None
    seconds = work(rounds(2), "s")
    assert seconds is not None and seconds.series[0].values == [rounds(1)[0].seconds, rounds(2)[1].seconds]


def test_two_tasks_share_one_picture() -> None:
    found = side_by_side([("x", rounds(3)), ("y", rounds(2))])
    assert found is not None and list(found.x) == [1.0, 2.0, 3.0]
    assert [value is None for value in found.series[1].values] == [False, False, True]
    spent = price([("x", rounds(3))])
    assert spent is not None and list(spent.x) == sorted(one.privacy.value for one in rounds(3) if one.privacy)
    assert price([("x", [])]) is None


def test_a_coin_is_a_coin() -> None:
    assert astuple(parts_of(Money.model_validate(Many().money()))[0])[1] == 300 * COIN
