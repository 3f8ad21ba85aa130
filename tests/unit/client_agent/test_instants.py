"""Block time as its owner reads it."""

from __future__ import annotations

import pytest

from client_agent.instants import instant

NOW = 1_700_000_000


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (90, "in 90 seconds"),
        (600, "in 10 minutes"),
        (2 * 3_600 + 5, "in 2 hours"),
        (3 * 86_400, "in 3 days"),
        (0, "0 seconds ago"),
        (-600, "10 minutes ago"),
    ],
)
def test_how_far_away_it_is(seconds: int, said: str) -> None:
    text = instant(NOW + seconds, NOW)
    assert text.startswith(f"{said} (20") and text.endswith(f", block time {NOW + seconds})")


def test_beyond_the_calendar_only_the_number_is_left() -> None:
    assert instant(2**60, NOW).endswith(f"days (block time {2**60})")
