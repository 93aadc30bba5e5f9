"""What VIES says, and what it does not say, as it is understood here."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.vat import port, vies
from portal.vat.port import Answer, NotAnswered
from portal.vat.vies import Vies
from tests.vat.conftest import FRENCH, NUMBER, UNAVAILABLE, ViesServer

ASKED = {"countryCode": "FR", "vatNumber": FRENCH[2:]}


def ask(server: ViesServer) -> Answer:
    return Vies(server.url, silence_seconds=0.3).ask(FRENCH, "DE136695976")


@pytest.mark.parametrize("valid", [True, False])
def test_a_yes_and_a_no_come_with_the_consultation_number_of_who_asks(vies: ViesServer, valid: bool) -> None:
    vies.answer = {"valid": valid, "name": "---"} if not valid else {"valid": True}
    answer = ask(vies)
    assert (answer.is_valid, answer.consultation_number) == (valid, NUMBER)
    assert answer.trader_name == ("SA BOULANGERIE" if valid else "")
    assert answer.trader_address == "1 RUE DU FOUR 75001 PARIS"
    assert json.loads(answer.body)["valid"] is valid
    (asked,) = vies.asked
    assert asked == ASKED | {
        "path": "/rest-api/check-vat-number",
        "requesterMemberStateCode": "DE",
        "requesterNumber": "136695976",
    }


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        (UNAVAILABLE, 200, "MS_UNAVAILABLE"),
        (UNAVAILABLE, 500, "MS_UNAVAILABLE"),
        ({"errorWrappers": []}, 200, port.UNREADABLE),
        (b"<html>Bad gateway</html>", 502, port.UNREADABLE),
        (b"", 200, port.UNREADABLE),
        (b"[" * 5_000, 200, port.UNREADABLE),
        ({"valid": "yes"}, 200, port.UNREADABLE),
        ({"valid": True, "vatNumber": "40303265046"}, 200, port.UNREADABLE),
    ],
)
def test_whatever_is_no_answer_is_neither_yes_nor_no(
    vies: ViesServer, answer: dict[str, object] | bytes, status: int, reason: str
) -> None:
    vies.answer, vies.status = answer, status
    with pytest.raises(NotAnswered) as refused:
        ask(vies)
    assert refused.value.reason == reason


def test_one_that_hangs_is_left_alone_after_a_while(vies: ViesServer) -> None:
    vies.hangs = True
    asks = Vies(vies.url, silence_seconds=0.1)
    reasons = []
    for _ in range(6):
        with pytest.raises(NotAnswered) as refused:
            asks.ask(FRENCH, "")
        reasons.append(refused.value.reason)
    assert reasons == [port.TIMED_OUT] * 5 + [port.LEFT_ALONE]
    assert len(vies.asked) == 5


@settings(max_examples=60)
@given(
    st.one_of(
        st.binary(max_size=60),
        st.recursive(st.none() | st.booleans() | st.text(), st.lists).map(
            lambda said: json.dumps({"valid": said, **ASKED}).encode()
        ),
    )
)
def test_no_bytes_are_taken_for_a_yes_that_was_not_said(body: bytes) -> None:
    try:
        answer = vies.read(body, ASKED)
    except NotAnswered:
        return
    assert answer.is_valid is json.loads(body)["valid"]
