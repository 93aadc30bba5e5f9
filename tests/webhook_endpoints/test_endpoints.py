"""Customers register, change and remove their endpoints; the secret is shown once and is nowhere in the database."""

from __future__ import annotations

import base64

import pytest
from sqlalchemy import select

import portal.app  # noqa: F401  # brings every table into the metadata
from portal.core import config, db
from portal.core.audit import AuditEvent
from portal.core.errors import Conflict, Invalid, NotFound
from portal.webhook_endpoints import queries, service
from portal.webhook_endpoints.models import LONGEST_URL, EventType
from tests import factories
from tests.payments.conftest import everything

URL = "https://hooks.spree-bikes.test/events"


@pytest.fixture
def customer_id(settings: config.Settings) -> str:
    with db.transaction() as session:
        return factories.customer(session).id


def whole_database() -> str:
    return str(everything())


def test_the_secret_is_told_once_and_kept_nowhere(customer_id: str) -> None:
    endpoint, secret = service.add_endpoint(
        customer_id, f" {URL} ", ["refund.updated", "invoice.paid"], " Books ", "usr_1"
    )
    assert secret.startswith("whsec_")
    assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) <= 64
    newer = service.rotate_secret(customer_id, endpoint.id)
    _other, others = service.add_endpoint(customer_id, URL, list(EventType), "", "usr_1")
    assert len({secret, newer, others}) == 3
    for one in (secret, newer, others):
        assert one.removeprefix("whsec_") not in whole_database()
    with db.reading() as session:
        first, _second = queries.endpoints(session, customer_id)
        trail = session.scalars(select(AuditEvent).where(AuditEvent.subject == endpoint.id)).all()
    assert (first.url, first.description, first.created_by) == (URL, "Books", "usr_1")
    assert first.events == ["invoice.paid", "refund.updated"]
    assert [(one.action, one.customer_id) for one in trail] == [
        ("endpoint.added", customer_id),
        ("endpoint.secret_rotated", customer_id),
    ]


@pytest.mark.settings(PORTAL_PRIVATE_ENDPOINTS="false")
@pytest.mark.database("sqlite")
@pytest.mark.parametrize(
    "url",
    [
        "", "hooks", "http://hooks.spree-bikes.test/", "ftp://hooks.spree-bikes.test/", "https://", "https:///events",
        "https://ada@hooks.spree-bikes.test/", "https://ada:pw@hooks.spree-bikes.test/", "https://@hooks.spree-bikes.test/",
        "https://hooks.spree-bikes.test/#here", "https://hooks.spree-bikes.test/#", "https://hooks.spree-bikes.test:0/",
        "https://hooks.spree-bikes.test:99999/", "https://hooks.spree-bikes.test:x/", "https://hooks spree.test/",
        "https://hooks.spree-bikes.test/\r\nX: y", "https://hooks.spree-bikes.test\\@evil.test/", "https://zoë.test/",
        "https://127.0.0.1/", "https://[::1]/", "https://10.0.0.1/", "https://169.254.169.254/latest/meta-data/",
        "https://[::ffff:127.0.0.1]/", "https://[fe80::1%25eth0]/", "https://hooks.spree-bikes.test/" + "x" * LONGEST_URL,
        "javascript:alert(1)", "https://[::1", "https://-x.test/",
    ],
)  # fmt: skip
def test_addresses_that_nothing_is_sent_to_are_refused(customer_id: str, url: str) -> None:
    with pytest.raises(Invalid) as raised:
        service.add_endpoint(customer_id, url, list(EventType), "", "usr_1")
    assert raised.value.field == "url"
    with db.reading() as session:
        assert queries.endpoints(session, customer_id) == []


@pytest.mark.settings(PORTAL_PRIVATE_ENDPOINTS="false")
@pytest.mark.database("sqlite")
@pytest.mark.parametrize(
    "url", [URL, "https://hooks.spree-bikes.test:8443/a/b?c=d%20e", "https://93.184.216.34/", "HTTPS://Hooks.Test"]
)
def test_addresses_on_the_internet_are_taken(customer_id: str, url: str) -> None:
    assert service.add_endpoint(customer_id, url, list(EventType), "", "usr_1")[0].url == url


@pytest.mark.database("sqlite")
@pytest.mark.parametrize(
    ("field", "events", "description"),
    [
        ("events", [], ""),
        ("events", ["ping"], ""),
        ("events", ["invoice.paid", "*"], ""),
        ("events", "invoice.paid", ""),
        ("description", ["invoice.paid"], "x" * 201),
    ],
)
def test_what_cannot_be_used_names_its_field(customer_id: str, field: str, events: list[str], description: str) -> None:
    with pytest.raises(Invalid) as raised:
        service.add_endpoint(customer_id, URL, events, description, "usr_1")
    assert raised.value.field == field


def test_ten_are_enough_until_one_is_removed(customer_id: str) -> None:
    made = [
        service.add_endpoint(customer_id, URL, list(EventType), "", "usr_1")[0] for _ in range(service.MOST_ENDPOINTS)
    ]
    with pytest.raises(Conflict):
        service.add_endpoint(customer_id, URL, list(EventType), "", "usr_1")
    service.remove_endpoint(customer_id, made[0].id)
    service.add_endpoint(customer_id, URL, list(EventType), "", "usr_1")
    with db.reading() as session:
        assert len(queries.endpoints(session, customer_id)) == service.MOST_ENDPOINTS


def test_a_removed_one_is_gone_and_removing_it_again_changes_nothing(customer_id: str) -> None:
    endpoint, _secret = service.add_endpoint(customer_id, URL, list(EventType), "", "usr_1")
    service.remove_endpoint(customer_id, endpoint.id)
    before = whole_database()
    service.remove_endpoint(customer_id, endpoint.id)
    assert whole_database() == before
    for act in (service.rotate_secret, service.enable_endpoint, service.send_test):
        with pytest.raises(NotFound):
            act(customer_id, endpoint.id)


def test_another_customers_endpoint_does_not_exist(customer_id: str) -> None:
    endpoint, _secret = service.add_endpoint(customer_id, URL, list(EventType), "", "usr_1")
    with db.transaction() as session:
        stranger = factories.customer(session, name="Elbe Boats AG").id
    before = whole_database()
    for act in (service.remove_endpoint, service.rotate_secret, service.enable_endpoint, service.send_test):
        with pytest.raises(NotFound):
            act(stranger, endpoint.id)
    with pytest.raises(NotFound):
        service.add_endpoint("cus_none", URL, list(EventType), "", "usr_1")
    with db.reading() as session:
        assert queries.endpoints(session, stranger) == []
    assert whole_database() == before
