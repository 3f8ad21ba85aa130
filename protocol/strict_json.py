"""JSON from nodes, servers and files: nesting is bounded before parsing, equal values have one byte string."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from protocol.errors import MalformedError

MAX_DEPTH: Final = 64
# a string is skipped as a whole, also when its end is missing, so that the scan stays linear
_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


def parse_json(content: bytes) -> Any:
    """Raises MalformedError for everything that is not JSON, or nested deeper than ``MAX_DEPTH``.

    web3's dependencies raise Python's recursion limit so far that deep nesting would overflow the stack.
    """
    depth = 0
    for token in _TOKEN.finditer(content):
        first = content[token.start()]
        if first in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise MalformedError("JSON nested too deeply")
        elif first in b"]}":
            depth -= 1
    try:
        return json.loads(content)
    except ValueError as error:
        raise MalformedError(f"not JSON: {error!s:.100}") from error


def canonical_json(value: object) -> bytes:
    """Sorted keys, no space; byte strings become hex. Raises MalformedError for what is not JSON."""
    try:
        return json.dumps(value, separators=(",", ":"), sort_keys=True, default=as_hex).encode()
    except (TypeError, ValueError) as error:
        raise MalformedError(f"not JSON: {error}") from error


def as_hex(value: object) -> str:
    """For ``json.dumps``: byte strings as a node wants them."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    raise TypeError(f"{type(value).__name__} in a request")
