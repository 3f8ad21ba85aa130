"""Breaks the contracts on purpose, one line at a time, and says which test notices:
``python -m scripts.checks.mutate [--sample N] [--seed S] [--function NAME] [--minutes M] [--processes P] [--json]``.

Without ``--sample`` every mutant is tried, which takes hours; a sample holds each function at least once if it is large
enough. What survives is a missing test, or a change that makes no difference and belongs into contracts/mutants.toml.
Exit code 1 when a mutant survived.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue

from contracts.compiler import ROOT
from scripts.checks.mutate.equivalent import without_equivalent
from scripts.checks.mutate.mutants import Mutant, all_mutants, sample
from scripts.checks.mutate.trial import Function, Trial, Verdict
from scripts.guard import Guard


def line_of(verdict: Verdict) -> str:
    mutant = verdict.mutant
    place = f"{mutant.file}:{mutant.line} {mutant.function} ({mutant.kind})"
    change = f"{mutant.before.strip()}  ->  {mutant.after.strip()}"
    return f"{verdict.outcome:9} {place}: {change}" + (f"  by {verdict.by}" if verdict.by else "")


def summary_of(verdicts: list[Verdict]) -> str:
    counts = Counter(verdict.outcome for verdict in verdicts)
    functions = len({(verdict.mutant.file, verdict.mutant.function) for verdict in verdicts})
    told = ", ".join(f"{counts[outcome]} {outcome}" for outcome in ("killed", "survived", "same code", "invalid"))
    return f"{len(verdicts)} mutants in {functions} functions: {told}"


def verdicts_on(mutants: list[Mutant], folder: Path, processes: int, seconds: float) -> Iterator[Verdict]:
    """In the order in which they come. Raises TrialError."""
    end = time.monotonic() + seconds
    killers: dict[Function, list[str]] = {}
    trials: SimpleQueue[Trial] = SimpleQueue()
    for number in range(processes):
        (folder / str(number)).mkdir()
        trials.put(Trial(folder / str(number), killers))

    def verdict_on(mutant: Mutant) -> Verdict | None:
        if time.monotonic() > end:
            return None
        trial = trials.get()
        try:
            return trial.verdict_on(mutant)
        finally:
            trials.put(trial)

    trial = trials.get()
    trial.check()
    trials.put(trial)
    with ThreadPoolExecutor(processes) as pool:
        running = [pool.submit(verdict_on, mutant) for mutant in mutants]
        try:
            for done in as_completed(running):
                verdict = done.result()
                if verdict is not None:
                    yield verdict
        finally:
            pool.shutdown(cancel_futures=True)
            while not trials.empty():
                trials.get().close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, metavar="N", help="how many mutants, drawn by the seed")
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    parser.add_argument("--function", metavar="NAME", help="only mutants of functions of this name")
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), metavar="M", help="begin no mutant after this time"
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count(), metavar="P", help="how many at a time")
    parser.add_argument("--json", action="store_true", help="print one JSON array instead of lines")
    arguments = parser.parse_args()
    mutants = without_equivalent(all_mutants(ROOT / "contracts" / "src"))
    if arguments.function:
        mutants = [mutant for mutant in mutants if mutant.function == arguments.function]
        if not mutants:
            parser.error(f"nothing to change in a function of the name {arguments.function}")
    if arguments.sample is not None:
        mutants = sample(mutants, arguments.sample, arguments.seed)
    verdicts: list[Verdict] = []
    with Guard() as guard:
        os.environ.update(guard.environment)  # for everything that is started from here on
        for verdict in verdicts_on(mutants, guard.temporary_folder(), arguments.processes, 60 * arguments.minutes):
            verdicts.append(verdict)
            if not arguments.json:
                print(line_of(verdict), flush=True)
    survivors = [verdict for verdict in verdicts if verdict.outcome == "survived"]
    if arguments.json:
        print(json.dumps([asdict(verdict) for verdict in verdicts], indent=1))
    else:
        print(summary_of(verdicts), *(line_of(verdict) for verdict in survivors), sep="\n")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
