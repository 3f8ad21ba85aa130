"""What the first and the second process start cost: from nothing to the first ciphertext by compiled loops.

``python -m scripts.bench.start_up`` is such a process. The first of two finds no compiled kernels in its cache, as on a
machine that has just installed Hearth; the second finds those of the first.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from scripts.bench.timing import clock
from scripts.guard import Guard
from scripts.launcher import module_command


def measure() -> dict[str, Any]:
    """Seconds of whole processes, interpreter and imports included, and of one that only imports."""
    with Guard() as guard:
        surroundings = {**os.environ, **guard.environment, "NUMBA_CACHE_DIR": str(guard.temporary_folder())}
        first, second = _process(surroundings, "encrypt"), _process(surroundings, "encrypt")
        imports = _process(surroundings, "import")
        return {"first_seconds": first, "second_seconds": second, "imports_alone_seconds": imports}


def _process(surroundings: dict[str, str], what: str) -> float:
    command = [*module_command("scripts.bench.start_up"), what]
    return round(clock(lambda: subprocess.run(command, env=surroundings, check=True))[0], 2)


if __name__ == "__main__":
    from protocol.encryption.suite import prepare
    from scripts.bench.ours import FE64_SYSTEM, Round

    if sys.argv[1] == "encrypt":
        prepare()
        Round(FE64_SYSTEM, FE64_SYSTEM.workload(1, 1000))
