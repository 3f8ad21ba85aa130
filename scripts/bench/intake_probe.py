"""Asks an edge server other things than a crowd does, ten times a second and more, until its standard input ends; then
says how long each answer took."""

from __future__ import annotations

import itertools
import json
import select
import sys
import time
from typing import Final

from scripts.bench.intake_load import Crowd, address, request
from scripts.bench.intake_scene import TASK

EVERY_SECONDS: Final = 0.02
PATHS: Final = ("/healthz", f"/api/v1/tasks/{TASK}/rounds/1/statement", "/api/v1/identity")
FIRST_SOURCE: Final = 40_000


def probe(port: int) -> list[float]:
    """Seconds; one that is not answered with success counts for as long as anybody would wait."""
    found, crowd = list[float](), Crowd(port)
    for number in itertools.count():
        crowd.send(address(FIRST_SOURCE + number % 200), request("GET", PATHS[number % len(PATHS)]))
        answers = crowd.all_answered()
        found += [sent.seconds if sent.status == 200 else 60.0 for sent in answers] or [60.0]
        if select.select([sys.stdin], [], [], EVERY_SECONDS)[0]:
            return found
    raise AssertionError("unreachable")


if __name__ == "__main__":
    print("begun", flush=True)
    time.sleep(EVERY_SECONDS)
    print(json.dumps(probe(int(sys.argv[1]))), flush=True)
