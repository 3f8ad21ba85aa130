"""Writes ``docs/openapi.json``, the description of the edge server's API; ``--check`` compares it instead.

``python -m scripts.checks.openapi``
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

from backend.api.app import edge_app
from protocol.domain import Domain

FILE: Final = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"


def described() -> bytes:
    """As the file has it; the same for every server."""
    nobody: Any = SimpleNamespace(sender=bytes(20), domain=Domain(1, bytes(20)))
    schema = edge_app(nobody, cast(Any, None), cast(Any, None)).openapi()
    return (json.dumps(schema, indent=1, sort_keys=True) + "\n").encode()


def main() -> int:
    found = described()
    if sys.argv[1:] != ["--check"]:
        FILE.write_bytes(found)
        return 0
    if FILE.read_bytes() == found:
        return 0
    print(f"{FILE.name} is not what the routes say: python -m scripts.checks.openapi", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
