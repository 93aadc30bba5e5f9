"""The demo company: whole after one run, unchanged by the next, and nowhere but in development."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from deploy.dev import seed
from portal.accounts.models import Customer
from portal.core import audit, config, db
from portal.identity.models import User
from portal.invoices.models import Invoice
from tests import factories


def counts() -> list[int | None]:
    with db.reading() as session:
        return [session.scalar(select(func.count()).select_from(kind)) for kind in (Customer, User, Invoice)]


@pytest.mark.settings(PORTAL_ENVIRONMENT="development")
def test_a_second_seeding_adds_nothing(settings: config.Settings) -> None:
    seed.run()
    first = counts()
    assert first == [3, 7, sum(map(len, seed.INVOICES.values()))]
    seed.run()
    assert counts() == first
    with db.reading() as session:
        invoices = list(session.scalars(select(Invoice)))
        assert audit.verify(session) is None
    assert {invoice.shown_status for invoice in invoices} == {"open", "overdue", "void"}
    assert {invoice.currency for invoice in invoices} == {"eur", "usd", "jpy", "kwd"}


@pytest.mark.settings(PORTAL_ENVIRONMENT="development")
@pytest.mark.database("sqlite")
def test_seeding_that_was_interrupted_goes_on(settings: config.Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seed, "CUSTOMERS", seed.CUSTOMERS[:1])
    seed.run()
    monkeypatch.undo()
    config.use(settings)
    seed.run()
    assert counts()[0] == 3


@pytest.mark.parametrize("environment", ["test", "production"])
@pytest.mark.database("sqlite")
def test_the_known_password_opens_no_real_portal(
    settings: config.Settings, environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.use(settings.model_copy(update={"environment": environment}))
    with pytest.raises(seed.NotADemo):
        seed.run()
    assert counts() == [0, 0, 0]


@pytest.mark.settings(PORTAL_ENVIRONMENT="development")
@pytest.mark.database("sqlite")
def test_the_demo_customers_can_sign_in(client: FlaskClient) -> None:
    seed.run()
    for one in seed.CUSTOMERS:
        form = {"email": one.email, "password": seed.DEMO_PASSWORD, "csrf_token": factories.csrf_token(client)}
        assert client.post("/sign-in", data=form).status_code == 303
        page = client.get("/invoices")
        assert page.status_code == 200 and "INV-" in page.get_data(as_text=True)
        client.post("/sign-out", data={"csrf_token": factories.csrf_token(client)})
