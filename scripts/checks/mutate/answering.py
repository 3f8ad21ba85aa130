"""A process that answers each line of JSON with a line, kept because to start it takes longer than to answer."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from scripts.checks.node_tools import NODE_MODULES


class Answering:
    """``command`` runs in ``folder`` until :meth:`close`."""

    def __init__(self, command: Sequence[str | Path], folder: Path) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            # compiled tests are kept in the copy
            env=os.environ | {"HEARTH_NODE_MODULES": str(NODE_MODULES), "PYTHONDONTWRITEBYTECODE": ""},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, question: object) -> str:
        """Raises BrokenPipeError or ValueError when it is gone."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise ValueError("no answer")
        return answer

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
