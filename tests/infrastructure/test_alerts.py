"""The alert rules that are shipped ask for metrics that there are, and lead to what to do."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from deploy.dev.processes import ROOT
from portal.core import metrics

RULES = [
    rule
    for group in yaml.safe_load((ROOT / "deploy/prometheus/portal.rules.yml").read_text())["groups"]
    for rule in group["rules"]
]
GUIDE = (ROOT / "docs/how-to/monitor.md").read_text()


def known() -> dict[str, set[str]]:
    """What workers serve: each metric's name, with its labels."""
    assert metrics.JOBS
    declared = {
        name: {*getattr(collector, "_labelnames", ())}
        for collector, names in REGISTRY._collector_to_names.items()
        for name in names
    }
    return declared | {"up": {"job", "instance"}}


def anchors(path: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", (ROOT / path).read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_a_rule_asks_for_what_there_is_and_says_what_to_do(rule: dict[str, Any]) -> None:
    declared = known()
    asked = re.findall(r"\b(portal_\w+|up)(?:\{([^}]*)\})?", rule["expr"])
    assert asked
    for name, selector in asked:
        assert name in declared, name
        assert {*re.findall(r"(\w+)[!=~]+", selector)} <= declared[name] | {"job", "instance"}
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"].endswith(".")
    path, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert anchor in anchors(path)
    assert f"`{rule['alert']}`" in GUIDE


def test_the_page_names_no_alert_that_there_is_not() -> None:
    assert {*re.findall(r"`(Portal\w+)`", GUIDE)} == {rule["alert"] for rule in RULES}


def test_prometheus_is_told_of_the_rules() -> None:
    said = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    assert said["rule_files"] == ["portal.rules.yml"]
    assert {one["job_name"] for one in said["scrape_configs"]} == {"portal-worker"}
