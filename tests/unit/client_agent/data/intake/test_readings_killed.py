"""A collector that is killed in the middle of its work: what it had stored is there, and half a batch never is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from client_agent.data.intake.readings import Readings
from tests.unit.client_agent.data.intake.scene_plugs import NOW

BATCH = 50
WRITER = f"""
import sys
from pathlib import Path
from client_agent.data.intake.readings import Readings
from tests.unit.client_agent.data.intake.scene_plugs import NOW, watts
with Readings(Path(sys.argv[1])) as readings:
    for batch in range(10_000):
        readings.add([(NOW + batch * {BATCH} + place, watts(float(place))) for place in range({BATCH})], NOW)
        print(batch, flush=True)
"""


@pytest.mark.parametrize("acknowledged", [1, 7, 23])
def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, acknowledged: int) -> None:
    path = tmp_path / "readings.db"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(acknowledged):
            last = int(writer.stdout.readline())
        writer.kill()
        later = writer.stdout.read().split()
    last = max([last, *map(int, later)])
    with Readings(path) as readings:
        found = readings.series(1, NOW, NOW + 10_000 * BATCH).watts
        whole = [float(place) for _ in range(last + 2) for place in range(BATCH)]
        stored = found[~(found != found)].tolist()
        assert len(stored) in ((last + 1) * BATCH, (last + 2) * BATCH)  # one may be stored and not told
        assert stored == whole[: len(stored)]
