"""The files of the repository, as git lists them: what tests of the house and of the texts look through."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@cache
def tracked(*suffixes: str) -> tuple[Path, ...]:
    """Files that end with one of ``suffixes`` (without: all), in order."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = (ROOT / name for name in listed.split("\0") if name and name.endswith(suffixes or ("",)))
    return tuple(path for path in paths if path.is_file())
