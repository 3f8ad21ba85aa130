"""What a round costs a real phone does not grow with the number of clients that are enrolled with it."""

from __future__ import annotations

import pytest

from scripts.bench import phone_world
from scripts.bench.phone import is_flat, run


def test_ten_times_as_many_clients_cost_a_phone_the_same() -> None:
    """All of them are planned. With everybody's enrolment, or the whole plan, it would be more than twice as much."""
    result = run([12, 120], lambda _: None)
    few, many = result["phones"]
    assert few["ways"].keys() == many["ways"].keys()
    assert min(few["ways"].values()) > 0
    assert many["bytes_times"] <= result["most_times"]
    assert is_flat({**result, "phones": [{**few, "processor_times": 1.0}, {**many, "processor_times": 1.0}]})
    assert not is_flat({**result, "phones": [few, {**many, "bytes_times": 1.6}]})


def test_a_phone_that_is_one_of_many_is_drawn_into_each_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 36 clients 12 are drawn; a round without the phone would have nothing of its to wait for."""
    monkeypatch.setattr(phone_world, "MAX_COHORT", 12)
    told = list[str]()
    result = run([36], told.append)
    assert told[-1] == "36 enrolled: round 5"
    assert result["phones"][0]["bytes"] > 0
