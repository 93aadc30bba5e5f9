"""Bank accounts and Link are kept as cards are: added, told apart, made the default and removed; and their mandates are followed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from portal import gateway
from portal.core import db
from portal.core.errors import Invalid
from portal.jobs import outbox
from portal.payment_methods import comparison, fence, keeping, queries, setups
from portal.payment_methods import service as methods
from portal.payment_methods.models import PaymentMethod
from portal.payment_methods.statuses import SetupOutcome
from tests import factories
from tests.certain import as_sent
from tests.contract.support import ACCEPTED
from tests.live import SandboxServer
from tests.payment_methods.conftest import Wallet
from tests.payment_methods.test_keeping import finish_jobs, heard
from tests.payments.conftest import audited
from tests.smtp import Mailbox, text_of

OTHER_IBAN = "DE62370400440532013001"
CONSENT = {"ip_address": "203.0.113.7", "user_agent": "Mozilla/5.0"}

pytestmark = pytest.mark.settings(PORTAL_PAYMENT_METHODS="card,link,sepa_debit,us_bank_account,bacs_debit")


@pytest.fixture
def wallet(app: Flask, sandbox: SandboxServer) -> Iterator[Wallet]:
    gateway.forget()
    with db.transaction() as session:
        customer = factories.customer(session)
    yield Wallet(sandbox, customer.id)
    gateway.forget()


def named(wallet: Wallet, **details: Any) -> str:
    """A payment method as an app's page makes it, attached to nobody."""
    (kind,) = details
    holder = {"name": "Jenny Rosen", "email": "jenny.rosen@example.com"}
    given = {"type": kind, kind: details[kind], "billing_details": holder}
    return wallet.sandbox.client.v1.payment_methods.create(as_sent(given)).id


def add(wallet: Wallet, method: str = "pm_sepaDebit_success_de", key: str = "first-page") -> PaymentMethod | None:
    """As the browser does it, with the mandate that Stripe's form asks for; returns what is kept of it."""
    started = wallet.start(key)
    how = {"payment_method": method, "mandate_data": ACCEPTED}
    wallet.sandbox.client.v1.setup_intents.confirm(started.intent_id, as_sent(how))
    setups.refresh_setup(started.setup_id)
    kept = wallet.setup(started.setup_id).payment_method_id
    return next((one for one in wallet.cards if one.id == kept), None)


def outcome_of(wallet: Wallet, intent_id: str) -> str:
    with db.reading() as session:
        setup = queries.setup_by_intent(session, intent_id)
    assert setup is not None and setup.customer_id == wallet.customer_id
    return setup.outcome


def work() -> None:
    while outbox.run_due():
        pass


@pytest.mark.parametrize(
    ("method", "shown"),
    [
        ("pm_sepaDebit_success_de", ("sepa_debit", "DE", "3000", "")),
        ("pm_usBankAccount_success", ("us_bank_account", "", "6789", "STRIPE TEST BANK")),
    ],
)
def test_a_bank_account_is_kept_with_its_mandate(wallet: Wallet, method: str, shown: tuple[str, ...]) -> None:
    if "usBank" in method:  # one that was linked in its bank's window, which asks for no small amounts
        method = named(
            wallet, us_bank_account={"account_holder_type": "company", "financial_connections_account": "fca_1"}
        )
    account = add(wallet, method)
    assert account is not None and account.is_default and account.can_be_charged
    assert (account.kind, account.country, account.last4, account.bank_name) == shown
    assert (account.exp_month, account.last_day, account.expires_soon, account.reminder_due) == (
        None,
        None,
        False,
        None,
    )
    assert account.stripe_mandate_id and account.mandate_status == "active"
    assert bool(account.mandate_reference) == (account.kind == "sepa_debit")


def test_link_is_kept_and_known_again_by_its_owner(wallet: Wallet) -> None:
    link = add(wallet, named(wallet, link={}))
    assert link is not None and (link.kind, link.last4) == ("link", "") and link.fingerprint
    again = add(wallet, named(wallet, link={}), "another-page")
    assert again is not None and again.id == link.id and len(wallet.cards) == 1


def test_one_account_is_kept_once_and_another_beside_it(wallet: Wallet) -> None:
    account = add(wallet)
    assert account is not None
    again = add(wallet, key="another-page")
    assert again is not None and again.id == account.id and wallet.intents[0].status == "succeeded"
    with db.reading() as session:
        kept = session.get_one(PaymentMethod, account.id)
    assert kept.stripe_payment_method_id == account.stripe_payment_method_id and kept.mandate_status == "active"
    finish_jobs()
    assert wallet.attached == {account.stripe_payment_method_id}
    other = add(wallet, named(wallet, sepa_debit={"iban": OTHER_IBAN}), "third-page")
    wallet.add()
    assert other is not None and [one.kind for one in wallet.cards] == ["sepa_debit", "card", "sepa_debit"]
    keeping.make_default(other.id, wallet.customer_id)
    assert wallet.cards[0].id == other.id
    next_default = keeping.remove(other.id, wallet.customer_id)
    assert next_default is not None and next_default.is_card, (
        "an account is not charged in the place of another unasked"
    )


def test_a_mandate_that_ends_at_the_bank_ends_the_account_and_is_told(
    app: Flask, wallet: Wallet, smtp: Mailbox
) -> None:
    account = add(wallet)
    assert account is not None
    wallet.sandbox.control("mandates/end", mandate=account.stripe_mandate_id)
    assert heard("mandate.updated", str(account.stripe_mandate_id)) == ""
    assert heard("mandate.updated", str(account.stripe_mandate_id)) == ""
    (revoked,) = wallet.cards
    assert revoked.is_revoked and audited("payment_method.mandate") == 2
    with db.reading() as session:
        assert queries.default_method(session, wallet.customer_id) is None
    with pytest.raises(keeping.Revoked):
        methods.from_saved(wallet.customer_id, revoked.id)
    with pytest.raises(keeping.Revoked):
        keeping.make_default(revoked.id, wallet.customer_id)
    with app.app_context():
        work()
    (mail,) = [one for one in smtp.messages if "mandate" in one["Subject"]]
    for words in ("SEPA debit DE •••• 3000", account.mandate_reference, "/payment-methods/new"):
        assert words in text_of(mail)
    renewed = add(wallet, key="another-page")
    assert renewed is not None and renewed.id == account.id and renewed.can_be_charged
    assert outcome_of(wallet, wallet.intents[0].id) == SetupOutcome.RENEWED
    finish_jobs()
    assert wallet.attached == {renewed.stripe_payment_method_id}


def test_who_removes_an_account_is_not_told_that_its_mandate_ends(app: Flask, wallet: Wallet, smtp: Mailbox) -> None:
    account = add(wallet)
    assert account is not None
    keeping.remove(account.id, wallet.customer_id)
    assert wallet.sandbox.client.v1.mandates.retrieve(str(account.stripe_mandate_id)).status == "inactive"
    assert heard("mandate.updated", str(account.stripe_mandate_id)) == ""
    with app.app_context():
        work()
    assert wallet.cards == [] and [one["Subject"] for one in smtp.messages] == []


def test_a_mandate_of_nobody_here_is_left_alone(wallet: Wallet) -> None:
    client = wallet.sandbox.client.v1
    intent = client.setup_intents.create(as_sent({"allowed_payment_method_types": ["sepa_debit"]}))
    how = {"payment_method": "pm_sepaDebit_success_de", "mandate_data": ACCEPTED}
    mandate = client.setup_intents.confirm(intent.id, as_sent(how)).mandate
    assert "of no payment method" in heard("mandate.updated", str(mandate))
    assert "no such mandate" in heard("mandate.updated", "mandate_missing")


def test_lost_webhooks_of_every_kind_are_made_good(wallet: Wallet) -> None:
    account = add(wallet)
    link = add(wallet, named(wallet, link={}), "another-page")
    assert account is not None and link is not None
    wallet.sandbox.client.v1.payment_methods.detach(account.stripe_payment_method_id)
    wallet.change(PaymentMethod, link.id, removed_at=None, last4="9999")
    comparison.compare(wallet.customer_id)
    assert [(one.id, one.last4) for one in wallet.cards] == [(link.id, "")]


def test_an_app_saves_an_account_with_its_holders_consent(wallet: Wallet) -> None:
    method = named(wallet, sepa_debit={"iban": OTHER_IBAN})
    with pytest.raises(fence.MandateMissing):
        methods.save_method(wallet.customer_id, method, client_key="an-apps-key", ip="203.0.113.7")
    saved = methods.save_method(wallet.customer_id, method, client_key="an-apps-key", ip="203.0.113.7", mandate=CONSENT)
    assert (saved.status, saved.outcome) == ("succeeded", "added")
    (account,) = wallet.cards
    assert (account.id, account.mandate_status) == (saved.payment_method_id, "active")
    assert wallet.only_setup.mandate is None, "Stripe keeps the consent"


@pytest.mark.settings(PORTAL_PAYMENT_METHODS="card,sepa_debit")
def test_what_is_not_taken_is_not_kept_for_an_app(wallet: Wallet) -> None:
    with pytest.raises(fence.NotAccepted):
        methods.save_method(
            wallet.customer_id, named(wallet, link={}), client_key="an-apps-key", ip="203.0.113.7", mandate=CONSENT
        )
    with pytest.raises(Invalid):
        fence.check(wallet_method("bacs_debit"), saving=True, agreed=True)


def wallet_method(kind: str) -> gateway.PaymentMethod:
    return gateway.PaymentMethod("pm_1", None, None, kind)


def test_an_account_that_is_typed_in_waits_for_small_amounts(app: Flask, wallet: Wallet, smtp: Mailbox) -> None:
    typed = {"account_holder_type": "company", "account_number": "000123456789", "routing_number": "110000000"}
    assert add(wallet, named(wallet, us_bank_account=typed)) is None
    setup = wallet.only_setup
    assert setup.status == "requires_action" and setup.verification_url
    with app.app_context():
        work()
    (mail,) = [one for one in smtp.messages if "verify" in one["Subject"]]
    assert setup.verification_url in text_of(mail)
    client = wallet.sandbox.client.v1.setup_intents
    client.verify_microdeposits(str(setup.stripe_setup_intent_id), {"amounts": [32, 45]})
    assert heard("setup_intent.succeeded", str(setup.stripe_setup_intent_id)) == ""
    (account,) = wallet.cards
    assert (account.kind, wallet.only_setup.verification_url) == ("us_bank_account", "")
