"""What a line of an invoice counts its quantity in, and whether it is of goods or of services.

The codes are those of UN/ECE Recommendation 20 ("Codes for Units of Measure Used in International Trade", revision 17 of 2021), which
EN 16931 takes its units from (BT-130). The list here is short and of 2026-11: what most companies bill in. A code that is added stays for
good, since lines and documents keep it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal

from portal.core.errors import N_, Invalid

Supplies = Literal["services", "goods"]
SUPPLIES: Final[dict[Supplies, str]] = {"services": N_("Services"), "goods": N_("Goods")}


class Unit(StrEnum):
    """`ONE` is a number without a unit, which stands alone."""

    ONE = "C62"
    PIECE = "H87"
    FLAT_RATE = "LS"
    MINUTE = "MIN"
    HOUR = "HUR"
    DAY = "DAY"
    WEEK = "WEE"
    MONTH = "MON"
    YEAR = "ANN"
    GRAM = "GRM"
    KILOGRAM = "KGM"
    TONNE = "TNE"
    METRE = "MTR"
    KILOMETRE = "KMT"
    SQUARE_METRE = "MTK"
    CUBIC_METRE = "MTQ"
    LITRE = "LTR"
    KILOWATT_HOUR = "KWH"


LABELS: Final[dict[Unit, str]] = {
    Unit.ONE: N_("Number alone"),
    Unit.PIECE: N_("Piece"),
    Unit.FLAT_RATE: N_("Flat rate"),
    Unit.MINUTE: N_("Minute"),
    Unit.HOUR: N_("Hour"),
    Unit.DAY: N_("Day"),
    Unit.WEEK: N_("Week"),
    Unit.MONTH: N_("Month"),
    Unit.YEAR: N_("Year"),
    Unit.GRAM: N_("Gram"),
    Unit.KILOGRAM: N_("Kilogram"),
    Unit.TONNE: N_("Tonne"),
    Unit.METRE: N_("Meter"),
    Unit.KILOMETRE: N_("Kilometer"),
    Unit.SQUARE_METRE: N_("Square meter"),
    Unit.CUBIC_METRE: N_("Cubic meter"),
    Unit.LITRE: N_("Liter"),
    Unit.KILOWATT_HOUR: N_("Kilowatt-hour"),
}


def check_unit(code: str, field: str) -> None:
    """Raises Invalid for a code that is not in the list."""
    if code not in set[str](Unit):
        raise Invalid(
            N_("“%(unit)s” is not a unit that is known here. Known are: %(known)s."),
            field=field,
            unit=code[:20],
            known=", ".join(Unit),
        )


def check_supplies(supplies: str, field: str) -> None:
    """Raises Invalid for what is neither "goods" nor "services"."""
    if supplies not in SUPPLIES:
        raise Invalid(N_("Write goods or services."), field=field)
