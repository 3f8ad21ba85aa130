"""The files of examples that a household has: those made of its readings, and those that its owner named."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from client_agent.data.intake.examples import EXAMPLES
from client_agent.data.loader import DataMissingError, FileLoader
from client_agent.offers import DataFacts, data_facts
from protocol.errors import HearthError
from protocol.messages.task import TaskSpec

log = structlog.get_logger()
MAX_DATA_BYTES: Final = 512 * 1024 * 1024


@dataclass
class ExampleFiles:
    """``named``: by the owner, before all that are made."""

    household: Path
    named: tuple[Path, ...]
    _known: dict[Path, tuple[tuple[int, ...], DataFacts]] = field(default_factory=dict)

    def paths(self) -> tuple[Path, ...]:
        made = sorted((self.household / EXAMPLES).glob("*.safetensors"))
        return (*self.named, *made)

    def known(self) -> list[tuple[Path, DataFacts]]:
        """What is in each; files that cannot be read are left out."""
        found = list[tuple[Path, DataFacts]]()
        for path in self.paths():
            try:
                found.append((path, self._facts(path)))
            except (HearthError, OSError) as error:
                log.warning("examples not read", error=str(error))
        return found

    def for_task(self, spec: TaskSpec) -> Path:
        """Those that a task can use. Raises DataMissingError."""
        for path, facts in self.known():
            if facts.shape == spec.model.input_shape and facts.examples:
                return path
        raise DataMissingError(
            "no appliance is switched on for what this task learns from, or there are no readings of it yet"
        )

    def _facts(self, path: Path) -> DataFacts:
        """Read again once the file is another one."""
        status = path.stat()
        seen = status.st_ino, status.st_size, status.st_mtime_ns
        known = self._known.get(path)
        if known is None or known[0] != seen:
            known = self._known[path] = seen, data_facts(FileLoader(path, MAX_DATA_BYTES).load())
        return known[1]
