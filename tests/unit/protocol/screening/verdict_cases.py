"""Rounds to be judged: honest clients, sybils, garbage and free riders, from a seed; as the vector file has them."""

from __future__ import annotations

from typing import Any

import numpy as np

from protocol.identifiers import sha256
from protocol.messages.screening import MAX_LEVEL, StepSum
from protocol.messages.screening_terms import RULES, ScreeningTerms
from protocol.screening.decision import Openings, Screened
from protocol.screening.sketch import sketch_of

Json = dict[str, Any]
LABEL, REQUEST = sha256(b"label of verdicts"), sha256(b"request of verdicts")


def drawn_case(seed: int, rule: str, clients: int = 12) -> Json:
    """True sketches of small vectors; some openings are spoilt as wrapped ones would be."""
    rng = np.random.default_rng(seed)
    d, noise_sd = 60, int(rng.integers(0, 4))
    drawn, count = sketch_of(sha256(b"verdict %d" % seed), d), int(rng.integers(4, clients + 1))
    names = [sha256(b"%d %d" % (seed, k))[:20].hex() for k in range(count)]
    shared = rng.integers(-8, 9, d)
    base = np.where(rng.random(count)[:, None] < 0.7, shared + rng.integers(-6, 7, (count, d)), -2 * shared)
    base[0], base[1 % count] = (0 if rng.random() < 0.3 else base[0]), base[2 % count]
    public = rng.integers(-8, 9, (int(rng.integers(0, 3)), d))
    if len(public) and rng.random() < 0.5:
        base[3] = 2 * public[0]
    now = base + np.rint(rng.normal(0, noise_sd, (count, d))).astype(np.int64)
    rows = [drawn.of_integers(v) for v in [*now, *public]]
    old = sorted(name for name in names if rng.random() < 0.8)
    counts = {name: int(rng.integers(2, 9)) for name in old}
    histories = []
    for name in old:
        c = counts[name]
        total = c * base[names.index(name)] + np.rint(rng.normal(0, noise_sd * c**0.5, d)).astype(np.int64)
        histories.append(drawn.of_integers(total))
    order = sorted(range(count), key=lambda k: names[k])
    matrix = np.array([rows[k] for k in order] + rows[count:])
    gram = matrix @ matrix.T
    norms = (matrix[:count].reshape(count, 4, 128) ** 2).sum(axis=2).reshape(-1)
    past = np.array(histories, np.int64).reshape(len(old), 512)
    history = past @ past.T
    if rng.random() < 0.3:
        gram[1, :] = gram[:, 1] = 2**40
        norms[4] += 2**40 - norms[4:8].sum() - (0 if rng.random() < 0.5 else 2**48 - 59)
    if rng.random() < 0.3 and len(old) > 3:
        history[2, 1] = history[1, 2] = -(2**44)
    longest = int(np.abs(base).max()) ** 2 * d
    terms: Json = {
        "rule": rule,
        "norm_bound": max(60, int(longest**0.5)),
        "clip": max(50, int(longest**0.5 * rng.choice([0.3, 1.0]))),
        "window": 20,
        "probation": int(rng.integers(0, 3)),
        "suspects_ppm": int(rng.choice([0, 200_000, 400_000])),
        "slack_ppm": 500_000,
        "floor_ppm": 1_000_000,
        "idle_ppm": 50_000,
        "copy_ppm": 980_000,
    }
    terms["clip"] = min(terms["clip"], terms["norm_bound"])
    before = {}
    for name in [*names[1:], sha256(b"gone %d" % seed)[:20].hex()]:
        if rng.random() < 0.6:
            noise = int(rng.integers(1, 40_000))
            error = int(512 * noise**2 * rng.choice([0.002, 0.2]))
            before[name] = [int(noise * rng.choice([-0.5, 0, 0.4, 1])), noise, error]
    return {
        "round": int(rng.integers(1, 6)),
        "terms": terms,
        "noise": d * noise_sd**2,
        "weights": {name: int(rng.integers(0, MAX_LEVEL + 1)) for name in sorted(names)},
        "counts": counts,
        "step_noise": int(rng.choice([0, 800, 4_000])),
        "before": before,
        "gram": gram.tolist(),
        "norms": norms.tolist(),
        "history": history.tolist(),
    }


def judged(case: Json) -> tuple[Screened, Openings]:
    """What the product judges."""

    def named(of: dict[str, int]) -> dict[bytes, int]:
        return {bytes.fromhex(name): value for name, value in of.items()}

    screened = Screened(
        LABEL,
        REQUEST,
        case["round"],
        ScreeningTerms(**case["terms"]),
        case["noise"],
        named(case["weights"]),
        named(case["counts"]),
        case["step_noise"],
        tuple(StepSum(bytes.fromhex(name), *sums) for name, sums in case["before"].items()),
    )
    h = len(case["counts"])
    openings = Openings(
        np.array(case["gram"], np.int64),
        np.array(case["norms"], np.int64),
        np.array(case["history"], np.int64).reshape(h, h),
    )
    return screened, openings


def rule_of(seed: int) -> str:
    return RULES[seed % len(RULES)]
