"""A contract's sources as one question to the compiler, complete: what a block explorer compiles again to verify it."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any, Final

_IMPORT: Final = re.compile(r'^import\b[^;"]*"([^"]+)"\s*;', re.MULTILINE)
_OUTPUTS: Final = ("abi", "evm.bytecode", "evm.deployedBytecode", "metadata")


def with_imports(question: dict[str, Any], source: Path, node_modules: Path) -> dict[str, Any]:
    """The question with the text of every file that its own import, from ``source`` or an npm package.

    Raises FileNotFoundError for an import that leads nowhere.
    """
    found: dict[str, Any] = dict(question["sources"])
    waiting = list(found)
    while waiting:
        name = waiting.pop()
        for path in _IMPORT.findall(found[name]["content"]):
            relative = path.startswith(".")
            unit = posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if relative else path
            if unit not in found:
                folder = node_modules if unit.startswith("@") else source
                found[unit] = {"content": (folder / unit).read_text(encoding="utf-8")}
                waiting.append(unit)
    return {**question, "sources": dict(sorted(found.items()))}


def verification_input(question: dict[str, Any]) -> dict[str, Any]:
    """Standard JSON that asks for what an explorer compares."""
    settings = {**question["settings"], "outputSelection": {"*": {"*": list(_OUTPUTS)}}}
    return {**question, "settings": settings}
