"""A demo company's data: three customers with someone who can sign in, staff in each role, and invoices in four currencies.

    python -m deploy.dev.seed

Nothing is paid here, for it needs no Stripe: `make run` adds a year of payments, at its sandbox (deploy/dev/demo_year.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import service as accounts_service
from portal.accounts.models import Customer
from portal.app import create_app
from portal.core import audit, company_days, config, db
from portal.core.permissions import Role
from portal.core.units import Unit
from portal.identity import passwords
from portal.identity import queries as accounts
from portal.invoices import service as invoices
from portal.invoices.drafts import InvoiceDraft, LineDraft
from portal.invoices.models import Invoice

# Known to everyone who reads this, so it exists in development only; `make run` prints it.
DEMO_PASSWORD: Final = "correct-horse-demo"  # noqa: S105
WITHDRAWN_BECAUSE: Final = "Billed twice by mistake"


class NotADemo(RuntimeError):
    """Asked to put demo sign-ins, whose password is public, into a portal that is not for development."""


@dataclass(frozen=True, slots=True)
class DemoCustomer:
    """One customer and the person who signs in for it."""

    name: str
    email: str
    person: str
    address: str
    country: str
    tax_id: str
    language: str


BAKERY: Final = DemoCustomer(
    "Demo Bakery GmbH", "alex@bakery.example", "Alex Demo", "Musterstraße 12\n10115 Berlin\nDeutschland", "DE", "", "de"
)
STUDIO: Final = DemoCustomer(
    "Demo Studio LLC", "robin@studio.example", "Robin Demo", "1 Example Street\nSpringfield", "US", "", "en"
)
TRADING: Final = DemoCustomer(
    "Demo Trading Co.", "kim@trading.example", "Kim Demo", "2 Sample Road\nSingapore", "SG", "", "en"
)
CUSTOMERS: Final = (BAKERY, STUDIO, TRADING)
# E-mail, name and role of those who work for the demo company.
STAFF: Final = (
    ("support@nordlicht.example", "Sam Demo", Role.SUPPORT),
    ("finance@nordlicht.example", "Kim Demo", Role.FINANCE),
    ("approver@nordlicht.example", "Charlie Demo", Role.APPROVER),
    ("admin@nordlicht.example", "Toni Demo", Role.ADMIN),
)


@dataclass(frozen=True, slots=True)
class DemoInvoice:
    """An invoice by its days: issued so many days ago, due so many days after that."""

    reference: str
    currency: str
    issued_days_ago: int
    days_to_pay: int
    lines: tuple[LineDraft, ...]
    purchase_order: str = ""
    note: str = ""
    withdrawn: bool = False


def _line(
    description: str,
    quantity_thousandths: int,
    unit_price_minor: int,
    tax_rate_basis_points: int,
    unit: str = Unit.ONE,
    supplies: str = "",
) -> LineDraft:
    return LineDraft(description, quantity_thousandths, unit_price_minor, tax_rate_basis_points, unit, supplies)


_LONG_BILL: Final = (
    _line("Ökostrom Gewerbe, Arbeitspreis je 100 kWh, Haupttarif", 28_400, 28_45, 1900),
    _line("Ökostrom Gewerbe, Arbeitspreis je 100 kWh, Nachttarif", 41_250, 23_10, 1900),
    _line("Grundpreis je Tag", 31_000, 62, 1900),
    _line(
        "Netznutzungsentgelt einschließlich Konzessionsabgabe, Umlage für abschaltbare Lasten und Messstellenbetrieb, "
        "Abrechnungszeitraum Oktober",
        1_000, 214_87, 1900,
    ),
    _line("Zweiter Zählpunkt, Backstube", 1_000, 18_90, 1900),
    _line("Lastgangmessung, je Viertelstundenwert-Paket", 2_000, 9_75, 1900),
    _line("Energieberatung vor Ort", 2_500, 95_00, 1900, Unit.HOUR, "services"),
    _line("Anfahrt", 36_000, 42, 1900, Unit.KILOMETRE, "services"),
    _line("Thermografie der Ofenanlage mit ausführlichem Bericht", 1_000, 340_00, 1900),
    _line("Handbuch „Strom sparen im Handwerk“, gedruckt", 3_000, 24_00, 700, Unit.PIECE, "goods"),
    _line("Fachzeitschrift, Jahresabonnement", 1_000, 89_00, 700),
    _line("Porto und Verpackung", 1_000, 6_99, 1900),
)  # fmt: skip

INVOICES: Final[dict[DemoCustomer, tuple[DemoInvoice, ...]]] = {
    BAKERY: (
        DemoInvoice(
            "demo-bakery-1", "eur", 45, 14, (_line("Abschlag Ökostrom Gewerbe, September", 1_000, 240_00, 1900),)
        ),
        DemoInvoice("demo-bakery-2", "eur", 20, 14, _LONG_BILL[:4], withdrawn=True),
        DemoInvoice("demo-bakery-3", "eur", 10, 30, _LONG_BILL, "BE-2041", "Vielen Dank für Ihren Auftrag."),
        DemoInvoice("demo-bakery-4", "eur", 2, 14, (_line("Wartung der Ladesäule, Pauschale", 1_000, 74_90, 1900),)),
    ),
    STUDIO: (
        DemoInvoice("demo-studio-1", "usd", 40, 30, (_line("Energy monitoring, October", 1_000, 38_40, 0),)),
        DemoInvoice(
            "demo-studio-2",
            "usd",
            5,
            30,
            (
                _line("Energy audit, per hour", 7_500, 120_00, 0),
                _line("Energy monitoring, November", 1_000, 38_40, 0),
                _line("Workshop, half a day", 1_000, 480_00, 0),
            ),
            "PO 4711",
        ),
    ),
    TRADING: (
        DemoInvoice("demo-trading-1", "jpy", 35, 30, (_line("Shore power connection, per day", 4_000, 8_800, 1000),)),
        DemoInvoice(
            "demo-trading-2",
            "jpy",
            6,
            30,
            (_line("Metering points", 12_000, 1_250, 1000), _line("Site visit", 1_000, 33_000, 1000)),
        ),
        DemoInvoice("demo-trading-3", "kwd", 3, 21, (_line("Solar feasibility study", 2_000, 48_750, 0),), "KW-88"),
    ),
}


def run() -> None:
    """Put the demo company in place; a second run adds only what is missing.

    Raises NotADemo unless PORTAL_ENVIRONMENT is development.
    """
    refuse_elsewhere()
    with audit.acting(audit.Actor("cli", "seed")):
        for email, name, role in STAFF:
            staff(email, name, role)
        for demo in CUSTOMERS:
            customer_id = customer(demo)
            for one in INVOICES[demo]:
                issue(customer_id, one)


def refuse_elsewhere() -> None:
    """Raise NotADemo unless PORTAL_ENVIRONMENT is development."""
    if config.current().environment != "development":
        raise NotADemo("the demo's sign-ins are for development: PORTAL_ENVIRONMENT is not development")


def staff(email: str, name: str, role: Role) -> str:
    """The id of this member of staff, who is let in unless they are known."""
    with db.transaction() as session:
        known = accounts.user_by_email(session, email)
        if known is not None:
            return known.id
        return accounts_service.add_user(session, email=email, name=name, role=role, password_hash=_password()).id


def customer(demo: DemoCustomer) -> str:
    """The customer's id; with the person's sign-in they are made together or not at all."""
    with db.transaction() as session:
        known = accounts.user_by_email(session, demo.email)
        if known is not None and known.customer_id is not None:
            return known.customer_id
        return _add(session, demo).id


def _add(session: Session, demo: DemoCustomer) -> Customer:
    customer = accounts_service.add_customer(
        session,
        name=demo.name,
        email=demo.email,
        language=demo.language,
        address=demo.address,
        country=demo.country,
        tax_id=demo.tax_id,
    )
    accounts_service.add_user(session, email=demo.email, name=demo.person, customer=customer, password_hash=_password())
    return customer


@cache
def _password() -> str:
    """Hashed once: it is slow on purpose, and everyone knows this password."""
    return passwords.hashed(DEMO_PASSWORD)


def issue(customer_id: str, one: DemoInvoice, *, issued_on: date | None = None) -> str:
    """The id of this invoice, which is issued, and withdrawn again where it is to be, unless it is there."""
    with db.reading() as session:
        of_customer = select(Invoice.id).where(Invoice.customer_id == customer_id)
        known = session.scalar(of_customer.where(Invoice.external_reference == one.reference))
    if known is not None:
        return known
    issued_on = issued_on or company_days.today() - timedelta(days=one.issued_days_ago)
    draft = InvoiceDraft(
        customer_id,
        one.currency,
        one.lines,
        issued_on=issued_on,
        due_on=issued_on + timedelta(days=one.days_to_pay),
        reference=one.purchase_order,
        external_reference=one.reference,
        note=one.note,
    )
    invoice = invoices.issue(draft)
    if one.withdrawn:
        invoices.void(invoice.id, WITHDRAWN_BECAUSE)
    return invoice.id


if __name__ == "__main__":
    with create_app().app_context():
        run()
    print("The demo company is in place.")
