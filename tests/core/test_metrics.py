"""Metrics: off unless the settings name a port, and then on that port alone."""

from __future__ import annotations

import threading

import pytest
import requests
from flask.testing import FlaskClient

from deploy.dev.processes import free_port
from portal.core import config, metrics
from portal.jobs import outbox
from tests.core.jobs import NAME, Work, add, fails

pytestmark = pytest.mark.database("sqlite")


def test_jobs_are_counted_by_what_came_of_them(settings: config.Settings, work: Work, client: FlaskClient) -> None:
    port = free_port()
    config.use(settings.model_copy(update={"metrics_port": port}))
    metrics.serve()
    work(lambda: None)
    add()
    outbox.run_due()
    work(fails)
    add()
    outbox.run_due()
    served = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
    assert f'portal_jobs_total{{job="{NAME}",outcome="done"}}' in served
    assert f'portal_jobs_total{{job="{NAME}",outcome="failed"}}' in served
    assert "portal_last_reconciliation_timestamp_seconds" in served
    assert client.get("/metrics").status_code == 404


def test_nothing_is_served_without_a_port(settings: config.Settings) -> None:
    assert (settings.metrics_port, settings.metrics_host) == (None, "127.0.0.1")
    listening = threading.active_count()
    metrics.serve()
    assert threading.active_count() == listening
