"""The verdict of ``screening.md`` section 5 in fractions and plain loops: slow, and written from the text.

Shares no line with ``protocol/screening``. Clients are text; a case is a dictionary as in the vector file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from math import floor, isqrt
from typing import Any

Case = Mapping[str, Any]
PPM = 10**6
ONE = 2**40


def lower_median(values: Sequence[Any]) -> Any:
    return sorted(values)[(len(values) - 1) // 2]


def wrapped(names: Sequence[str], product: Mapping[tuple[str, str], int]) -> set[str]:
    left, out = set(names), set[str]()

    def accusers(a: str) -> int:
        return sum(
            product[a, b] ** 2 > product[a, a] * product[b, b] or product[a, a] < 0 or product[b, b] < 0 for b in left
        )

    while left and max(accusers(a) for a in left) > 0:
        most = max(accusers(a) for a in left)
        worst = {a for a in left if accusers(a) == most}
        left, out = left - worst, out | worst
    return out


def levels(names: Sequence[str], product: Mapping[tuple[str, str], int], lengths: Mapping[str, int]) -> dict[str, int]:
    def cosine(a: str, b: str) -> int:
        if a == b:
            return 0
        return max(-ONE, min(ONE, floor(Fraction(product[a, b] * ONE, isqrt(lengths[a] * lengths[b])))))

    nearest = {a: max(cosine(a, b) for b in names) + ONE // 10**5 for a in names}
    alone = {}
    for a in names:
        pardoned = [
            floor(cosine(a, b) * Fraction(nearest[a], nearest[b])) if nearest[a] < nearest[b] else cosine(a, b)
            for b in names
        ]
        alone[a] = min(ONE, max(0, ONE - max(pardoned)))
    largest = max(alone.values(), default=0)
    found = {}
    with localcontext() as context:
        context.prec = 50
        for a in names:
            part = Decimal(alone[a] * ONE // largest) / ONE if largest else Decimal(0)
            odds = part / (1 - part) if part < 1 else Decimal("Infinity")
            weight = (odds + Decimal("1e-5")).ln() + Decimal("0.5")
            found[a] = (
                max(0, min(15, int((15 * weight + Decimal("0.5")).to_integral_value("ROUND_FLOOR"))))
                if (weight < 2)
                else 15
            )
    return found


def followed(
    case: Case, standing: Sequence[str], now: Mapping[tuple[str, str], int], public: Sequence[str]
) -> tuple[dict[str, list[int]], set[str]]:
    """Sums over rounds of what updates have in common with the model's step, and whose say that they copy it."""
    left = 1 - Fraction(1, case["terms"]["window"])
    sums = {
        a: [floor(x * left), floor(noise * left), floor(error * left**2)]
        for a, (x, noise, error) in case["before"].items()
        if a in case["counts"] or a in standing
    }
    square = now[public[0], public[0]] if public else 0
    if len(standing) >= 3 and square > 0 and Fraction(square, 4) * Fraction(2, 3) <= case["step_noise"]:
        middle = lower_median([now[a, public[0]] for a in standing])
        for a in standing:
            more = (now[a, public[0]] - middle, 4 * case["step_noise"], now[a, a] * square)
            sums[a] = [x + y for x, y in zip(sums.get(a, [0, 0, 0]), more, strict=True)]
    sums = {a: sums[a] for a in sorted(sums) if sums[a][1] > 0}
    rates = [floor(Fraction(2**20 * x, noise)) for a, (x, noise, _) in sums.items() if a in standing]
    found = set()
    for a, (x, noise, error) in sums.items():
        above = x - floor(Fraction(lower_median(rates) * noise, 2**20)) if len(rates) >= 3 else 0
        if above > Fraction(noise, 2) and above**2 > 16 * Fraction(error, 512):
            found.add(a)
    return sums, found


def verdict(case: Case) -> dict[str, Any]:
    terms, noise, weights, counts = case["terms"], case["noise"], case["weights"], case["counts"]
    names, old = sorted(weights), sorted(counts)
    public = [f"public {u}" for u in range(len(case["gram"]) - len(names))]
    rows = [*names, *public]
    now = {(a, b): case["gram"][i][k] for i, a in enumerate(rows) for k, b in enumerate(rows)}
    past = {(a, b): case["history"][i][k] for i, a in enumerate(old) for k, b in enumerate(old)}
    bound, clip = terms["norm_bound"], terms["clip"]
    reasons: dict[str, str] = {}

    inside = []
    for i, a in enumerate(names):
        four = case["norms"][4 * i : 4 * i + 4]
        if all(0 <= one <= 2 * bound**2 for one in four) and sum(four) <= 5 * bound**2:
            inside.append(a)
        else:
            reasons[a] = "norm"
    for a in wrapped(inside, now):
        reasons[a] = "gram"
    passed = [a for a in names if a not in reasons]

    lost = wrapped(old, past)
    true = {a: past[a, a] - 4 * counts[a] * noise for a in old}
    limit = 4 * (1 + Fraction(terms["slack_ppm"], PPM))
    long = {a for a in old if true[a] - Fraction(3, 2) * counts[a] * noise > limit * counts[a] ** 2 * clip**2}
    for a in lost | long:
        reasons.setdefault(a, "gram" if a in lost else "history")
    kept = [a for a in old if a not in lost | long]

    compared = [a for a in passed if a not in reasons and (weights[a] > 0 or a not in counts)]
    own = [a for a in kept if a in compared]
    scores = {}
    if len(own) >= 3:
        for a in own:
            scores[a] = lower_median([floor(Fraction(4096 * past[a, b], counts[a] * counts[b])) for b in own if b != a])
    middle = lower_median(list(scores.values())) if scores else 0
    stated, given, out = False, {}, set()
    if terms["rule"] == "krum":
        suspects = terms["suspects_ppm"] * len(compared) // PPM
        nearest = len(compared) - suspects - 2
        stated = nearest >= 1
        if stated:
            far = {
                a: sum(sorted(now[a, a] + now[b, b] - 2 * now[a, b] for b in compared if b != a)[:nearest])
                for a in compared
            }
            ranked = sorted(compared, key=lambda a: (far[a], a), reverse=True)[:suspects]
            out = {a for a in ranked if far[a] > 4 * lower_median(list(far.values()))}
    elif terms["rule"] == "alignment":
        stated = middle > 0
        out = {a for a in scores if stated and scores[a] < Fraction(middle, 2)}
    else:
        stated = len(kept) > 1
        least = {a: max(true[a], terms["floor_ppm"] * counts[a] * noise // PPM, 1) for a in old}
        given = dict.fromkeys(old, 0) | levels(kept, past, least)
    for a in out:
        reasons.setdefault(a, "rule")

    standing = [a for a in passed if a not in reasons and weights[a] > 0]
    accepted = standing if case["round"] > terms["probation"] else []
    projected = {a: sum(weights[b] * now[a, b] for b in accepted) - 4 * weights[a] * noise for a in accepted}

    def parts(of: Mapping[str, int]) -> dict[str, int]:
        positive = {a: 0 if a in idle else max(0, of.get(a, 0)) for a in accepted}
        return {a: PPM * x // sum(positive.values()) if x else 0 for a, x in positive.items()}

    idle = set()
    lengths = {a: true[a] // counts[a] ** 2 for a in kept}
    typical = lower_median(list(lengths.values())) if kept else 0
    if typical > 0 and typical * min(counts[a] for a in kept) >= noise:
        idle |= {a for a in kept if lengths[a] < Fraction(terms["idle_ppm"] * typical, PPM)}
    if middle > 0:
        idle |= {a for a in scores if abs(scores[a]) < Fraction(terms["idle_ppm"] * middle, PPM)}
    for a in passed:
        length = max(now[a, a] - 4 * noise, terms["floor_ppm"] * noise // PPM, 1)
        for u in public:
            square = Fraction(now[a, u] ** 2, length * now[u, u]) if now[u, u] > 0 else Fraction(-1)
            if square >= Fraction(terms["copy_ppm"], PPM) ** 2:
                idle.add(a)
    steps, copiers = followed(case, standing, now, public)
    idle = (idle | copiers) & set(passed)
    aligned, projection = parts(scores if middle > 0 else {}), parts(projected)
    return {
        "passed": passed,
        "accepted": accepted,
        "rejected": {a: reasons[a] for a in names if a in reasons},
        "stated": stated,
        "levels": given,
        "shares": {a: [aligned[a], projection[a]] for a in accepted},
        "idle": sorted(idle),
        "steps": steps,
    }
