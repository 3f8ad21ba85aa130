"""How values look on a page in one language: filters for templates. What they return needs no further escape."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any, Final

from babel import Locale, dates, numbers
from markupsafe import Markup, escape

from protocol.identifiers import to_hex
from protocol.text import shown

GWEI: Final = 9  # decimals below which an amount of a coin with 18 is shown in its billionth
LATEST: Final = 253_402_300_799  # seconds; the last year that a calendar here knows
_CONTROLS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Token:
    """What an amount counts the smallest units of."""

    symbol: str
    decimals: int


COIN: Final = Token("ETH", 18)  # an EVM chain's own, by the name of the best known one


@dataclass(frozen=True, slots=True)
class Formats:
    """For one locale. Instants are seconds since 1970, UTC; ``zone`` is the one they are shown in without script."""

    locale: Locale
    zone: tzinfo = UTC

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By the name that a template uses."""
        return {
            "address": self.address,
            "brief": self.brief,
            "date": self.date,
            "duration": self.duration,
            "full": full,
            "line": line,
            "moment": self.moment,
            "money": self.money,
            "number": self.number,
            "percent": self.percent,
            "size": self.size,
            "text": text,
        }

    def money(self, amount: int, token: Token = COIN) -> Markup:
        """An amount of the smallest units, rounded to six digits; exactly so in the title."""
        exact = _plain(Decimal(amount).scaleb(-token.decimals))
        value, symbol = Decimal(amount).scaleb(-token.decimals), token.symbol
        if token.decimals == COIN.decimals and 0 < abs(amount) < 10 ** (token.decimals - 4):
            few = abs(amount) < 10 ** (GWEI - 3)
            value, symbol = (Decimal(amount), "wei") if few else (Decimal(amount).scaleb(-GWEI), "gwei")
        name, digits = shown(token.symbol), self._digits(value)
        return Markup('<data class="money" value="{}" title="{} {}">{}\u00a0{}</data>').format(
            amount, exact, name, digits, shown(symbol)
        )

    def number(self, value: float | Decimal, places: int | None = None) -> Markup:
        """With ``places`` decimals at most; without it as exact as it is."""
        rounded = Decimal(str(value)) if places is None else round(Decimal(str(value)), places)
        return escape(numbers.format_decimal(rounded, locale=self.locale, decimal_quantization=False))

    def percent(self, share: float, places: int = 0) -> Markup:
        """Of a share of one."""
        rounded = round(Decimal(str(share)), places + 2)
        return escape(numbers.format_percent(rounded, locale=self.locale, decimal_quantization=False))

    def size(self, count: int) -> Markup:
        """Bytes in units of a thousand."""
        value, unit = float(count), "B"
        for larger in ("kB", "MB", "GB", "TB"):
            if value < 1000:
                break
            value, unit = value / 1000, larger
        return Markup("{}\u00a0{}").format(self.number(value, 0 if unit == "B" or value >= 100 else 1), unit)

    def date(self, seconds: float) -> Markup:
        return self._time(seconds, dates.format_date(self._instant(seconds), "medium", self.locale), "date")

    def moment(self, seconds: float) -> Markup:
        """Day and minute."""
        shown_there = dates.format_datetime(self._instant(seconds), "medium", self.zone, self.locale)
        return self._time(seconds, shown_there, "moment")

    def duration(self, seconds: float) -> Markup:
        """In the unit that suits it, and the next one when that says more: ``1 hour 30 minutes``."""
        whole = round(abs(seconds))
        for unit, size, smaller in (("day", 86_400, 3600), ("hour", 3600, 60), ("minute", 60, 1)):
            if whole >= size:
                rest = whole % size // smaller * smaller if whole < 10 * size else 0
                parts = [self._span(whole // size * size, unit)]
                if rest:
                    parts.append(self._span(rest, {"day": "hour", "hour": "minute", "minute": "second"}[unit]))
                return escape("\u00a0".join(parts))
        return escape(self._span(whole, "second"))

    def address(self, value: bytes | str) -> Markup:
        """Enough of an address or hash to compare, all of it in the title."""
        full = value if isinstance(value, str) else to_hex(value)
        return self.brief(full, 6, 4)

    def brief(self, value: str, head: int = 10, tail: int = 6) -> Markup:
        """The two ends of a long name."""
        full = shown(value)
        short = full if len(full) <= head + tail + 1 else f"{full[:head]}…{full[-tail:]}"
        return Markup('<code class="brief" title="{}">{}</code>').format(full, short)

    def _digits(self, value: Decimal, most: int = 6) -> str:
        places = max(0, most - 1 - value.adjusted()) if value else 0
        return numbers.format_decimal(round(value, places).normalize(), locale=self.locale, decimal_quantization=False)

    def _span(self, seconds: int, unit: Any) -> str:
        return dates.format_timedelta(
            timedelta(seconds=seconds), granularity=unit, threshold=10_000, locale=self.locale
        )

    def _instant(self, seconds: float) -> datetime:
        return datetime.fromtimestamp(min(max(seconds, 0.0), LATEST), UTC).astimezone(self.zone)

    def _time(self, seconds: float, readable: str, kind: str) -> Markup:
        precise = datetime.fromtimestamp(min(max(int(seconds), 0), LATEST), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return Markup('<time datetime="{}" data-time="{}">{}</time>').format(precise, kind, readable)


def full(value: bytes) -> Markup:
    """All of a hash or an address, to compare by eye or to copy."""
    return escape(to_hex(value))


def line(value: object) -> Markup:
    """Whatever somebody else wrote, as one line of printable text."""
    return escape(shown(str(value)))


def text(value: object) -> Markup:
    """What the owner typed, as it was typed, for a field to go on with; control characters are left out."""
    return escape(_CONTROLS.sub("", str(value)))


def finished(value: Any) -> Any:
    """Of every value that a template writes: text that is not known to be ours becomes one harmless line."""
    return shown(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"
