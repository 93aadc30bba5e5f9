"""Why a line states no tax, decided by rule from who sells, who buys, and what: the note that the law wants on the invoice, and its code.

Source: directive 2006/112/EC, articles 138 (supplies within the Union), 146 (exports), 196 and 226 no. 11a (reverse charge), 226 no. 11 (a
reference to what exempts). What is not decided here is not written on a document: an adviser decides.
"""

from __future__ import annotations

from enum import StrEnum

from portal.core.units import Supplies

_GREECE_IN_VAT_IDS = "EL"
_UNITED_KINGDOM, _NORTHERN_IRELAND = "GB", "XI"


class Untaxed(StrEnum):
    """`EXEMPT` is explained by the company's own words (PORTAL_COMPANY_EXEMPTION)."""

    REVERSE_CHARGE = "reverse_charge"
    INTRA_COMMUNITY = "intra_community"
    EXPORT = "export"
    EXEMPT = "exempt"

    @property
    def rests_on_buyers_vat_id(self) -> bool:
        """Whether it holds only for a buyer whose VAT ID is valid."""
        return self in {Untaxed.REVERSE_CHARGE, Untaxed.INTRA_COMMUNITY}


def reason(
    *, seller: str, seller_tax_id: str, buyer: str, buyer_tax_id: str, supplies: Supplies, exemption: str
) -> Untaxed | None:
    """Why lines without tax have none; countries by two letters. None when no rule says.

    Between companies of two members of the Union, both with a VAT ID of a member: services are taxed where the buyer is, who owes the tax;
    goods are free. Goods that leave the Union are free; those for Northern Ireland (XI) do not leave it, whereas for services it is not in
    it. At home a company says itself what exempts it.
    """
    if not seller or not buyer:
        return None
    if seller == buyer:
        return Untaxed.EXEMPT if exemption else None
    if not _is_member(seller):
        return None
    is_northern_irish = buyer_tax_id[:2].upper() == _NORTHERN_IRELAND
    if supplies == "services" and is_northern_irish:
        return None
    if not _is_member(buyer) and not (buyer == _UNITED_KINGDOM and is_northern_irish):
        return Untaxed.EXPORT if supplies == "goods" else None
    if not (_is_of_member(seller_tax_id) and _is_of_member(buyer_tax_id)) or seller_tax_id[:2] == buyer_tax_id[:2]:
        return None
    return Untaxed.REVERSE_CHARGE if supplies == "services" else Untaxed.INTRA_COMMUNITY


def _is_member(country: str) -> bool:
    from stdnum.eu import vat

    return country.lower() in vat.MEMBER_STATES


def _is_of_member(tax_id: str) -> bool:
    prefix = tax_id[:2].upper()
    return _is_member("GR" if prefix == _GREECE_IN_VAT_IDS else prefix)
