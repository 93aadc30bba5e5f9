"""Fills the demo with the year behind it: invoices, payments, cards, refunds, disputes, documents and mails.

    python -m deploy.dev.demo_year --sandbox var/demo/sandbox.db

Everything is done by the services, as customers, staff and Stripe would do it, on a clock that is set back (deploy/dev/demo_past.py). It
wants an empty database and an empty sandbox, and does the same each time but for ids and dates.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from babel.dates import format_date

from deploy.dev import seed
from deploy.dev.demo_company import BOATS, CAFE, HOTEL, WORKSHOP, Company
from deploy.dev.demo_past import past
from deploy.dev.seed import BAKERY, INVOICES, STUDIO, TRADING, DemoCustomer, DemoInvoice
from portal.app import create_app
from portal.core import audit, company_days, schema
from portal.core.money import Money
from portal.invoices.drafts import LineDraft
from portal.mandates import service as mandates
from portal.refunds.policy import RefundReason

BEGAN_DAYS_AGO = 366
# From when on the studio pays automatically.
AUTOMATIC_DAYS_AGO = 100

Act = Callable[[], object]


class Year:
    """What happens on which day. It is planned customer by customer, and lived in the order of the days.

    What is planned has names, such as "bakery 3" for an invoice and "bakery 3 paid" for its payment, by which later plans mean it.
    """

    def __init__(self, company: Company) -> None:
        self._company = company
        self._plan: list[tuple[int, int, int, Act]] = []  # days ago, hour, number, act
        self._ids: dict[str, str] = {}

    def live(self) -> None:
        """Do all that is planned, from the first day on."""
        for days_ago, hour, _number, act in sorted(self._plan, key=lambda one: (-one[0], one[1], one[2])):
            self._company.past.go_to(days_ago, hour)
            act()
            self._company.past.work()

    # The plans

    def bakery(self) -> None:
        """Monthly bills, paid with the card that was saved with the first one; refunds asked for, and what became of them."""
        for month in range(11, 0, -1):
            issued, name = 30 * month + 12, f"bakery {month}"
            self._bills(issued, name, BAKERY, "Abschlag Ökostrom Gewerbe", 240_00)
            self._pays(issued - 5, name, BAKERY, "visa" if month == 11 else "", save=month == 11)
        self._asks(
            270, "bakery 9", BAKERY, 45_00, RefundReason.PRODUCT_UNACCEPTABLE, "Der Zähler wurde falsch abgelesen."
        )
        self._approves(269, "bakery 9", "support")
        self._asks(213, "bakery 7", BAKERY, 240_00, RefundReason.NO_LONGER_WANTED)
        self._rejects(212, "bakery 7", "Der Strom dieses Monats ist geliefert.")
        self._asks(150, "bakery 5", BAKERY, 20_00, RefundReason.PRODUCT_UNACCEPTABLE, "Gutschrift laut Telefonat")
        self._withdraws(149, "bakery 5", BAKERY)
        self._asks(
            1,
            "bakery 1",
            BAKERY,
            60_00,
            RefundReason.PRODUCT_UNACCEPTABLE,
            "Am 12. hatten wir einen halben Tag keinen Strom.",
        )
        self._as_seeded(BAKERY)

    def studio(self) -> None:
        """Dollars, paid by hand at first, then automatically."""
        company = self._company
        for month in range(6, 1, -1):
            issued, name = 30 * month + 5, f"studio {month}"
            self._bills(issued, name, STUDIO, "Energy monitoring", 38_40, "usd", tax=0)
            if issued > AUTOMATIC_DAYS_AGO:
                self._pays(issued - 5, name, STUDIO, "mastercard" if month == 6 else "", save=month == 6)
        self._on(AUTOMATIC_DAYS_AGO, 16, lambda: company.agree_to_automatic_payment(STUDIO))
        self._as_seeded(STUDIO)
        for issued in (95, 65, 40, 5):
            for days_later in (0, 14, 30):  # when the worker finds something to announce, or to collect
                self._on(max(issued - days_later, 0), 20, mandates.sweep)

    def trading(self) -> None:
        """Yen by the quarter, once by bank transfer."""
        for quarter in (3, 2, 1):
            self._bills(90 * quarter + 20, f"trading {quarter}", TRADING, "Shore power", 35_200, "jpy", tax=1000)
        self._pays(280, "trading 3", TRADING, "jcb")
        self._on(185, 5, lambda: self._company.book_transfer(self._ids["trading 2"]))
        self._pays(95, "trading 1", TRADING, "jcb", save=True)
        self._as_seeded(TRADING)

    def cafe(self) -> None:
        """Disputes in each state."""
        for issued, reason in (
            (300, "fraudulent"),
            (240, "product_not_received"),
            (180, "general"),
            (20, "duplicate"),
            (12, "fraudulent"),
        ):
            name = f"cafe {issued}"
            self._bills(issued, name, CAFE, "Ökostrom Rösterei", 168_00)
            self._pays(issued - 2, name, CAFE, "visa")
            self._disputes(issued - 8, name, reason, inquiry=issued == 180)
        for issued, verdict in ((300, "lost"), (240, "won"), (180, "warning_closed")):
            self._answers(issued - 11, f"cafe {issued}")
            self._decides(issued - 40, f"cafe {issued}", verdict)
        self._answers(9, "cafe 20")

    def workshop(self) -> None:
        """A declined card, then another; a refund that the bank sent back; a bill that its card did not pay."""
        self._bills(140, "workshop", WORKSHOP, "Ladesäule, Miete", 89_00)
        self._pays(131, "workshop", WORKSHOP, "chargeDeclinedInsufficientFunds")
        self._pays(130, "workshop", WORKSHOP, "refundFail")
        self._asks(120, "workshop", WORKSHOP, 89_00, RefundReason.PRODUCT_UNACCEPTABLE, "Die Ladesäule lief nicht.")
        self._approves(119, "workshop", "support")
        self._bills(16, "workshop new", WORKSHOP, "Ladesäule, Miete", 89_00)
        self._pays(4, "workshop new", WORKSHOP, "chargeDeclined")
        self._notes(3, WORKSHOP, "Herr Petersen meldet sich, wenn seine neue Karte da ist.")

    def hotel(self) -> None:
        """Large bills: a refund that staff proposed, and one that waits for its second approval."""
        for issued in (200, 33):
            self._bills(issued, f"hotel {issued}", HOTEL, "Ökostrom Hotelbetrieb", 1_180_00)
            self._pays(issued - 9, f"hotel {issued}", HOTEL, "amex", save=True)
        self._proposes(180, "hotel 200", 118_00)
        self._approves(179, "hotel 200", "approver")
        self._asks(5, "hotel 33", HOTEL, 700_00, RefundReason.PRODUCT_UNACCEPTABLE, "Der Tarif war anders vereinbart.")
        self._approves(4, "hotel 33", "support")
        self._notes(60, HOTEL, "Rechnungen gehen im Original an die Steuerkanzlei.")

    def boats(self) -> None:
        """Pays late, and asks for something back."""
        self._bills(65, "boats", BOATS, "Landstrom Helling", 412_00)
        self._pays(32, "boats", BOATS, "visa", save=True)
        self._bills(28, "boats new", BOATS, "Landstrom Helling", 396_00)
        self._asks(2, "boats", BOATS, 41_20, RefundReason.PRODUCT_UNACCEPTABLE, "Wir hatten zwei Tage keinen Strom.")

    # What a plan is made of

    def _on(self, days_ago: int, hour: int, act: Act) -> None:
        self._plan.append((days_ago, hour, len(self._plan), act))

    def _bills(
        self,
        days_ago: int,
        name: str,
        demo: DemoCustomer,
        what: str,
        price: int,
        currency: str = "eur",
        tax: int = 1900,
    ) -> None:
        def act() -> None:
            month = format_date(company_days.today(), "LLLL", locale=demo.language)
            self._ids[name] = self._company.bill(demo, currency, LineDraft(f"{what}, {month}", 1_000, price, tax))

        self._on(days_ago, 9, act)

    def _as_seeded(self, demo: DemoCustomer) -> None:
        """The invoices that `deploy.dev.seed` issues as well, each on its day."""

        def plan(one: DemoInvoice) -> None:
            self._on(
                one.issued_days_ago,
                9,
                lambda: seed.issue(self._company.customers[demo], one, issued_on=company_days.today()),
            )

        for one in INVOICES[demo]:
            plan(one)

    def _pays(self, days_ago: int, name: str, demo: DemoCustomer, card: str = "", *, save: bool = False) -> None:
        """With one of Stripe's test cards, or with the saved one."""

        def act() -> None:
            company, bill = self._company, self._ids[name]
            paid = company.pay(demo, bill, card, save=save) if card else company.pay_with_saved(demo, bill)
            self._ids[f"{name} paid"] = paid

        self._on(days_ago, 11, act)

    def _asks(self, days_ago: int, name: str, demo: DemoCustomer, minor: int, reason: str, words: str = "") -> None:
        def act() -> None:
            paid = self._ids[f"{name} paid"]
            self._ids[f"{name} refund"] = self._company.ask(demo, paid, Money(minor, "eur"), reason, words)

        self._on(days_ago, 13, act)

    def _proposes(self, days_ago: int, name: str, minor: int) -> None:
        def act() -> None:
            self._ids[f"{name} refund"] = self._company.propose(self._ids[f"{name} paid"], Money(minor, "eur"))

        self._on(days_ago, 13, act)

    def _approves(self, days_ago: int, name: str, role: str) -> None:
        self._on(days_ago, 14, lambda: self._company.approve(self._ids[f"{name} refund"], role))

    def _rejects(self, days_ago: int, name: str, why: str) -> None:
        self._on(days_ago, 14, lambda: self._company.reject(self._ids[f"{name} refund"], why))

    def _withdraws(self, days_ago: int, name: str, demo: DemoCustomer) -> None:
        self._on(days_ago, 8, lambda: self._company.withdraw(demo, self._ids[f"{name} refund"]))

    def _disputes(self, days_ago: int, name: str, reason: str, *, inquiry: bool) -> None:
        self._on(days_ago, 9, lambda: self._company.dispute(self._ids[f"{name} paid"], reason, inquiry=inquiry))

    def _answers(self, days_ago: int, name: str) -> None:
        self._on(days_ago, 15, lambda: self._company.answer(self._ids[f"{name} paid"]))

    def _decides(self, days_ago: int, name: str, verdict: str) -> None:
        self._on(days_ago, 9, lambda: self._company.decide(self._ids[f"{name} paid"], verdict))

    def _notes(self, days_ago: int, demo: DemoCustomer, words: str) -> None:
        self._on(days_ago, 16, lambda: self._company.note(demo, words))


def fill(company: Company) -> None:
    """Live the year, as the customers, the staff and Stripe."""
    company.past.begin(BEGAN_DAYS_AGO)
    company.open()
    year = Year(company)
    for plan in (year.bakery, year.studio, year.trading, year.cafe, year.workshop, year.hotel, year.boats):
        plan()
    year.live()


def main() -> None:
    parser = argparse.ArgumentParser(description="Fill an empty demo with the year behind it.")
    parser.add_argument("--sandbox", type=Path, required=True, help="the sandbox's file, which must be new")
    sandbox_file = parser.parse_args().sandbox
    app = create_app()
    seed.refuse_elsewhere()
    schema.migrate()
    with past(app, sandbox_file) as moment, audit.acting(audit.Actor("cli", "seed")):
        fill(Company(moment))


if __name__ == "__main__":
    main()
