"""VAT IDs, checked as far as that can be done without asking anyone: their format, and their check digits where a country has them."""

from __future__ import annotations

from types import ModuleType
from typing import Final

from portal.core import texts
from portal.core.errors import N_, Invalid

LONGEST: Final = 40
_GREECE: Final = "EL"  # which writes GR in addresses
_PREFIX: Final = 2


def checked(text: str, country: str) -> str:
    """What is kept of a VAT ID: without spaces, dots and hyphens where its form is known, else as it was typed.

    Of another country than the address it may be: companies are registered where they sell. Raises Invalid for the field "tax_id", when
    the digits cannot be right, or the country has VAT IDs that begin with its letters and this one does not.
    """
    typed = texts.one_line(text, field="tax_id", longest=LONGEST)
    if not typed:
        return ""
    from stdnum.ch import vat as swiss
    from stdnum.eu import vat as european
    from stdnum.gb import vat as british
    from stdnum.no import mva as norwegian

    members = _prefixes()
    others = {"CH": swiss, "GB": british, "NO": norwegian}
    prefix = plain(typed)[:_PREFIX]
    if prefix in members:
        return _valid(european, typed)
    if prefix in others:
        _valid(others[prefix], typed)
        return typed.upper()
    if (_GREECE if country == "GR" else country) in members:
        raise Invalid(
            N_("A VAT ID of this country begins with its two letters, such as %(prefix)s."),
            field="tax_id",
            prefix=_GREECE if country == "GR" else country,
        )
    return typed


def plain(tax_id: str) -> str:
    """Its letters and digits alone, as registers write it."""
    return "".join(mark for mark in tax_id.upper() if mark.isalnum())


def is_of_the_union(tax_id: str) -> bool:
    """Whether it belongs to a member of the European Union, or to Northern Ireland (XI): VIES knows these."""
    return plain(tax_id)[:_PREFIX] in _prefixes()


def _prefixes() -> frozenset[str]:
    from stdnum.eu import vat as european

    return frozenset(code.upper() for code in european.MEMBER_STATES) - {"GR"} | {_GREECE}


def _valid(kind: ModuleType, typed: str) -> str:
    from stdnum.exceptions import ValidationError

    try:
        return str(kind.validate(typed))
    except ValidationError as error:
        raise Invalid(
            N_("This is not a valid VAT ID. Please check its digits, or leave the field empty."), field="tax_id"
        ) from error
