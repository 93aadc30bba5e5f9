"""Search: docs.stripe.com/search."""

from __future__ import annotations

import uuid

import stripe

from tests.contract.support import Stripe, intend, pay, refused


def test_customers_are_found_by_email(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/search#query-fields-for-customers"""
    email = f"{uuid.uuid4().hex}@example.com"
    customer = client.v1.customers.create({"email": email})
    found = contract.later(lambda: client.v1.customers.search({"query": f'email:"{email}"'}).data)
    assert [one.id for one in found] == [customer.id]


def test_text_is_found_by_a_part_of_it(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/search#search-syntax (substring match)"""
    word = uuid.uuid4().hex
    customer = client.v1.customers.create({"name": f"The {word} company"})
    assert contract.later(lambda: client.v1.customers.search({"query": f'name~"{word}"'}).data)[0].id == customer.id


def test_objects_are_found_by_metadata(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/search#metadata"""
    mark = uuid.uuid4().hex
    intent = intend(client, metadata={"mark": mark})
    found = contract.later(lambda: client.v1.payment_intents.search({"query": f"metadata['mark']:'{mark}'"}).data)
    assert [one.id for one in found] == [intent.id]


def test_clauses_are_joined_by_and(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/search#search-query-language"""
    mark = uuid.uuid4().hex
    paid, _ = pay(client, metadata={"mark": mark}), intend(client, metadata={"mark": mark})
    query = f"metadata['mark']:'{mark}' AND status:'succeeded'"
    contract.later(lambda: [one.id for one in client.v1.payment_intents.search({"query": query}).data] == [paid.id])


def test_a_clause_can_be_negated(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/search#negation"""
    mark = uuid.uuid4().hex
    _, waiting = pay(client, metadata={"mark": mark}), intend(client, metadata={"mark": mark})
    query = f"metadata['mark']:'{mark}' AND -status:'succeeded'"
    contract.later(lambda: [one.id for one in client.v1.payment_intents.search({"query": query}).data] == [waiting.id])


def test_numbers_are_compared_by_their_size(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/search#numeric-comparators"""
    mark = uuid.uuid4().hex
    intend(client, amount=1000, metadata={"mark": mark})
    large = intend(client, amount=5000, metadata={"mark": mark})
    query = f"metadata['mark']:'{mark}' AND amount>1000"
    contract.later(lambda: [one.id for one in client.v1.payment_intents.search({"query": query}).data] == [large.id])


def test_charges_are_found_by_the_cards_last_four(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/search#query-fields-for-charges"""
    mark = uuid.uuid4().hex
    intent = pay(client, "pm_card_mastercard", metadata={"mark": mark})
    query = f"payment_method_details.card.last4:4444 AND metadata['mark']:'{mark}'"
    contract.later(
        lambda: [one.id for one in client.v1.charges.search({"query": query}).data] == [intent.latest_charge]
    )


def test_the_sdk_walks_through_pages_of_results(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/search#pagination"""
    mark = uuid.uuid4().hex
    made = {intend(client, metadata={"mark": mark}).id for _ in range(5)}
    parameters: stripe.params.PaymentIntentSearchParams = {"query": f"metadata['mark']:'{mark}'", "limit": 2}
    contract.later(lambda: {one.id for one in client.v1.payment_intents.search(parameters).auto_paging_iter()} == made)


def test_a_query_that_cannot_be_read_is_refused(client: stripe.StripeClient) -> None:
    """docs.stripe.com/search#search-query-language"""
    with refused(says="unable to parse your search query"):
        client.v1.payment_intents.search({"query": "what?"})


def test_and_and_or_do_not_mix(client: stripe.StripeClient) -> None:
    """docs.stripe.com/search#search-query-language"""
    with refused():
        client.v1.payment_intents.search({"query": "amount>1 AND amount<5 OR amount>9"})


def test_only_listed_fields_are_searched(client: stripe.StripeClient) -> None:
    """docs.stripe.com/search#query-fields-for-payment-intents"""
    with refused(says="unsupported search field"):
        client.v1.payment_intents.search({"query": "description:'x'"})
