"""What is shipped for Kubernetes and systemd: it starts commands that there are, with settings that there are, and gives them no more than
they need.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask

from deploy.dev.processes import ROOT

KUBERNETES = ROOT / "deploy" / "kubernetes"
UNITS = sorted((ROOT / "deploy" / "systemd").iterdir())
OBJECTS = [
    one
    for file in sorted(KUBERNETES.rglob("*.yaml"))
    for one in yaml.safe_load_all(file.read_text())
    if one["kind"] != "Kustomization"
]
PODS = {
    one["metadata"]["name"]: one["spec"]["template"]["spec"] for one in OBJECTS if "template" in one.get("spec", {})
}
SETTINGS = {*re.findall(r"^#? ?([A-Z][A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)}
# What is read by gunicorn and not by the portal.
OF_GUNICORN = {"WEB_CONCURRENCY"}


def containers() -> Iterator[Any]:
    yield from (container for pod in PODS.values() for container in pod["containers"])


def test_there_are_the_three_processes() -> None:
    assert set(PODS) == {"portal-web", "portal-worker", "portal-migrate"}


@pytest.mark.parametrize("name", PODS)
def test_a_pod_may_do_no_more_than_it_needs(name: str) -> None:
    """As the standard "restricted" has it. Source: Kubernetes, "Pod Security Standards"."""
    pod = PODS[name]
    of_pod = pod["securityContext"]
    uid = re.search(r"--uid (\d+)", (ROOT / "Dockerfile").read_text())
    assert uid is not None
    assert of_pod["runAsNonRoot"] and of_pod["runAsUser"] == int(uid[1])
    assert of_pod["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        allowed = container["securityContext"]
        assert allowed == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip
        assert "memory" in container["resources"]["limits"] and "cpu" in container["resources"]["requests"]
    volumes = {volume["name"] for volume in pod["volumes"]}
    assert {mount["name"] for one in pod["containers"] for mount in one["volumeMounts"]} == volumes


@pytest.mark.database("sqlite")
def test_what_is_asked_whether_it_is_well_has_these_addresses(app: Flask) -> None:
    rules = {rule.rule for rule in app.url_map.iter_rules()}
    probes = [
        container[probe]["httpGet"]["path"]
        for container in containers()
        for probe in ("startupProbe", "livenessProbe", "readinessProbe")
        if probe in container
    ]
    assert {*probes} == {"/healthz", "/readyz", "/metrics"} and {*probes} <= rules


@pytest.mark.database("sqlite")
def test_what_is_started_is_a_command(app: Flask) -> None:
    started = [container["command"] for container in containers() if "command" in container]
    started += [
        line.partition("=")[2].split()[3:]
        for unit in UNITS
        for line in unit.read_text().splitlines()
        if line.startswith("ExecStart=") and "bin/flask" in line
    ]
    assert {words[-1] for words in started} == {"migrate", "worker"} <= {*app.cli.commands}


def test_settings_are_settings_and_no_secret_stands_in_them() -> None:
    maps = [one["data"] for one in OBJECTS if one["kind"] == "ConfigMap"]
    overlay = yaml.safe_load((KUBERNETES / "overlays/production/kustomization.yaml").read_text())
    literals = [line for made in overlay["configMapGenerator"] for line in made["literals"]]
    given = {name for one in maps for name in one} | {line.partition("=")[0] for line in literals}
    given |= {variable["name"] for container in containers() for variable in container["env"]}
    assert given <= SETTINGS | OF_GUNICORN
    secrets = re.compile(r"SECRET|PASSWORD|TOKEN|_KEY$|DATABASE_URL")
    written = {name for one in maps for name in one} | {line.partition("=")[0] for line in literals}
    assert {name for name in written if secrets.search(name)} == set()
    addressed = [variable for container in containers() for variable in container["env"] if "valueFrom" in variable]
    assert {one["valueFrom"]["secretKeyRef"]["key"] for one in addressed} == {"owner", "web", "worker"}


def test_kubectl_puts_it_together() -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not here")
    done = subprocess.run(
        [kubectl, "kustomize", str(KUBERNETES / "overlays/production")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    made = [*yaml.safe_load_all(done.stdout)]
    (settings,) = [one["data"] for one in made if one["kind"] == "ConfigMap"]
    assert settings["PORTAL_ENVIRONMENT"] == "production" and settings["PORTAL_BASE_URL"].startswith("https://")
    assert {one["metadata"]["namespace"] for one in made} == {"portal"}


def test_systemd_reads_the_units(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not here")
    for unit in UNITS:  # what they start is installed elsewhere
        text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text(), flags=re.MULTILINE)
        (tmp_path / unit.name).write_text(text)
    done = subprocess.run(
        [analyze, "verify", "--man=no", *(str(tmp_path / unit.name) for unit in UNITS)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
