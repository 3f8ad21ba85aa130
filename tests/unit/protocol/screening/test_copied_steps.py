"""Whoever sends the model's last step with noise of its own is found in a few rounds; nobody honest is."""

from __future__ import annotations

import numpy as np
import pytest

from protocol.messages.screening import StepSum
from protocol.screening.copied_steps import add_steps, copied_steps
from protocol.screening.sketch import ROWS

CLIENTS, NOISE, WINDOW = [bytes([0, *[i] * 19]) for i in range(20)], 50_000_000, 100
RIDERS, SIGNAL = range(4), 1_000  # the first four


def played(rounds: int, share: float = 1.0, signal: float = SIGNAL) -> tuple[StepSum, ...]:
    """Sums after so many rounds. Riders send ``share`` of the step; inner products err as a sketch makes them."""
    rng = np.random.default_rng(7)
    sums: tuple[StepSum, ...] = ()
    in_step = NOISE // len(CLIENTS)
    step = 4 * int(signal**2 + in_step)
    for _ in range(rounds):
        own = rng.normal(4 * NOISE, NOISE / 4, len(CLIENTS))
        met = rng.normal(4 * signal**2, 1, len(CLIENTS))
        met[list(RIDERS)] = share * step
        met += rng.normal(0, (4 * NOISE * step / ROWS) ** 0.5, len(met))
        products = {c: (int(a), int(b)) for c, a, b in zip(CLIENTS, met, own, strict=True)}
        sums = add_steps(sums, (), products, step, in_step, WINDOW)
    return sums


def test_riders_are_found_within_a_few_rounds_and_nobody_else_ever() -> None:
    for rounds in range(1, 40):
        found = copied_steps(played(rounds), CLIENTS)
        assert found <= {CLIENTS[i] for i in RIDERS}
        assert rounds < 4 or len(found) == len(RIDERS)
    assert not copied_steps(played(40, share=SIGNAL**2 / (SIGNAL**2 + NOISE // 20)), CLIENTS)


def test_a_part_of_the_step_is_found_above_half_of_its_noise() -> None:
    assert copied_steps(played(30, 0.8, signal=0), CLIENTS) and not copied_steps(played(30, 0.3, signal=0), CLIENTS)


def test_many_who_pull_each_round_s_median_down_accuse_nobody_honest() -> None:
    lowered = [-(10**7), *[6 * 10**5] * 4, 2 * 10**6]
    sums = tuple(StepSum(client, excess, 10**6, 10**9) for client, excess in zip(CLIENTS, lowered, strict=False))
    assert copied_steps(sums, CLIENTS) == {CLIENTS[5]}


def test_an_excess_must_be_above_its_error() -> None:
    for excess, found in ((4_001, True), (3_999, False)):
        sums = tuple(StepSum(c, excess if c == CLIENTS[0] else 0, 10, ROWS * 10**6) for c in CLIENTS)
        assert bool(copied_steps(sums, CLIENTS)) is found


def test_a_step_that_is_mostly_signal_says_nothing() -> None:
    third = (NOISE / 20 / 2) ** 0.5  # of such a length, signal is a third of the step
    assert played(5, signal=third - 1) and not played(5, signal=third + 1)


@pytest.mark.parametrize("here", [0, 2])
def test_too_few_clients_say_nothing(here: int) -> None:
    met = dict.fromkeys(CLIENTS[:here], (10**9, 4 * NOISE))
    assert add_steps((), (), met, 4 * NOISE, NOISE, WINDOW) == ()
    assert not copied_steps(played(30), CLIENTS[:here])


def test_sums_fade_and_those_of_clients_without_a_history_go() -> None:
    sums = played(30)
    faded = add_steps(sums, CLIENTS[2:], {}, 0, 0, WINDOW)
    assert [one.client for one in faded] == CLIENTS[2:]
    for one, before in zip(faded, sums[2:], strict=True):
        assert one == StepSum(
            before.client, before.excess * 99 // 100, before.noise * 99 // 100, before.error * 9801 // 10_000
        )
    assert copied_steps(faded, CLIENTS) == {CLIENTS[i] for i in RIDERS if i >= 2}
    for _ in range(2_000):
        faded = add_steps(faded, CLIENTS, {}, 0, 0, 2)
    assert faded == ()
