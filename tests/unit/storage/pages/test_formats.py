"""What values look like: exact where it counts, in the reader's language, and harmless."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from storage.pages.formats import COIN, Formats, Token, finished, line, text

EN, DE = Formats(Locale.parse("en")), Formats(Locale.parse("de"), ZoneInfo("Europe/Berlin"))
NOON = 1_782_907_200  # 2026-07-01 12:00 UTC


def bare(found: Markup) -> str:
    return str(Markup(found).striptags().replace("\u00a0", " ").replace("\u202f", " "))


@pytest.mark.parametrize(
    ("amount", "token", "english", "german"),
    [
        (75_866_666_666_650, COIN, "75,866.7 gwei", "75.866,7 gwei"),
        (1_500_000_000_000_000_000, COIN, "1.5 ETH", "1,5 ETH"),
        (0, COIN, "0 ETH", "0 ETH"),
        (1, COIN, "1 wei", "1 wei"),
        (12_345_678_901, Token("HFT", 6), "12,345.7 HFT", "12.345,7 HFT"),
        (1_234_567 * 10**18, COIN, "1,234,567 ETH", "1.234.567 ETH"),
    ],
)
def test_money(amount: int, token: Token, english: str, german: str) -> None:
    assert (bare(EN.money(amount, token)), bare(DE.money(amount, token))) == (english, german)
    assert f'value="{amount}"' in EN.money(amount, token)


def test_money_is_exact_in_the_title() -> None:
    assert 'title="0.00007586666666665 ETH"' in EN.money(75_866_666_666_650)
    assert 'title="1234567000000000000000001' not in EN.money(10**18 + 1)
    assert 'title="1.000000000000000001 ETH"' in EN.money(10**18 + 1)


def test_times_are_in_the_zone_of_the_page_and_say_the_instant() -> None:
    assert bare(EN.moment(NOON)) == "Jul 1, 2026, 12:00:00 PM"
    assert bare(DE.moment(NOON)) == "01.07.2026, 14:00:00"
    assert 'datetime="2026-07-01T12:00:00Z"' in DE.moment(NOON)
    assert bare(DE.date(NOON)) == "01.07.2026"
    assert bare(EN.date(1e300)) and bare(EN.date(-1e300))


@pytest.mark.parametrize(
    ("seconds", "english", "german"),
    [
        (5400, "1 hour 30 minutes", "1 Stunde 30 Minuten"),
        (86_400 * 3, "3 days", "3 Tage"),
        (86_400 + 3600, "1 day 1 hour", "1 Tag 1 Stunde"),
        (61, "1 minute 1 second", "1 Minute 1 Sekunde"),
        (0, "0 seconds", "0 Sekunden"),
        (86_400 * 40 + 3600, "40 days", "40 Tage"),
    ],
)
def test_durations(seconds: float, english: str, german: str) -> None:
    assert (bare(EN.duration(seconds)), bare(DE.duration(seconds))) == (english, german)


def test_numbers() -> None:
    assert (bare(EN.number(1234.5678, 2)), bare(DE.number(1234.5678, 2))) == ("1,234.57", "1.234,57")
    assert (bare(EN.percent(0.1234, 1)), bare(DE.percent(0.5))) == ("12.3%", "50 %")
    assert [bare(EN.size(count)) for count in (0, 999, 8159, 250_000, 3_000_000)] == [
        "0 B", "999 B", "8.2 kB", "250 kB", "3 MB",
    ]  # fmt: skip


def test_a_name_is_short_and_complete() -> None:
    found = EN.address(bytes(range(20)))
    assert bare(found) == "0x0001…1213" and 'title="0x000102030405060708090a0b0c0d0e0f10111213"' in found


@given(st.text(max_size=40))
def test_nothing_that_is_shown_leaves_its_place(value: str) -> None:
    for found in (line(value), EN.brief(value), Markup.escape(finished(value))):
        rest = found.replace('<code class="brief" title="', "").replace('">', "", 1).replace("</code>", "")
        assert not set('<>"') & set(rest) and "\n" not in rest
    typed = text(value)
    assert not set('<>"') & set(typed) and "\x1b" not in typed
