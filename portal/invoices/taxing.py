"""What must hold of an invoice's tax, seen from who sells and who buys; other rules of a draft know no customer."""

from __future__ import annotations

from sqlalchemy.orm import Session

from portal.accounts.models import Customer
from portal.core import config
from portal.core.errors import N_, Invalid
from portal.invoices import drafts
from portal.invoices.drafts import InvoiceDraft, LineDraft
from portal.vat import queries as vat
from portal.vat import untaxed
from portal.vat.queries import VatIdStanding


def check(session: Session, draft: InvoiceDraft, customer: Customer) -> VatIdStanding | None:
    """What is known of the customer's VAT ID, where a line rests on it; None where none does. Raises Invalid (field "lines-<n>-tax_rate")
    where VIES said that it is not valid, and for a rate that is neither of our country nor of the customer's.
    """
    countries = {config.current().company.country, customer.country}
    for place, line in enumerate(draft.lines):
        drafts.check_rate(line.tax_rate_basis_points, draft.tax_day, f"lines-{place}-tax_rate", countries)
    resting = lines_resting_on_vat_id(draft, customer)
    known = vat.standing(session, customer) if resting else None
    if known is not None and known.is_invalid:
        raise Invalid(
            N_(
                "VIES says that the VAT ID %(tax_id)s of this customer is not valid, so this line needs tax. "
                "Please correct the VAT ID, or check it again on the customer’s page."
            ),
            field=f"lines-{resting[0]}-tax_rate",
            tax_id=known.tax_id,
        )
    return known


def lines_resting_on_vat_id(draft: InvoiceDraft, customer: Customer) -> list[int]:
    """The places, from 0, of the lines without tax because the customer has a VAT ID: reverse charge and supplies within the Union."""
    return [place for place, line in enumerate(draft.lines) if _rests_on_vat_id(line, customer)]


def _rests_on_vat_id(line: LineDraft, customer: Customer) -> bool:
    company = config.current().company
    if line.tax_rate_basis_points or line.kind not in {"goods", "services"}:
        return False
    why = untaxed.reason(
        seller=company.country,
        seller_tax_id=company.tax_id,
        buyer=customer.country,
        buyer_tax_id=customer.tax_id,
        supplies="goods" if line.kind == "goods" else "services",
        exemption=company.exemption,
    )
    return why is not None and why.rests_on_buyers_vat_id
