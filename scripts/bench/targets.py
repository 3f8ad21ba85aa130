"""What the encryption promises (``must``), what it aims at, and whether a result keeps it.

A target is measured at the size it is stated for, and only there: at any other size it is left open, never met. No
promise is a time: each is a size, or a ratio of two things that the same run did, so a slower machine keeps it too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

Report = Mapping[str, Any]

FE64, PAD4, PAD6, FE64_11, FE64_6 = "FE64", "PAD w=4", "PAD w=6", "FE64 b=11", "FE64 b=6"
STANDARD: Final = (100, 100_000)
LARGE: Final = (1000, 1_000_000)
STREAMED: Final = (10_000, 1_000_000)


@dataclass(frozen=True)
class Target:
    """``aim`` is None where the promise is all there is. ``at_least``: more is better."""

    what: str
    unit: str
    must: float
    aim: float | None
    at_least: bool
    read: Callable[[Report], float | None]

    def assess(self, report: Report) -> dict[str, Any]:
        measured = self.read(report)
        return {
            "what": self.what,
            "unit": self.unit,
            "at_least": self.at_least,
            "must": self.must,
            "aim": self.aim,
            "measured": measured,
            "met": self._keeps(measured, self.must),
            "aim_met": self._keeps(measured, self.aim),
        }

    def _keeps(self, measured: float | None, bound: float | None) -> bool | None:
        if measured is None or bound is None:
            return None
        return measured >= bound if self.at_least else measured <= bound


def assess(report: Report) -> list[dict[str, Any]]:
    """The table of targets; ``met`` is None where a target was not measured."""
    return [target.assess(report) for target in TARGETS]


def missed(assessed: list[dict[str, Any]]) -> list[str]:
    """What was promised, measured and not kept."""
    return [target["what"] for target in assessed if target["met"] is False]


def _system(name: str, size: tuple[int, int], column: str) -> Callable[[Report], float | None]:
    def read(report: Report) -> float | None:
        for row in report["systems"]:
            if (row["name"], row["clients"], row["dimension"]) == (name, *size) and row.get(column) is not None:
                return float(row[column])
        return None

    return read


def _ratio(peer: str, column: str) -> Callable[[Report], float | None]:
    of_peer = _system(peer, STANDARD, "client_ms")
    return lambda report: None if of_peer(report) is None else report["ratios"][peer].get(column)


def _section(section: str, key: str) -> Callable[[Report], float | None]:
    return lambda report: (report.get(section) or {}).get(key)


def _pad_over_fe64(report: Report) -> float | None:
    pad, fe64 = (_system(name, STANDARD, "server_ms")(report) for name in (PAD4, FE64))
    return None if pad is None or fe64 is None else pad / fe64


def _more(what: str, unit: str, must: float, aim: float | None, read: Callable[[Report], float | None]) -> Target:
    return Target(what, unit, must, aim, True, read)


def _less(what: str, unit: str, must: float, aim: float | None, read: Callable[[Report], float | None]) -> Target:
    return Target(what, unit, must, aim, False, read)


TARGETS: Final = (
    _more("FE64 aggregate, 1000 x 1 M, share of read bandwidth", "", 0.6, 0.8, _section("large", "aggregate")),
    _more("FE64 aggregate and decrypt, the same", "", 0.55, 0.75, _section("large", "aggregate_decrypt")),
    _less("FE64 client, 1 M, over its key streams and digest", "x", 5, 3, _system(FE64, LARGE, "client_over_streams")),
    _less("PAD client, w=4, (5,2), 100 k, the same", "x", 2.5, 1.5, _system(PAD4, STANDARD, "client_over_streams")),
    _less("PAD server over FE64 server", "x", 1.3, 1, _pad_over_fe64),
    _less("FE64 b=16", "bytes/coordinate", 4, None, _system(FE64, STANDARD, "bytes_per_coordinate")),
    _less("FE64 b=11", "bytes/coordinate", 2.67, None, _system(FE64_11, STANDARD, "bytes_per_coordinate")),
    _less("FE64 b=6", "bytes/coordinate", 2, None, _system(FE64_6, STANDARD, "bytes_per_coordinate")),
    _less("PAD w=4", "bytes/coordinate", 4, None, _system(PAD4, STANDARD, "bytes_per_coordinate")),
    _less("PAD w=6", "bytes/coordinate", 6, None, _system(PAD6, STANDARD, "bytes_per_coordinate")),
    _less("FE64 functional key", "bytes", 49_152, 43_008, _system(FE64, STANDARD, "functional_key_bytes")),
    _more("against CKKS: bytes", "x", 14, 14.69, _ratio("tenseal", "bytes")),
    _more("against CKKS: client", "x", 25, 40, _ratio("tenseal", "client")),
    _more("against CKKS: sum", "x", 30, 60, _ratio("tenseal", "server")),
    _more("against CKKS: weighted sum", "x", 250, 400, _ratio("tenseal", "server_weighted")),
    _more("against SecAgg+: bytes", "x", 2, 2, _ratio("flower", "bytes")),
    _more("against SecAgg+: client", "x", 40, 50, _ratio("flower", "client")),
    _more("against SecAgg+: server", "x", 800, 1500, _ratio("flower", "server")),
    _more("against SecAgg+: rounds", "x", 4, None, _system("flower", STANDARD, "rounds")),
    _more("against DDH, extrapolated: client", "x", 1e5, None, _ratio("pymife", "client")),
    _more("against DDH, extrapolated: server", "x", 1e6, None, _ratio("pymife", "server")),
    _less(
        "FE64 authority, 1000 clients, over its key streams",
        "x",
        3,
        1.5,
        _system(FE64, LARGE, "authority_over_streams"),
    ),
    _less("spot audit of 8 blocks over full verification", "", 0.1, 0.04, _section("spot_audit", "ratio")),
    _less("10,000 x 1 M streamed, beyond one ciphertext", "MB", 64, None, _section("streaming", "extra_megabytes")),
)
