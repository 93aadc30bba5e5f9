"""Saved cards over the API."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from portal.core import db
from portal.payment_methods.models import PaymentMethod
from tests.api.conftest import App, World

# What is behind is tested on both databases where it stands.
pytestmark = pytest.mark.database("sqlite")

SAVE = "/api/payments/methods/save"
LIST = "/api/payments/methods/list"
DELETE = "/api/payments/methods/delete"


def kept(app: App) -> list[str]:
    answer = app.get(LIST).json
    assert answer is not None
    return [card["id"] for card in answer["data"]]


def test_a_card_is_saved_listed_and_removed(world: World, owner: App) -> None:
    saved = owner.post(SAVE, {"payment_method_id": world.method()})
    assert saved.status_code == 201
    assert saved.json is not None
    assert (saved.json["status"], saved.json["outcome"], saved.json["client_secret"]) == ("succeeded", "added", None)
    card = saved.json["payment_method"]
    assert (card["type"], card["card"]["brand"], card["card"]["last4"], card["is_default"]) == (
        "card",
        "visa",
        "4242",
        True,
    )
    assert owner.get(LIST).json == {"data": [card], "has_more": False, "next_cursor": None, "total": None}
    for _time in range(2):
        assert owner.delete(DELETE, payment_method_id=card["id"]).json == {"deleted": True}
    assert kept(owner) == []
    at_stripe = world.sandbox.client.v1.payment_methods.retrieve(card["stripe_payment_method_id"])
    assert at_stripe.customer is None


def test_a_card_is_removed_by_its_reference_at_stripe_too(world: World, owner: App) -> None:
    card = owner.post(SAVE, {"payment_method_id": world.method()}).json["payment_method"]  # type: ignore[index]
    assert owner.delete(DELETE, payment_method_id=card["stripe_payment_method_id"]).status_code == 200
    assert kept(owner) == []


def test_a_bank_that_asks_is_answered_with_the_secret(world: World, owner: App) -> None:
    begun = owner.post(SAVE, {"payment_method_id": world.method("authenticationRequiredOnSetup")}).json
    assert begun is not None
    assert (begun["status"], begun["payment_method"], begun["outcome"]) == ("requires_action", None, None)
    assert begun["client_secret"].startswith("seti_")


def test_a_setup_is_begun_confirmed_by_the_app_and_told_by_its_secret(world: World, owner: App) -> None:
    begun = owner.post(SAVE, {}).json
    assert begun is not None and begun["client_secret"]
    intent_id = begun["client_secret"].partition("_secret_")[0]
    world.sandbox.client.v1.setup_intents.confirm(intent_id, {"payment_method": world.method()})
    told = owner.post(SAVE, {"setup_intent_client_secret": begun["client_secret"]}).json
    assert told is not None
    assert (told["id"], told["status"], told["outcome"]) == (begun["id"], "succeeded", "added")
    assert kept(owner) == [told["payment_method"]["id"]]


def test_a_second_call_with_the_key_tells_how_things_stand_now(world: World, owner: App) -> None:
    begun = owner.post(SAVE, {}, key="my-setup-1").json
    assert begun is not None
    intent_id = begun["client_secret"].partition("_secret_")[0]
    world.sandbox.client.v1.setup_intents.confirm(intent_id, {"payment_method": world.method()})
    again = owner.post(SAVE, {}, key="my-setup-1")
    assert again.json is not None
    assert (again.status_code, again.json["id"], again.json["status"]) == (201, begun["id"], "succeeded")
    assert len(world.sandbox.client.v1.setup_intents.list().data) == 1


def test_one_number_is_kept_once(world: World, owner: App) -> None:
    owner.post(SAVE, {"payment_method_id": world.method()})
    twice = owner.post(SAVE, {"payment_method_id": world.method()}).json
    assert twice is not None and twice["outcome"] == "duplicate"
    assert len(kept(owner)) == 1


def test_a_card_that_its_bank_declines_is_not_kept(world: World, owner: App) -> None:
    refused = owner.post(SAVE, {"payment_method_id": world.method("chargeDeclined")})
    assert (refused.status_code, refused.json["code"]) == (402, "card_declined")  # type: ignore[index]
    assert kept(owner) == []


@pytest.mark.parametrize("secret", ["seti_none_secret_none", "none", "_secret_", "pi_1_secret_2"])
def test_a_secret_that_nobody_gave_out_is_not_found(owner: App, secret: str) -> None:
    assert owner.post(SAVE, {"setup_intent_client_secret": secret}).status_code == 404


def test_a_right_setup_with_another_secret_is_not_found(owner: App) -> None:
    begun = owner.post(SAVE, {}).json
    assert begun is not None
    altered = begun["client_secret"][:-1] + ("a" if begun["client_secret"][-1] != "a" else "b")
    assert owner.post(SAVE, {"setup_intent_client_secret": altered}).status_code == 404


def test_anothers_card_and_setup_are_not_there(world: World, owner: App) -> None:
    begun = owner.post(SAVE, {}).json
    card = owner.post(SAVE, {"payment_method_id": world.method()}).json["payment_method"]  # type: ignore[index]
    assert begun is not None
    stranger = world.stranger()
    assert stranger.post(SAVE, {"setup_intent_client_secret": begun["client_secret"]}).status_code == 404
    assert stranger.delete(DELETE, payment_method_id=card["id"]).status_code == 404
    taken = stranger.post(SAVE, {"payment_method_id": card["stripe_payment_method_id"]})
    assert (taken.status_code, taken.json["code"]) == (422, "unknown_payment_method")  # type: ignore[index]
    with db.reading() as session:
        assert session.scalars(select(PaymentMethod.removed_at)).all() == [None]
