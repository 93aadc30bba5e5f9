"""Pages and mails are compiled once a language: each reader gets theirs, and nothing that is another's."""

from __future__ import annotations

import pytest
from flask import Flask
from jinja2 import DictLoader
from sqlalchemy.orm import Session

from portal.accounts.models import Customer
from portal.content.templates import LocaleEnvironment
from portal.core import db
from portal.core.money import Money
from portal.identity.models import User
from tests import factories

pytestmark = pytest.mark.database("sqlite")

TEMPLATES = {
    "words.html": '{% set kept = {"a": _("Overdue")} %}{% macro word() %}{{ kept.a }}{% endmacro %}',
    "page.html": '{% from "words.html" import word %}{{ word() }} {{ _("Amount due") }} {{ _("Due on %(day)s", day="<b>") }}',
    "sign.html": '{{ _("%(rate)s%%", rate=19) }} {{ _("100%% & more") }}',
    "plain.txt": '{{ _("100%% & more") }} {{ _("Due on %(day)s", day="<b>") }}',
    "meant.html": '{{ pgettext("recipient", "To") }} {{ _("To") }}',
    "labels.txt": '{{ _("Customer") }}: Ada: B {{ _("Due on %(day)s", day="1") }}: {{ "x" }}: {{ pgettext("recipient", "To") }}:-',
    "computed.html": '{% for text in ("Open", "Paid") %}{{ _(text) }} {% endfor %}',
}


def _written(locale: str, template: str) -> str:
    environment = LocaleEnvironment(locale)
    environment.loader = DictLoader(TEMPLATES)
    return environment.get_template(template).render()


@pytest.mark.parametrize(
    ("template", "english", "german"),
    [
        ("page.html", "Overdue Amount due Due on &lt;b&gt;", "Überfällig Offener Betrag Fällig am &lt;b&gt;"),
        ("sign.html", "19% 100% & more", "19\N{NO-BREAK SPACE}% 100% & more"),
        ("plain.txt", "100% & more Due on <b>", "100% & more Fällig am <b>"),
        ("meant.html", "To To", "An Bis"),
        ("computed.html", "Open Paid ", "Offen Bezahlt "),
    ],
)
def test_a_template_speaks_the_language_of_its_environment(template: str, english: str, german: str) -> None:
    assert _written("en", template) == english
    assert _written("de", template) == german


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "Customer: Ada: B Due on 1: x: To:-"),
        ("de", "Kunde: Ada: B Fällig am 1: x: An:-"),
        ("es", "Cliente: Ada: B Vence el 1: x: Para:-"),
        ("fr", "Client\u202f: Ada: B Échéance le 1\u202f: x: À:-"),
    ],
)
def test_the_colon_after_a_label_is_that_of_the_language(language: str, said: str) -> None:
    """And none that belongs to what is shown, or to a command."""
    assert _written(language, "labels.txt") == said


def _two_customers(session: Session) -> tuple[tuple[Customer, User], tuple[Customer, User]]:
    found = []
    for number, language, zone in ((1, "en", "America/New_York"), (2, "de", "Asia/Kathmandu")):
        customer = factories.customer(session, name=f"Firma {number}", email=f"firma{number}@portal.test")
        user = factories.user(session, customer, name=f"Person {number}", language=language, time_zone=zone)
        for row in range(3):
            amount = Money(number * 1_111_11 + row, "eur")
            invoice = factories.invoice(
                session, customer, (("Strom", 1_000, amount.minor, 0),), number=f"F{number}-{row}"
            )
            if row:
                factories.payment(session, customer, invoice, description=f"Zahlung {number}-{row}")
        found.append((customer, user))
    return found[0], found[1]


@pytest.mark.parametrize("path", ["/", "/invoices", "/payments", "/account", "/payment-methods", "/receipts/"])
def test_two_readers_in_turns_each_see_their_own_and_nothing_of_the_other(app: Flask, path: str) -> None:
    """The same process draws for both, and has drawn for both before: whatever it keeps is warm."""
    with db.transaction() as session:
        readers = _two_customers(session)
    browsers = [app.test_client() for _ in readers]
    for browser, (_customer, user) in zip(browsers, readers, strict=True):
        factories.sign_in(browser, user)
    for _round in range(3):
        first, second = (browser.get(path).text for browser in browsers)
        assert "Person 1" in first and "Person 2" in second
        for of_one, of_other in (
            ("Person 1", "Person 2"),
            ("F1-", "F2-"),
            ("Zahlung 1", "Zahlung 2"),
            ("1,111.1", "2.222,2"),
        ):
            assert of_other not in first and of_one not in second
        assert 'lang="en"' in first.partition("<head>")[0] and 'lang="de"' in second.partition("<head>")[0]
        assert "Sign out" in first and "Abmelden" in second
