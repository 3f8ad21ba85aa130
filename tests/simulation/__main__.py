"""``python -m tests.simulation --operations N --seed S [--json FILE]``, which ``hearth simulate faults`` starts."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tests.simulation.run import simulate

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    summary = simulate(arguments.seed, arguments.operations, lambda line: print(line, flush=True))
    print(json.dumps(summary.as_json(), indent=2))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(summary.as_json(), indent=2) + "\n")
