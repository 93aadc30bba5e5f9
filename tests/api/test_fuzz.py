"""Schemathesis calls every operation of the served document, with what it allows and with what it does not, and judges every answer.

Each caller calls what the scopes of its token allow, and together they call everything; that the rest is refused, whatever is sent, is
told by tests/api/test_access.py.

`make test` runs a bounded part, the same one each time; `make fuzz` runs as long as FUZZ_SECONDS says for each caller, with new examples.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from flask import Flask

from portal.core import db
from portal.core.permissions import Role
from portal.identity import api_clients, policy
from portal.identity.models import CustomerRole
from tests import factories
from tests.api.test_access import operations
from tests.live import LivePortal

# More than that outlives an access token.
MOST_SECONDS_A_RUN = 480
NO_LIMITS = "all:1000000/minute,changes:1000000/minute,sign_in:1000000/minute,refused:1000000/minute"


def credentials(caller: str) -> dict[str, str]:
    """Someone of this kind, as they ask for a token; with things of theirs that can be found."""
    with db.transaction() as session:
        if caller == "owner":
            customer = factories.customer(session)
            user = factories.user(session, customer)
            for _number in range(3):
                factories.payment(session, customer, factories.invoice(session, customer, status="paid"))
                factories.invoice(session, customer)
        else:
            user = factories.staff(session, "admin")
            factories.staff(session)
    if caller == "api_client":
        row, secret = api_clients.create("Books", policy.API_CLIENT_SCOPES, user.id)
        return {"grant_type": "client_credentials", "client_id": row.id, "client_secret": secret}
    return {"grant_type": "password", "email": user.email, "password": factories.PASSWORD}


def token_for(url: str, who: dict[str, str]) -> tuple[str, frozenset[str]]:
    """A token and its scopes."""
    json_type = {"Content-Type": "application/json"}
    asked = Request(f"{url}/api/auth/token", json.dumps(who).encode(), json_type)  # noqa: S310  # our own server
    with urlopen(asked, timeout=30) as answer:  # noqa: S310
        told = json.load(answer)
    return str(told["access_token"]), frozenset(told["scope"].split())


def open_to(url: str, scopes: frozenset[str]) -> list[str]:
    """The operations that a token of these scopes is let into."""
    with urlopen(f"{url}/api/openapi.json", timeout=30) as answer:  # noqa: S310
        told = [one for methods in json.load(answer)["paths"].values() for one in methods.values()]
    return [one["operationId"] for one in told if not one.get("x-scopes") or scopes.intersection(one["x-scopes"])]


@pytest.mark.database("sqlite")
def test_every_operation_is_open_to_one_of_the_callers(app: Flask) -> None:
    people = policy.scopes_of(Role.CUSTOMER, CustomerRole.OWNER) | policy.scopes_of(Role.ADMIN, None)
    callers = people | policy.API_CLIENT_SCOPES
    for _method, route, facts in operations(app):
        assert not facts.scopes or callers.intersection(facts.scopes), route


@pytest.mark.timeout(7_200)
@pytest.mark.settings(PORTAL_API_LIMITS=NO_LIMITS)
@pytest.mark.parametrize("caller", ["owner", "admin", "api_client"])
def test_every_operation_keeps_to_its_document(live_portal: LivePortal, caller: str, tmp_path: Path) -> None:
    who, seconds = credentials(caller), int(os.environ.get("FUZZ_SECONDS", "0"))
    while True:
        token, scopes = token_for(live_portal.url, who)
        _run(live_portal.url, token, open_to(live_portal.url, scopes), tmp_path, seconds)
        seconds -= MOST_SECONDS_A_RUN
        if seconds <= 0:
            return


def _run(url: str, token: str, names: list[str], directory: Path, seconds: int) -> None:
    bounds = (
        ["--max-time", str(min(seconds, MOST_SECONDS_A_RUN))]
        if seconds
        else ["--max-examples", "6", "--generation-deterministic", "--seed", "1"]
    )
    command = [
        *(
            sys.executable,
            "-m",
            "schemathesis.cli",
            "--config-file",
            str(Path(__file__).with_name("schemathesis.toml")),
        ),
        *("run", f"{url}/api/openapi.json", "--url", url, "--header", f"Authorization: Bearer {token}"),
        *("--include-operation-id-regex", f"^({'|'.join(names)})$"),
        # One thread: what two of them share in schemathesis is another at each run, and a run of one seed is to be the same each time.
        *("--checks", "all", "--workers", "1", "--no-color", "--continue-on-failure"),
        *("--suppress-health-check", "all", *bounds),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=directory)
    assert done.returncode == 0, _findings(done.stdout + done.stderr).replace(token, "…")


def _findings(printed: str) -> str:
    """What went wrong, without the warnings: a report that is too long is cut in its middle, where the findings stand."""
    sections = re.split(r"(?m)^(?==+ [A-Z]+ =+$)", printed)
    told = [section[:6_000] for section in sections if re.match(r"=+ (ERRORS|FAILURES|SUMMARY) =+", section)]
    return "\n".join(told) or printed[-6_000:]
