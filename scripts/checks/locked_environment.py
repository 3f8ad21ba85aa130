"""Environments made on demand from hashed locks, beside this interpreter's packages and never among them.

For programs whose packages conflict with Hearth's, or that few people need.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from scripts.guard import run_guarded

_LOCKS: Final = Path(__file__).resolve().parents[1] / "locks"
_INSTALL_SECONDS: Final = 900
_MAX_REASON: Final = 200


class ProgramMissingError(Exception):
    """A program could not be installed or did not finish; the message says why."""


def locked_environment(name: str) -> Path:
    """The interpreter of an environment that holds exactly what the lock says. Raises ProgramMissingError."""
    folder, lock = Path(sys.prefix) / name, _LOCKS / f"{name}.txt"
    python, stamp = folder / "bin" / "python", folder / ".lock"
    wanted = f"{hashlib.sha256(lock.read_bytes()).hexdigest()} {sys.version}"
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return python
    print(f"installing the environment {name}", file=sys.stderr)
    run("venv", [sys.executable, "-m", "venv", "--clear", str(folder)], _INSTALL_SECONDS)
    options = ["--quiet", "--disable-pip-version-check", "--require-hashes", "--requirement", str(lock)]
    run("the installation", [str(python), "-m", "pip", "install", *options], _INSTALL_SECONDS)
    stamp.write_text(wanted)
    return python


def run(what: str, command: Sequence[str], seconds: int, folder: Path | None = None) -> str:
    """Standard output of a command. Raises ProgramMissingError with the last line of its errors."""
    surroundings = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    surroundings |= {"FLWR_TELEMETRY_ENABLED": "0"} | ({"HOME": str(folder)} if folder else {})
    try:
        done = run_guarded(command, surroundings, capture_output=True, timeout=seconds, cwd=folder)
    except subprocess.TimeoutExpired:
        raise ProgramMissingError(f"{what} took longer than {seconds} s") from None
    except OSError as error:
        raise ProgramMissingError(f"{what} could not start: {error.strerror}") from None
    if done.returncode != 0:
        raise ProgramMissingError(f"{what} failed: {reason_of(done.stderr) or f'exit code {done.returncode}'}")
    return done.stdout


def reason_of(errors: str) -> str:
    """The last line of a program's errors without addresses and paths: it is published."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith("ERROR")] or lines
    return re.sub(r"\S*(://|/)\S*", "…", told[-1])[:_MAX_REASON] if told else ""
