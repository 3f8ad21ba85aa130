"""The compiled contracts, as committed."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any


@cache
def artifact(name: str) -> dict[str, Any]:
    """``abi``, ``bytecode``, ``deployedBytecode``, ``immutables`` of a contract; see :mod:`contracts.compile`."""
    parsed: dict[str, Any] = json.loads((Path(__file__).parent / "artifacts" / f"{name}.json").read_text())
    return parsed
