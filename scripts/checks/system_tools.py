"""Programs of the system's packages that tests need: a browser and an MQTT broker. Root installs them, anybody else is
told how.

``python -m scripts.checks.system_tools`` looks for all of them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from scripts.checks.node_tools import ToolMissingError
from scripts.guard import run_guarded

TESTS: Final = {
    "chromium": "tests/browser",
    "mosquitto": "tests/ports/test_broker.py and tests/e2e/test_intake.py",
}  # which wait for it; the package has the program's name
_OTHER_NAMES: Final = {"chromium": ("chromium-browser", "google-chrome")}
_FOLDERS: Final = ("/usr/sbin", "/usr/local/sbin")  # of programs for root, which are not on everybody's PATH
_INSTALL_SECONDS: Final = 900


def find(program: str) -> Path | None:
    """On PATH, or among those of root."""
    searched = os.pathsep.join((os.environ.get("PATH", os.defpath), *_FOLDERS))
    names = (program, *_OTHER_NAMES.get(program, ()))
    found = next((one for name in names if (one := shutil.which(name, path=searched)) is not None), None)
    return None if found is None else Path(found)


def require(program: str) -> Path:
    """Raises ToolMissingError, which says what to install."""
    found = find(program)
    if found is None:
        raise ToolMissingError(
            f"no {program}: install it with `apt-get install {program}` (Debian, Ubuntu) or your system's own way;"
            f" {TESTS[program]} wait for it"
        )
    return found


def missing() -> list[str]:
    return [program for program in TESTS if find(program) is None]


def install(
    programs: Sequence[str], root: bool, run: Callable[..., object] = run_guarded, tell: Callable[[str], None] = print
) -> None:
    """With apt-get, as root alone. What it cannot install it leaves to :func:`require`, which says so."""
    if not programs or not root or shutil.which("apt-get") is None:
        return
    tell(f"installing {', '.join(programs)}")
    surroundings = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *programs],
    ):
        try:
            run(command, surroundings, capture_output=True, timeout=_INSTALL_SECONDS)
        except subprocess.TimeoutExpired:
            return


def main() -> None:
    install(missing(), os.geteuid() == 0)
    for program in missing():
        try:
            require(program)
        except ToolMissingError as error:
            print(f"## {error.args[0]}", file=sys.stderr)


if __name__ == "__main__":
    main()
