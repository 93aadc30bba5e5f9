"""An order of an app that is not placed yet, and the rules that it must meet.

Nothing here touches the database. Every rule that is broken is an Invalid, whose `field` names the place: "amount", "description",
"items", "metadata", or "items-<index>-<field>" for one item, counted from 0.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any, Final

from portal.core import money, texts
from portal.core.errors import N_, Invalid, NotFound
from portal.core.money import Money
from portal.invoices.drafts import MOST_THOUSANDTHS

# More than that is no list that a person reads on a receipt.
MOST_ITEMS: Final = 50
LONGEST_ITEM: Final = 300
# Longer texts would not fit on a receipt's line.
LONGEST_DESCRIPTION: Final = 200
# So many invoices can be paid at once: their names and amounts stand in an intent's metadata, ten an entry.
MOST_INVOICES: Final = 30
INVOICES_AN_ENTRY: Final = 10
# Stripe takes 50 entries, names of 40 and values of 500 characters; the rest is room for the portal's own.
# Source: Stripe, "Metadata".
MOST_ENTRIES: Final = 20
LONGEST_VALUE: Final = 500
_ID: Final = re.compile(r"[A-Za-z0-9_]{1,64}", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,40}", re.ASCII)
# What the portal itself writes on objects at Stripe, and finds them by.
# What is paid for is written into as many entries as it takes, up to so many.
LABELS: Final = 12
OWN_NAMES: Final = frozenset(
    {
        *("payment_id", "customer_id", "invoice_id", "setup_id", "refund_id"),
        *("receipt_id", "receipt_number", "receipt_code", "receipt_issued_at"),
        *("client_key", "order_fingerprint", "order_method"),
        *(f"items_{number}" for number in range(1, LABELS + 1)),
        *(f"invoices_{number}" for number in range(1, MOST_INVOICES // INVOICES_AN_ENTRY + 1)),
    }
)


@dataclass(frozen=True, slots=True)
class Share:
    """What is to be paid of an invoice: `amount` (see portal.invoices.part_payments), or all that is due of it."""

    invoice_id: str
    amount: Money | None = None


def whole(*invoice_ids: str) -> tuple[Share, ...]:
    """All that is due of these invoices."""
    return tuple(Share(one) for one in invoice_ids)


@dataclass(frozen=True, slots=True)
class Item:
    """One line of what is paid for: quantity in thousandths, unit amount in minor units, taxes included."""

    description: str
    quantity_thousandths: int
    unit_amount_minor: int

    @property
    def amount_minor(self) -> int:
        """What the line comes to, rounded as the lines of invoices are."""
        return money.share(self.unit_amount_minor, self.quantity_thousandths, 1_000)

    @property
    def quantity(self) -> Decimal:
        return Decimal(self.quantity_thousandths) / 1_000

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        return asdict(self) | {"description": texts.tidied(self.description)}


@dataclass(frozen=True, slots=True)
class Order:
    """What an app wants paid: shares of open invoices, or an amount with its description and, if it likes, the items that make it up.

    `method` is what is charged: one of the customer's saved cards ("method_…") or a payment method of Stripe's ("pm_…"); without
    one the answer holds what the customer confirms with. `client_key` makes the same order, sent twice, one payment. `ip` is where a
    customer's app sent it from: cards that are not kept here are counted by it, against card testing. `allow_duplicate` insists on an
    amount whose last payment, of the same text, is not decided yet. `mandate` says with which "ip_address" and "user_agent" the holder of a
    bank account agreed to be debited.
    """

    customer_id: str
    client_key: str
    invoices: tuple[Share, ...] = ()
    amount: Money | None = None
    description: str = ""
    items: tuple[Item, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    method: str | None = None
    save_card: bool = False
    ip: str = ""
    allow_duplicate: bool = False
    mandate: Mapping[str, str] | None = None

    @property
    def fingerprint(self) -> str:
        """Equal for orders of the same. Its shape stays: a key of yesterday is compared with it."""
        whole = self.invoices[0].invoice_id if len(self.invoices) == 1 and self.invoices[0].amount is None else None
        told: dict[str, Any] = {
            "invoice": whole,
            "amount": [self.amount.minor, self.amount.currency] if self.amount else None,
            "description": self.description,
            "items": [[item.description, item.quantity_thousandths, item.unit_amount_minor] for item in self.items],
            "metadata": dict(self.metadata),
            "method": self.method,
            "save_card": self.save_card,
        }
        if self.invoices and whole is None:
            told["invoices"] = [[one.invoice_id, one.amount.minor if one.amount else None] for one in self.invoices]
        if self.mandate is not None:
            told["mandate"] = dict(self.mandate)
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def check(order: Order) -> None:
    """Raises Invalid for an order that cannot be placed, whoever places it and whatever the limits are; NotFound for what is no id."""
    if order.invoices:
        for share in order.invoices:
            check_id(share.invoice_id)
        for name, given in (("description", order.description), ("items", order.items)):
            if given:
                raise Invalid(N_("Leave the description out: the invoice already has one."), field=name)
    else:
        _check_other(order)
    _check_metadata(order.metadata)


def check_id(text: str) -> None:
    """Raises NotFound for what no row is called: databases do not even take every character."""
    if not _ID.fullmatch(text):
        raise NotFound


def _check_other(order: Order) -> None:
    if order.amount is None:
        raise Invalid(N_("Please enter an amount."), field="amount")
    if texts.is_blank(order.description):
        raise Invalid(N_("Please enter what you are paying for. It appears on your receipt."), field="description")
    texts.one_line(order.description, field="description", longest=LONGEST_DESCRIPTION)
    if len(order.items) > MOST_ITEMS:
        raise Invalid(N_("There may be at most %(most)s items."), field="items", most=MOST_ITEMS)
    for index, item in enumerate(order.items):
        _check_item(item, f"items-{index}-", order.amount.currency)
    if order.items and sum(item.amount_minor for item in order.items) != order.amount.minor:
        raise Invalid(N_("The items do not add up to the amount."), field="items")


def _check_item(item: Item, at: str, currency: str) -> None:
    if texts.is_blank(item.description):
        raise Invalid(N_("Every line needs a description."), field=f"{at}description")
    texts.one_line(item.description, field=f"{at}description", longest=LONGEST_ITEM)
    if not 0 < item.quantity_thousandths <= MOST_THOUSANDTHS:
        raise Invalid(
            N_("The quantity must be more than 0 and at most %(most)s."),
            field=f"{at}quantity",
            most=MOST_THOUSANDTHS // 1_000,
        )
    largest = money.largest_charge(currency)
    if not 0 <= item.unit_amount_minor <= largest.minor:
        raise Invalid(
            N_("The unit price must be 0 or more, and at most %(largest)s."),
            field=f"{at}unit_amount",
            largest=largest,
        )


def _check_metadata(metadata: Mapping[str, str]) -> None:
    if len(metadata) > MOST_ENTRIES:
        raise Invalid(N_("There may be at most %(most)s entries."), field="metadata", most=MOST_ENTRIES)
    for name, value in metadata.items():
        if not _NAME.fullmatch(name):
            raise Invalid(
                N_("A name has 1 to 40 letters, digits, dots, hyphens or underscores."),
                field="metadata",
                code="bad_name",
            )
        if name in OWN_NAMES:
            raise Invalid(
                N_("The portal uses the name %(name)s itself. Please choose another one."),
                field="metadata",
                code="name_taken",
                name=name,
            )
        texts.refuse_card_number(name, field="metadata")
        texts.check(value, field="metadata", longest=LONGEST_VALUE, allowed="\t\r\n")
