"""The alert rules and the dashboard that are shipped ask for metrics that there are, and the rules lead to what to do.

Where promtool is there (Debian's package prometheus), it carries the rules out on given numbers, and reads each question of the dashboard.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
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
    declared |= {name: labels | {"le"} for name, labels in declared.items() if name.endswith("_bucket")}
    return declared | {"up": {"job", "instance"}}


def asks_for_what_there_is(question: str) -> None:
    declared = known()
    asked = re.findall(r"\b(portal_\w+|up)(?:\{([^}]*)\})?", question)
    assert asked
    for name, selector in asked:
        assert name in declared, name
        assert {*re.findall(r"(\w+)[!=~]+", selector)} <= declared[name] | {"job", "instance"}


def anchors(path: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", (ROOT / path).read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_a_rule_asks_for_what_there_is_and_says_what_to_do(rule: dict[str, Any]) -> None:
    asks_for_what_there_is(rule["expr"])
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
    assert {one["job_name"] for one in said["scrape_configs"]} == {"portal-worker", "portal-web"}


# The dashboard


def questions() -> Iterator[str]:
    dashboard = json.loads((ROOT / "deploy/grafana/portal.json").read_text())
    yield from (target["expr"] for panel in dashboard["panels"] for target in panel["targets"])


@pytest.mark.parametrize("question", [*questions()])
def test_a_panel_asks_for_what_there_is(question: str) -> None:
    asks_for_what_there_is(question)
    for labels in re.findall(r"by \(([^)]*)\)", question):
        names = re.findall(r"portal_\w+", question)
        everywhere = {label for name in names for label in known()[name]} | {"instance", "le"}
        assert {label.strip() for label in labels.split(",")} <= everywhere


def test_what_is_counted_is_shown_or_alerted_on() -> None:
    """But for what is only looked up when one of the others says that something is wrong."""
    looked_up = {
        "portal_lost_jobs_requeued",
        "portal_reconciliations",
        "portal_reconciliation_seconds",
        "portal_last_restore_drill_timestamp_seconds",
    }
    asked = " ".join([*questions(), *(rule["expr"] for rule in RULES)])
    named = {getattr(collector, "_name", "") for collector in REGISTRY._collector_to_names}
    counted = {name for name in named if name.startswith("portal_")}
    assert {name for name in counted if name not in asked} == looked_up


# By Prometheus itself


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not here: it comes with Debian's package prometheus")
    return found


def test_prometheus_reads_the_rules_and_they_say_what_they_should(promtool: str) -> None:
    for command in (["check", "rules", "portal.rules.yml"], ["test", "rules", "portal.rules.test.yml"]):
        done = subprocess.run(
            [promtool, *command], cwd=ROOT / "deploy/prometheus", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_reads_what_the_dashboard_asks(promtool: str, tmp_path: Path) -> None:
    asked = [one.replace("$__rate_interval", "5m") for one in questions()]
    rules = [{"record": f"panel:{number}", "expr": question} for number, question in enumerate(asked)]
    file = tmp_path / "dashboard.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run([promtool, "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
