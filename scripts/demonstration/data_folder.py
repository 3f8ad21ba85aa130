"""Where data sets lie on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from client_agent.data.loader import DataMissingError


def data_folder() -> Path:
    """``HEARTH_DATA_DIR``. Raises DataMissingError when it is not set or not there."""
    value = os.environ.get("HEARTH_DATA_DIR")
    if not value:
        raise DataMissingError(
            "HEARTH_DATA_DIR is not set: it names the folder with mnist/ in it, where the four files of MNIST are, or"
            " tracebase/complete/ or traffic/; the digits of --dataset digits need no file"
        )
    folder = Path(os.path.realpath(os.path.expanduser(value)))
    if not folder.is_dir():
        raise DataMissingError(f"HEARTH_DATA_DIR: no folder {folder}")
    return folder


def tracebase_folder() -> Path:
    """Raises what :func:`data_folder` does."""
    return data_folder() / "tracebase" / "complete"
