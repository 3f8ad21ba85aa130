"""The tables of a result as rows of text: the same for the terminal and for the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Result = Mapping[str, Any]

TARGET_HEADINGS: Final = ("target", "must", "aim", "measured", "unit", "verdict")
SYSTEM_HEADINGS: Final = (
    *("system", "suite", "clients", "coordinates", "client ms", "bytes/coordinate", "server ms", "weighted ms"),
    *("authority ms", "key bytes", "exact"),
)
PART_HEADINGS: Final = (
    *("system", "clients", "coordinates", "aggregate ms", "combine keys ms", "decrypt ms"),
    *("client / streams", "authority / streams"),
)
RATIO_HEADINGS: Final = ("peer / FE64", "client", "bytes", "server", "server, weighted")


def target_rows(result: Result) -> list[tuple[str, ...]]:
    return [
        (
            target["what"],
            ("≥ " if target["at_least"] else "≤ ") + number(target["must"]),
            number(target["aim"]),
            number(target["measured"]),
            target["unit"],
            _verdict(target),
        )
        for target in result["targets"]
    ]


def system_rows(result: Result) -> list[tuple[str, ...]]:
    return [
        (
            row["name"],
            row["suite"] + (" (extrapolated)" if row["extrapolated"] else ""),
            number(row["clients"]),
            number(row["dimension"]),
            _timing(row, "client_ms"),
            number(row["bytes_per_coordinate"]),
            _timing(row, "server_ms"),
            _timing(row, "server_weighted_ms"),
            _timing(row, "authority_ms"),
            number(row["functional_key_bytes"]),
            "yes" if row["exact"] else "no",
        )
        for row in result["systems"]
    ]


def part_rows(result: Result) -> list[tuple[str, ...]]:
    """What the server's time of our own systems consists of, and what the others' are to their key streams alone."""
    return [
        (
            row["name"],
            number(row["clients"]),
            number(row["dimension"]),
            *(_timing(row, f"{part}_ms") for part in ("aggregate", "combine", "decrypt")),
            *(number(row.get(f"{party}_over_streams")) for party in ("client", "authority")),
        )
        for row in result["systems"]
        if "combine_ms" in row
    ]


def ratio_rows(result: Result) -> list[tuple[str, ...]]:
    columns = ("client", "bytes", "server", "server_weighted")
    return [(peer, *(number(ratios.get(column)) for column in columns)) for peer, ratios in result["ratios"].items()]


def number(value: float | None) -> str:
    """Three or more digits and thousands separated; a dash for what was not measured."""
    if value is None:
        return "-"
    if isinstance(value, int) or value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _timing(row: Mapping[str, Any], key: str) -> str:
    if row.get(key) is None:
        return "-"
    return f"{number(row[key])} ({number(row[f'{key}_median'])})"


def _verdict(target: Mapping[str, Any]) -> str:
    if target["met"] is None:
        return "not measured"
    if not target["met"]:
        return "MISSED"
    return "met, aim missed" if target["aim_met"] is False else "met"
