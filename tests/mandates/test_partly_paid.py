"""An invoice that is charged by itself, and of which a part arrived in another way: never more is charged than its notice said."""

from __future__ import annotations

from portal.core.money import Money
from portal.invoices import outside
from portal.mandates import collecting
from portal.mandates.statuses import CollectionStatus
from tests import factories
from tests.factories import record_outside
from tests.mandates.conftest import Subscriber


def text_of(subscriber: Subscriber) -> str:
    (notice,) = subscriber.mails("We will charge")
    body = notice.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def test_the_notice_says_the_rest_and_the_rest_is_charged(subscriber: Subscriber) -> None:
    subscriber.switch_on()
    invoice_id = subscriber.owe(days=3)
    record_outside(invoice_id, amount=Money(50_00, "eur"))
    subscriber.work()
    assert "€69.00" in text_of(subscriber) and "€119.00" not in text_of(subscriber)
    with subscriber.later(3.1):
        assert subscriber.charged == [69_00]
        assert subscriber.status(invoice_id) == "paid"


def test_what_is_due_again_is_not_charged_by_itself(subscriber: Subscriber) -> None:
    subscriber.switch_on()
    invoice_id = subscriber.owe(days=3)
    record = record_outside(invoice_id, amount=Money(50_00, "eur"))
    subscriber.work()
    outside.reverse(record.id, factories.reviewer(), "another customer's")
    collection = subscriber.collection(invoice_id)
    assert collection.status == CollectionStatus.CANCELED
    with subscriber.later(4):
        collecting.collect(collection.id)
        assert subscriber.charged == []
        assert subscriber.status(invoice_id) == "open"
    assert len(subscriber.mails("We will charge")) == 1
