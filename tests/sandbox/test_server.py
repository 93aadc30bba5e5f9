"""How the sandbox starts, refuses to start, and stops."""

from __future__ import annotations

import itertools
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from deploy.dev.processes import ROOT, until_the_starter_dies
from portal.sandbox.app import create_sandbox
from portal.sandbox.resources import disputes, payouts, refunds
from portal.sandbox.resources.intents import move
from portal.sandbox.resources.payment_states import CANCELABLE, CAPTURABLE, CONFIRMABLE, STATES
from portal.sandbox.resources.setup_states import STATES as SETUP_STATES
from portal.sandbox.resources.testcards import BEHAVIOURS, BY_NAME, BY_NUMBER, luhn_valid
from portal.sandbox.server import RefusedToStart, SandboxServer, serve
from tests.sandbox.conftest import RunningSandbox
from tests.waiting import eventually


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "example.com"])  # noqa: S104 - they are refused
def test_it_listens_on_loopback_alone(db_path: Path, host: str) -> None:
    with pytest.raises(RefusedToStart, match="this machine alone"):
        serve(host, 0, db_path)
    app = create_sandbox(db_path)
    try:
        with pytest.raises(RefusedToStart, match="loopback"):
            SandboxServer(app, host)
    finally:
        app.close()


def test_it_does_not_start_beside_a_live_key(db_path: Path) -> None:
    with pytest.raises(RefusedToStart, match="live Stripe key"):
        serve("127.0.0.1", 0, db_path, stripe_key="sk_live_" + "x" * 4)


def test_as_a_command_it_says_where_it_is_and_stops_when_asked(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "portal.sandbox", "--db", str(tmp_path / "s.db"), "--smtp-port", "0"]
    process = subprocess.Popen(
        [*until_the_starter_dies(), *command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.fullmatch(r"sandbox ready on (http://127\.0\.0\.1:\d+), mail on 127\.0\.0\.1:\d+\n", line)
        assert found is not None, line
        assert requests.get(f"{found[1]}/_sandbox/", timeout=10).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()


def test_a_taken_port_is_a_plain_error(sandbox: RunningSandbox, tmp_path: Path) -> None:
    port = sandbox.url.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "portal.sandbox", "--db", str(tmp_path / "s.db"), "--port", port]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr


def test_a_request_whose_sender_died_in_the_midst_of_it_is_none(sandbox: RunningSandbox) -> None:
    port = int(sandbox.url.rsplit(":", 1)[1])
    head = (
        "POST /v1/customers HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer sk_test_x\r\nIdempotency-Key: half\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=10) as caller:
        caller.sendall(head.encode() + b"name=Ha")
        caller.shutdown(socket.SHUT_WR)
        assert caller.recv(1) == b""
    made = requests.get(f"{sandbox.url}/v1/customers", auth=("sk_test_x", ""), timeout=10).json()
    assert made["data"] == []


def test_card_numbers_are_forgotten_at_once(sandbox: RunningSandbox, db_path: Path) -> None:
    numbers = [card.number for card in BY_NUMBER.values()] + ["4111111111111111"]
    for place, number in enumerate(numbers):
        requests.post(
            f"{sandbox.url}/v1/payment_methods",
            {
                "type": "card",
                "card[number]": number,
                "card[exp_month]": "12",
                "card[exp_year]": "2034",
                "card[cvc]": "1234"[: 4 if number[0] == "3" and number[1] in "47" else 3],
            },
            headers={"Authorization": "Bearer pk_test_x", "Idempotency-Key": f"key-{place}"},
            timeout=10,
        )
    requests.post(
        f"{sandbox.url}/v1/confirmation_tokens",
        {
            "payment_method_data[type]": "card",
            "payment_method_data[card][number]": "4242424242424242",
            "payment_method_data[card][exp_month]": "12",
            "payment_method_data[card][exp_year]": "2034",
        },
        headers={"Authorization": "Bearer pk_test_x"},
        timeout=10,
    )
    assert eventually(lambda: sandbox.state()["objects"]["payment_method"]) == len(numbers)
    kept = b"".join(path.read_bytes() for path in db_path.parent.iterdir() if path.is_file())
    assert not [number for number in numbers if number.encode() in kept]


def test_every_test_card_is_valid_and_behaves() -> None:
    assert all(luhn_valid(number) for number in BY_NUMBER)
    assert {card.behaviour for card in [*BY_NUMBER.values(), *BY_NAME.values()]} <= set(BEHAVIOURS)


TABLES = {
    "payment_intent": STATES,
    "setup_intent": SETUP_STATES,
    "refund": refunds.STATES,
    "dispute": disputes.STATES,
    "payout": payouts.STATES,
}


@pytest.mark.parametrize("name", TABLES)
def test_every_state_leads_to_states_of_its_own_table(name: str) -> None:
    table = TABLES[name]
    assert set().union(*table.values()) <= set(table)
    assert all(state not in following for state, following in table.items())


ENDS = {
    "payment_intent": {"succeeded", "canceled"},
    "setup_intent": {"succeeded", "canceled"},
    "refund": {"failed", "canceled"},
    "dispute": {"won", "lost", "warning_closed"},
    "payout": {"failed", "canceled"},
}


@pytest.mark.parametrize("name", TABLES)
def test_only_ends_lead_nowhere(name: str) -> None:
    assert {state for state, following in TABLES[name].items() if not following} == ENDS[name]


@pytest.mark.parametrize("table", [STATES, SETUP_STATES], ids=["payment_intent", "setup_intent"])
def test_an_intent_moves_as_its_table_says_and_in_no_other_way(table: dict[str, frozenset[str]]) -> None:
    for before, after in itertools.product(table, table):
        intent = {"object": "payment_intent", "status": before}
        if before == after or after in table[before]:
            move(intent, after, table)
            assert intent["status"] == after
        else:
            with pytest.raises(AssertionError, match=f"from {before} to {after}"):
                move(intent, after, table)


def test_what_can_be_done_follows_from_the_states() -> None:
    assert {state for state, following in STATES.items() if "canceled" in following} == set(CANCELABLE)
    assert all("succeeded" in STATES[state] for state in (*CONFIRMABLE, *CAPTURABLE))
