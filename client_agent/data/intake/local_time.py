"""Times of files: with a zone or without one, and on a day of 23 or of 25 hours."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Final

from client_agent.data.intake.quantities import as_number

_MAX_LETTERS: Final = 40
_LATEST: Final = 2**40
_HOUR: Final = 3600


def seconds_of(text: str, zone: tzinfo, before: int | None) -> int | None:
    """Seconds since 1970 of ISO text or of a number of seconds or milliseconds; None for anything else, and for a time
    that no clock of ``zone`` showed.

    ``before``: of the reading before it. An hour that clocks show twice is the second one where time would go back.
    """
    text = text.strip()
    if not 0 < len(text) <= _MAX_LETTERS or not text.isascii():
        return None
    try:
        number = as_number(text)
        if number is not None and text.replace(".", "", 1).isdigit():
            found = int(number / 1000 if number >= 1e11 else number)
            return found if 0 <= found < _LATEST else None
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return int(moment.timestamp())
        moment = moment.replace(tzinfo=zone)
        found = int(moment.timestamp())
        if moment.astimezone(UTC).astimezone(zone).replace(fold=0) != moment:
            return None  # clocks skipped it
        again = int(moment.replace(fold=1).timestamp())
    except (ValueError, OverflowError, OSError):
        return None
    return again if again != found and before is not None and found < before <= again + _HOUR else found
