"""Lists: docs.stripe.com/api/pagination."""

from __future__ import annotations

import pytest
import stripe

from tests.certain import as_sent
from tests.contract.support import intend, refused


@pytest.fixture(scope="module")
def owner(client: stripe.StripeClient) -> stripe.Customer:
    """A customer with twelve payment intents."""
    customer = client.v1.customers.create({"name": "Many"})
    for number in range(12):
        intend(client, customer=customer.id, metadata={"number": str(number)})
    return customer


def numbers(found: list[stripe.PaymentIntent]) -> list[int]:
    return [int(intent.metadata["number"]) for intent in found]


def test_a_list_has_ten_objects_unless_told_otherwise(client: stripe.StripeClient, owner: stripe.Customer) -> None:
    """docs.stripe.com/api/pagination#pagination-limit"""
    page = client.v1.payment_intents.list({"customer": owner.id})
    assert (len(page.data), page.has_more, page.to_dict()["object"]) == (10, True, "list")


def test_the_newest_object_comes_first(client: stripe.StripeClient, owner: stripe.Customer) -> None:
    """docs.stripe.com/api/pagination"""
    assert numbers(client.v1.payment_intents.list({"customer": owner.id, "limit": 100}).data) == list(range(11, -1, -1))


def test_the_last_page_says_that_there_is_no_more(client: stripe.StripeClient, owner: stripe.Customer) -> None:
    """docs.stripe.com/api/pagination"""
    assert client.v1.payment_intents.list({"customer": owner.id, "limit": 12}).has_more is False


def test_a_page_continues_after_an_object(client: stripe.StripeClient, owner: stripe.Customer) -> None:
    """docs.stripe.com/api/pagination#pagination-starting_after"""
    first = client.v1.payment_intents.list({"customer": owner.id, "limit": 3}).data
    second = client.v1.payment_intents.list({"customer": owner.id, "limit": 3, "starting_after": first[-1].id}).data
    assert numbers(first + second) == [11, 10, 9, 8, 7, 6]


def test_a_page_ends_before_an_object(client: stripe.StripeClient, owner: stripe.Customer) -> None:
    """docs.stripe.com/api/pagination#pagination-ending_before"""
    everything = client.v1.payment_intents.list({"customer": owner.id, "limit": 12}).data
    page = client.v1.payment_intents.list({"customer": owner.id, "limit": 3, "ending_before": everything[5].id})
    assert numbers(page.data) == [9, 8, 7]
    assert page.has_more is True


def test_the_sdk_walks_through_every_page(client: stripe.StripeClient, owner: stripe.Customer) -> None:
    """docs.stripe.com/api/pagination/auto"""
    walked = client.v1.payment_intents.list({"customer": owner.id, "limit": 5}).auto_paging_iter()
    assert numbers(list(walked)) == list(range(11, -1, -1))


def test_the_sdk_walks_while_objects_are_added(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/pagination/auto"""
    customer = client.v1.customers.create()
    for number in range(6):
        intend(client, customer=customer.id, metadata={"number": str(number)})
    seen = []
    for intent in client.v1.payment_intents.list({"customer": customer.id, "limit": 2}).auto_paging_iter():
        seen.append(int(intent.metadata["number"]))
        if len(seen) == 3:
            intend(client, customer=customer.id, metadata={"number": "99"})
    assert seen == [5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize("limit", [0, 101, -1])
def test_a_limit_is_between_1_and_100(client: stripe.StripeClient, limit: int) -> None:
    """docs.stripe.com/api/pagination#pagination-limit"""
    with refused(code="parameter_invalid_integer", param="limit"):
        client.v1.payment_intents.list({"limit": limit})


def test_a_cursor_must_be_an_object(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/pagination#pagination-starting_after"""
    with refused(code="resource_missing", param="starting_after"):
        client.v1.payment_intents.list({"starting_after": "pi_nobody"})


def test_lists_are_filtered_by_creation(client: stripe.StripeClient, owner: stripe.Customer) -> None:
    """docs.stripe.com/api/payment_intents/list#list_payment_intents-created"""
    created = [intent.created for intent in client.v1.payment_intents.list({"customer": owner.id, "limit": 100}).data]
    inside = client.v1.payment_intents.list(
        {"customer": owner.id, "limit": 100, "created": {"gte": min(created), "lte": max(created)}}
    )
    after = client.v1.payment_intents.list({"customer": owner.id, "created": {"gt": max(created)}})
    before = client.v1.payment_intents.list({"customer": owner.id, "created": {"lt": min(created)}})
    assert (len(inside.data), after.data, before.data) == (12, [], [])


def test_creation_can_be_one_moment(client: stripe.StripeClient, owner: stripe.Customer) -> None:
    """docs.stripe.com/api/payment_intents/list#list_payment_intents-created"""
    moment = client.v1.payment_intents.list({"customer": owner.id, "limit": 1}).data[0].created
    assert {one.created for one in client.v1.payment_intents.list({"customer": owner.id, "created": moment}).data} == {
        moment
    }


def test_a_list_says_where_it_is_from(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/pagination"""
    assert client.v1.refunds.list().url == "/v1/refunds"


def test_an_unknown_filter_is_refused(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#parameter-unknown"""
    with refused(code="parameter_unknown", param="colour"):
        client.v1.payment_intents.list(as_sent({"colour": "red"}))
