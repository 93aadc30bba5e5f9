"""All customers, as staff list them."""

from __future__ import annotations

from typing import Final

from portal.accounts.listing import LISTING
from portal.core.errors import N_
from portal.core.permissions import Permission
from portal.web.staff_lists import Choice, Column, StaffList

LIST: Final = StaffList(
    name="customers",
    title=N_("Customers"),
    position=10,
    endpoint="support_customers.index",
    csv_endpoint="support_customers.csv",
    permission=Permission.LOOK_UP,
    listing=LISTING,
    columns=(
        Column("name", N_("Customer"), lambda customer, _: customer.name, place="title"),
        Column("email", N_("E-mail"), lambda customer, _: customer.email, place="detail"),
        Column("country", N_("Country"), lambda customer, _: customer.country),
        Column("tax_id", N_("VAT ID"), lambda customer, _: customer.tax_id),
        Column(
            "state",
            N_("Status"),
            lambda customer, _: "deactivated" if customer.deactivated_at else "active",
            "customer",
            place="state",
        ),
        Column("created", N_("Customer since"), lambda customer, _: customer.created_at, "moment", place="number"),
        Column("id", N_("ID"), lambda customer, _: customer.id, "id"),
        Column("external_id", N_("ID in your systems"), lambda customer, _: customer.external_id, "more_id"),
        Column("stripe_id", N_("ID at Stripe"), lambda customer, _: customer.stripe_customer_id, "more_id"),
    ),
    open=lambda customer: ("support.customer", {"customer_id": customer.id}),
    search_label=N_("Name, e-mail address or ID"),
    choices=(Choice("state", N_("Status"), N_("Any status"), "customer"),),
    side="support/customers/list_side.html",
)
