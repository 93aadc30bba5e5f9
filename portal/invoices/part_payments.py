"""Paying an invoice in parts: how much at a time, so that nothing is left that nobody can pay by card. The rest stays due.

The company's setting says in which currencies, and the least of a part; all that is due can always be paid.
"""

from __future__ import annotations

from typing import Final

from portal.core import config, money
from portal.core.errors import N_, Invalid
from portal.core.money import Money
from portal.invoices.models import Invoice

# Why not, for programs.
PAID_WHOLE: Final = "paid_whole"


def least(invoice: Invoice) -> Money | None:
    """The least that can be paid of an open invoice at a time; None where all that is due is paid at once."""
    limit = config.current().part_payments.get(invoice.currency)
    if limit is None:
        return None
    smallest = money.smallest_charge(invoice.currency)
    found = max(money.from_decimal(limit, invoice.currency), smallest)
    return found if found + smallest <= invoice.amount_due else None


def check(invoice: Invoice, amount: Money) -> None:
    """Raises Invalid (field "amount") for what cannot be paid of an open invoice at once."""
    due = invoice.amount_due
    if amount == due:
        return
    if amount.currency != due.currency or not 0 < amount.minor <= due.minor:
        raise Invalid(N_("Please enter an amount of at most %(due)s: that much is due."), field="amount", due=due)
    smallest_part = least(invoice)
    if smallest_part is None:
        raise Invalid(
            N_("Invoice %(number)s is paid at once: %(due)s is due."),
            field="amount",
            code=PAID_WHOLE,
            number=invoice.number,
            due=due,
        )
    try:
        money.check_granularity(amount)
    except ValueError as error:
        step = money.charge_step(amount.currency)
        raise Invalid(N_("This currency is charged in steps of %(step)s."), field="amount", step=step) from error
    if amount < smallest_part:
        raise Invalid(
            N_("Please pay at least %(least)s at a time, or all of %(due)s."),
            field="amount",
            least=smallest_part,
            due=due,
        )
    smallest = money.smallest_charge(due.currency)
    if due - amount < smallest:
        raise Invalid(
            N_("Please pay all of %(due)s, or leave at least %(smallest)s: less cannot be paid by card."),
            field="amount",
            due=due,
            smallest=smallest,
        )
