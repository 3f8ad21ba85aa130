"""What this process takes of the phone that it runs on."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_STATUS: Final = Path("/proc/self/status")


def peak_megabytes() -> float | None:
    """The most memory that was ever resident, files that other processes map as well included: what the process would
    need if it ran alone. None where the system does not say (it is read from Linux's ``VmHWM``)."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM:")), None)
