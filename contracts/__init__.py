"""The compiled contracts, as committed."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def artifact(name: str) -> dict[str, Any]:
    """``abi``, ``bytecode``, ``deployedBytecode``, ``immutables`` of a contract; see :mod:`contracts.compile`."""
    text = files(__name__).joinpath("artifacts", f"{name}.json").read_text(encoding="utf-8")
    parsed: dict[str, Any] = json.loads(text)
    return parsed
