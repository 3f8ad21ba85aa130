"""The compiled contracts, as committed."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

ARTIFACTS: Final = Path(__file__).resolve().parent / "artifacts"


@cache
def artifact(name: str) -> dict[str, Any]:
    """``abi``, ``bytecode``, ``deployedBytecode``, ``immutables`` of a contract; see :mod:`contracts.compile`."""
    return _read(f"{name}.json")


@cache
def metadata(name: str) -> dict[str, Any]:
    """The compiler's own account of a contract: its version, settings, and the hash of every source."""
    return _read(f"{name}.metadata.json")


def _read(file: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads((ARTIFACTS / file).read_text(encoding="utf-8"))
    return parsed
