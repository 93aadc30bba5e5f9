"""Which accounts of the charts SKR03 and SKR04 the books' accounts are at DATEV: usual ones, each of which settings replace.

These are a beginning for a talk with a tax adviser, who decides. Customers have one collective account of debtors, whose open items are
told apart by the number of the document; refunds on their way and overpayments are on it, too. Revenue of a rate goes to an account that
knows its tax by itself (Automatikkonto) and takes no tax key, or to another one with a key.

Source: DATEV, "Kontenrahmen SKR 03" and "SKR 04"; developer.datev.de, "Buchungsstapel" (field 9, BU-Schlüssel).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from portal.core import config
from portal.ledger import LedgerAccount
from portal.vat.untaxed import Untaxed

SKR03: Final = "03"
SKR04: Final = "04"
UNTAXED: Final = "untaxed"

# By our name, in SKR03 and in SKR04.
USUAL: Final = {
    "debtors": ("10000", "10000"),
    "stripe": ("1360", "1460"),
    "underway": ("1590", "1370"),
    "bank": ("1200", "1800"),
    "bad_debts": ("2400", "6930"),
    "fees": ("4970", "6855"),
    "disputes": ("1590", "1370"),
    "exchange": ("2150", "6880"),
    "other": ("1590", "1370"),
    "tax": ("1770", "3800"),
    "revenue": ("8200", "4200"),
    UNTAXED: ("8200", "4200"),
    Untaxed.REVERSE_CHARGE: ("8336", "4336"),
    Untaxed.INTRA_COMMUNITY: ("8125", "4125"),
    Untaxed.EXPORT: ("8120", "4120"),
    Untaxed.EXEMPT: ("8100", "4100"),
}
# Revenue by rate, in basis points.
USUAL_REVENUE: Final = {1900: ("8400", "4400"), 700: ("8300", "4300")}

_NAMES: Final = {
    LedgerAccount.STRIPE: "stripe",
    LedgerAccount.UNDERWAY: "underway",
    LedgerAccount.RECEIVABLES: "debtors",
    LedgerAccount.REFUNDS: "debtors",
    LedgerAccount.OVERPAYMENTS: "debtors",
    LedgerAccount.BAD_DEBTS: "bad_debts",
    LedgerAccount.FEES: "fees",
    LedgerAccount.DISPUTES: "disputes",
    LedgerAccount.BANK: "bank",
    LedgerAccount.EXCHANGE: "exchange",
    LedgerAccount.OTHER: "other",
    LedgerAccount.TAX: "tax",
    LedgerAccount.REVENUE: "revenue",
}


@dataclass(frozen=True, slots=True)
class Chart:
    """The accounts in force, in the length that the client's books have."""

    settings: config.Settings

    @property
    def _place(self) -> int:
        return 0 if self.settings.datev_chart == SKR03 else 1

    def account(self, account: LedgerAccount) -> str:
        return self._named(_NAMES[account])

    def revenue(self, rate: int | None, why_untaxed: str) -> str:
        """Of a rate in basis points, 0 and None for no tax; "" where no account is known for the rate, and its tax is booked apart."""
        if not rate:
            known = why_untaxed if why_untaxed in set(Untaxed) else UNTAXED
            return self._named(known)
        usual = USUAL_REVENUE.get(rate, ("", ""))[self._place]
        number = self.settings.datev_revenue.get(rate, usual)
        return self._long(number) if number else ""

    def tax_key(self, rate: int | None) -> str:
        """The BU-Schlüssel that goes with the account of the rate; "" for none."""
        return self.settings.datev_tax_keys.get(rate, "") if rate else ""

    def _named(self, name: str) -> str:
        return self._long(self.settings.datev_accounts.get(name, USUAL[name][self._place]), name == "debtors")

    def _long(self, number: str, is_personal: bool = False) -> str:
        """As long as the client's accounts are; those of persons have a digit more."""
        return number.ljust(self.settings.datev_account_length + is_personal, "0")
