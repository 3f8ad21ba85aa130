"""The npm compiler ``solc`` as one executable, which py-solc-x, Foundry's forge and Slither ask for."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent


def default_node_modules() -> Path:
    """``HEARTH_NODE_MODULES``, else the first existing of contracts/node_modules and .tools/node_modules."""
    if "HEARTH_NODE_MODULES" in os.environ:
        return Path(os.environ["HEARTH_NODE_MODULES"])
    places = (ROOT / "contracts" / "node_modules", ROOT / ".tools" / "node_modules")
    return next((place for place in places if place.is_dir()), places[0])


@cache
def _version(node: str, node_modules: Path) -> str:
    """Asked once: py-solc-x asks before every compilation, and Node takes most of a second to load the compiler."""
    command = [node, str(node_modules / "solc" / "solc.js"), "--version"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def write_compiler(folder: Path, base: Path, node_modules: Path) -> Path:
    """A program in ``folder`` for ``--version`` and standard JSON; imports are below ``base`` or npm packages."""
    node = os.environ.get("HEARTH_NODE", "node")
    solc = f'"{node}" "{node_modules.resolve() / "solc" / "solc.js"}"'
    paths = f'--base-path "{base}" --include-path "{node_modules.resolve()}"'
    program = folder / "solc"
    # through files: solcjs cannot read a pipe that is empty for a moment, and cuts off what it writes to one; and it
    # chats about SMT
    program.write_text(
        f"""#!/bin/sh
if [ "$1" = --version ]; then
    echo "Version: {_version(node, node_modules.resolve())}"
    exit
fi
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT
cat >"$folder/question"
{solc} --standard-json {paths} <"$folder/question" >"$folder/answer" || exit $?
grep -v "^>>>" "$folder/answer"
""",
        encoding="utf-8",
    )
    program.chmod(0o700)
    return program
