"""The small profile of ``hearth evaluate attack`` meets its bars, which are looser than those of the full one."""

from __future__ import annotations

import json

import pytest

from scripts.evaluate.attack import Attack
from scripts.evaluate.attack_report import PROPERTY_BAR, report_of
from scripts.evaluate.attacks.audits import AUDITS
from scripts.evaluate.evaluation import Report, Results, Silent


@pytest.fixture(scope="module")
def results() -> Results:
    return {cell.key: json.loads(json.dumps(cell.run(Silent()))) for cell in Attack(None).cells("small")}


@pytest.fixture(scope="module")
def report(results: Results) -> Report:
    return Attack(None).report("small", results)


def test_every_row_is_met(report: Report) -> None:
    assert [row for row in report.rows if not row.met] == []
    assert report.met


def test_every_mechanism_is_audited_with_its_noise_and_without(report: Report, results: Results) -> None:
    kinds = {audit.terms.mechanism.kind for audit in AUDITS}
    assert kinds == {"example", "client", "distributed", "correlated", "features"}
    for audit in AUDITS:
        (noisy, quiet) = (
            next(
                one
                for one in results.values()
                if one.get("mechanism") == audit.name and bool(one["noise_multiplier"]) == on
            )
            for on in (True, False)
        )
        assert noisy["claimed"] == quiet["claimed"] <= 2.0
        assert quiet["one_run"] >= 2 * noisy["claimed"]
        if audit.name == "features, against its claim":
            assert noisy["one_run"] > noisy["claimed"], "nobody may read it as a guarantee"
        else:
            assert max(noisy["one_run"], noisy["f_dp"]) <= noisy["claimed"]


def test_what_each_attack_gets_without_privacy(results: Results) -> None:
    assert results["property.nothing.1"]["all_rounds"] > 0.95
    assert results["property.nothing-sums-only.1"]["all_rounds"] > 0.8
    assert results["property.features.1"]["all_rounds"] > 0.8, "its noise hides no property"
    assert results["generator.nothing.1"]["called"] > 0.9
    assert results["generator.nothing.1"]["distance"] < 1.0
    variants = results["membership.nothing.1"]["variants"]
    assert max(found["area"] for found in variants.values()) > 0.6


def test_a_row_that_is_not_met_is_said(results: Results) -> None:
    key = "audit.example.claimed.1"
    changed = dict(results, **{key: {**results[key], "f_dp": 2.5}})
    (row,) = [row for row in report_of("small", changed).rows if not row.met]
    assert row.what == "one-run audit, example: lower bound on epsilon"
    for key, measure in (("property.client.1", "one_round"), ("property.client-epsilon-1.1", "all_rounds")):
        changed = dict(results, **{key: {**results[key], measure: PROPERTY_BAR["small"] + 0.01}})
        (row,) = [row for row in report_of("small", changed).rows if not row.met]
        assert "client" in row.what


def test_the_full_profile_tries_more(results: Results) -> None:
    keys = [cell.key for cell in Attack(None).cells("full")]
    assert len(set(keys)) == len(keys)
    assert set(results) < set(keys)
    assert [key for key in keys if key.startswith("property.correlated")]
    assert len(Attack(2).cells("small")) == 2 * len(results)
