"""Runs of pytest, each in a child of this process, which has imported what all of them need and takes seconds.

``python -m scripts.checks.mutate.forked`` reads lines of JSON, the arguments of pytest and the file that gets what it
prints, and answers each with a line: the exit code, negative when a signal ended it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Final

import pytest

LOADED: Final = ("eth.chains.base", "hypothesis", "scripts.chain.development")
SECONDS: Final = 900  # a mutant may make a test endless


def run(arguments: list[str], output: Path) -> int:
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        with output.open("wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        code = 1
        try:
            code = int(pytest.main(arguments))
            sys.stdout.flush()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    for module in LOADED:
        import_module(module)
    for line in sys.stdin:
        given, file = json.loads(line)
        print(run(given, Path(file)), flush=True)
