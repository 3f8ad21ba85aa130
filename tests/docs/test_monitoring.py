"""Dashboard and alert rules name metrics that the servers export, and each alert a heading of the runbook."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, cast

import pytest
import yaml
from prometheus_client import CollectorRegistry

from backend.metrics.authority_metrics import Followed, Kept, watch_authority
from backend.metrics.content_metrics import ContentMetrics
from backend.metrics.edge_metrics import AuthorityMetrics, Driver, watch_edge
from backend.metrics.process_metrics import ProcessMetrics
from tests.tracked import ROOT

FOLDER = ROOT / "docker" / "monitoring"
RULES = yaml.safe_load((FOLDER / "hearth-rules.yaml").read_text())
DASHBOARD = json.loads((FOLDER / "grafana-dashboard.json").read_text())
RUNBOOK = (ROOT / "docs" / "operations.md").read_text()
OWN_OF_PROMETHEUS = {"up"}
# of PromQL, as far as it is used here
FUNCTIONS = {"sum", "max", "rate", "increase", "delta", "histogram_quantile"}
WORDS = {"by", "on", "group_right", "or", "and"}
DURATION = re.compile(r"[0-9]+[smhd]")


class Idle:
    """In place of whatever is asked for its tasks: there are none."""

    now, head, last = 0, 0, None
    tasks = held = lambda *_: 0

    def silent_seconds(self) -> float:
        return 0.0


class IdleDriver(Idle):
    def head(self) -> int:  # type: ignore[override]
        return -1


def exported() -> set[str]:
    """Names of samples, as both kinds of servers register them."""
    edge, authority = (ProcessMetrics(role, bytes(20)) for role in ("edge", "authority"))
    AuthorityMetrics(edge)
    idle = cast(Any, Idle())
    watch_edge(edge, cast(Driver, IdleDriver()), idle, dict, lambda: 0)
    edge.registry.register(ContentMetrics(tuple))
    kept = cast(Kept, type("Kept", (), {"tasks": set})())
    watch_authority(authority, cast(Followed, idle), kept, idle, lambda: 0)
    return {name for registry in (edge.registry, authority.registry) for name in _names(registry)}


def _names(registry: CollectorRegistry) -> Iterator[str]:
    for family in registry.collect():
        endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "info": ("_info",)}
        yield from (family.name + ending for ending in endings.get(family.type, ("",)))


def rules() -> list[dict[str, Any]]:
    return [rule for group in RULES["groups"] for rule in group["rules"]]


def named(expression: str) -> set[str]:
    """Metrics of a PromQL expression. Raises AssertionError for one that is not well formed, as far as this sees it."""
    text = re.sub(r'"[^"]*"', '""', expression)
    for opening, closing in ("()", "[]", "{}"):
        assert text.count(opening) == text.count(closing), expression
    text = re.sub(r"\{[^}]*\}|\[[0-9]+[smhd]\]", "", text)
    text = re.sub(r"\b(by|on|group_right) *\([^)]*\)", "", text)
    words = set(re.findall(r"(?<![0-9.])\b[a-z_][a-z0-9_]*", text)) - FUNCTIONS - WORDS
    return {word for word in words if not re.fullmatch(r"e[0-9]+", word)}


def targets() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


@pytest.mark.parametrize("expression", [*(rule["expr"] for rule in rules()), *targets()])
def test_every_metric_is_one_that_the_servers_export(expression: str) -> None:
    metrics = named(expression)
    assert metrics and metrics <= exported() | OWN_OF_PROMETHEUS


def test_a_metric_that_nobody_exports_would_be_found() -> None:
    assert named('sum by (instance) (rate(hearth_lies_total{kind!="x"}[5m])) > 1e16') == {"hearth_lies_total"}


def test_what_is_exported_is_on_the_dashboard_or_wakes_somebody() -> None:
    shown = {
        re.sub("_(bucket|sum|count)$", "", name)
        for text in [*targets(), *(r["expr"] for r in rules())]
        for name in named(text)
    }
    told = {re.sub("_(bucket|sum|count)$", "", name) for name in exported()}
    assert told - shown == set()


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_alert_has_its_heading_in_the_runbook(rule: dict[str, Any]) -> None:
    assert rule.keys() == {"alert", "expr", "for", "labels", "annotations"}
    assert DURATION.fullmatch(rule["for"]) and rule["labels"]["severity"] in ("warning", "critical")
    assert (
        rule["annotations"]["summary"]
        and rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"
    )
    heading = re.search(rf"^#### {rule['alert']}\n(.+?)(?=^#)", RUNBOOK, re.MULTILINE | re.DOTALL)
    assert heading is not None and len(heading[1].split()) > 20, "it says what it means, what to look at, what to do"


def test_the_runbook_has_no_alert_that_there_is_not() -> None:
    assert set(re.findall(r"^#### (Hearth\w+)$", RUNBOOK, re.MULTILINE)) == {rule["alert"] for rule in rules()}


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(numbers) == len(set(numbers)) and DASHBOARD["uid"] and DASHBOARD["schemaVersion"]
    assert all(panel["title"] and panel["targets"] for panel in DASHBOARD["panels"])
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    assert set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD["panels"]))) <= variables
