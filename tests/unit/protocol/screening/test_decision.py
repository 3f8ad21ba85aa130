"""Verdicts are what the text says, whoever computes them and in whatever order their clients are known."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from protocol.canonical import decode, encode
from protocol.errors import EncryptionError, Party, SpecError, VerificationError
from protocol.messages.screening import ScreeningVerdict
from protocol.messages.screening_terms import RULES, ScreeningTerms
from protocol.screening.decision import Openings, Screened, check_verdict, decide_screened
from tests.oracles import screening_verdict as oracle
from tests.unit.protocol.screening.verdict_cases import drawn_case, judged, rule_of


def plain(verdict: ScreeningVerdict) -> dict[str, Any]:
    """As the oracle says it."""
    return {
        "passed": [client.hex() for client in verdict.passed],
        "accepted": [client.hex() for client in verdict.accepted],
        "rejected": {entry.client.hex(): entry.reason for entry in verdict.rejected},
        "stated": verdict.stated,
        "levels": {entry.client.hex(): entry.level for entry in verdict.levels},
        "shares": {entry.client.hex(): [entry.aligned_ppm, entry.projected_ppm] for entry in verdict.shares},
        "idle": [client.hex() for client in verdict.idle],
        "steps": {one.client.hex(): [one.excess, one.noise, one.error] for one in verdict.steps},
    }


def test_verdicts_are_the_oracle_s() -> None:
    """Over 150 rounds of every kind of client; all reasons, both statements, idle ones and all ends of levels come."""
    seen: Counter[str] = Counter()
    for seed in range(150):
        case = drawn_case(seed, rule_of(seed))
        verdict = decide_screened(*judged(case))
        assert plain(verdict) == oracle.verdict(case), seed
        seen.update(entry.reason for entry in verdict.rejected)
        seen.update(f"level {entry.level}" for entry in verdict.levels)
        seen.update({f"stated {verdict.stated}": 1, "accepted": len(verdict.accepted), "idle": len(verdict.idle)})
    for name in ("norm", "gram", "history", "rule", "stated True", "stated False", "idle", "level 0", "level 15"):
        assert seen[name] > 3, name


def test_the_bits_depend_on_no_order_no_type_and_no_layout() -> None:
    for seed in range(9):
        screened, openings = judged(drawn_case(seed, rule_of(seed)))
        first = encode(decide_screened(screened, openings))
        shuffled = Screened(
            screened.label,
            screened.request,
            screened.round,
            screened.terms,
            screened.noise,
            dict(reversed(list(screened.weights.items()))),
            dict(reversed(list(screened.counts.items()))),
            screened.step_noise,
            screened.before[::-1],
        )
        wide = np.zeros((2 * len(openings.gram), 2 * len(openings.gram)), np.int64)[::2, ::2]
        wide[:] = openings.gram
        other = Openings(wide, openings.norms[::-1].copy()[::-1], np.asfortranarray(openings.history))
        assert encode(decide_screened(shuffled, other)) == first
        assert decode(ScreeningVerdict, first) == decide_screened(screened, openings)


def test_an_authority_releases_nothing_for_another_verdict() -> None:
    verdict = decide_screened(*judged(drawn_case(4, rule_of(4))))
    check_verdict(verdict, verdict)
    changed = decide_screened(*judged(drawn_case(5, rule_of(5))))
    with pytest.raises(VerificationError, match="E_VERDICT") as refused:
        check_verdict(changed, verdict)
    assert refused.value.fault is Party.EDGE_SERVER


def test_probation_collects_and_moves_nothing() -> None:
    case = drawn_case(1, "foolsgold")
    case["terms"]["probation"] = case["round"]
    verdict = decide_screened(*judged(case))
    assert verdict.passed and not verdict.accepted and not verdict.shares
    case["round"] += 1
    assert decide_screened(*judged(case)).accepted


def test_openings_of_other_sizes_or_sketches_are_refused() -> None:
    screened, openings = judged(drawn_case(0, "krum"))
    for wrong in (
        Openings(openings.gram[:-1], openings.norms, openings.history),
        Openings(openings.gram[:2, :2], openings.norms, openings.history),
        Openings(openings.gram, openings.norms[:-4], openings.history),
        Openings(openings.gram, openings.norms, openings.history[:1, :1]),
    ):
        with pytest.raises(EncryptionError, match="E_PARAMS"):
            decide_screened(screened, wrong)
    single = replace(screened, counts=dict.fromkeys(screened.counts, 1))
    with pytest.raises(EncryptionError, match="E_PARAMS"):
        decide_screened(single, openings)
    with pytest.raises(VerificationError, match="E_GRAM_RANGE"):
        decide_screened(screened, Openings(openings.gram, openings.norms + 1, openings.history))


def test_terms_that_could_not_screen_are_refused() -> None:
    assert ScreeningTerms("krum", 2**13, 2**12, 590).probation == 3
    for arguments in (("median", 9, 9, 4), ("krum", 2**13, 9, 592), ("krum", 9, 9, 5), ("krum", 9, 10, 4)):
        with pytest.raises(SpecError):
            ScreeningTerms(*arguments)
    assert set(RULES) == {"krum", "foolsgold", "alignment"}
