"""The sums of credits: however an invoice is credited and refunded, never more than was stated, and all of it to the cent."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from portal.core.errors import Invalid
from portal.invoices import credit_lines, totals
from portal.invoices.credit_lines import CreditedLine, Wanted
from portal.ledger import revenue
from portal.ledger.revenue import Part, Sold


@dataclass(frozen=True)
class Line:
    position: int
    quantity_thousandths: int
    unit_price_minor: int
    tax_rate_basis_points: int
    net_minor: int
    discount_minor: int = 0
    whole_discount_minor: int = 0


LINES = st.lists(
    st.tuples(st.integers(1, 20).map(lambda n: n * 500), st.integers(0, 5_000), st.sampled_from([0, 550, 700, 1900, 10_000])),
    min_size=1, max_size=5,
)  # fmt: skip
ACTS = st.lists(
    st.tuples(st.sampled_from(["quantity", "net", "shared"]), st.integers(1, 5), st.integers(1, 12_000)), max_size=12
)


class Invoice:
    """One in memory, with what is left of it."""

    def __init__(self, drafts: list[tuple[int, int, int]]) -> None:
        reckoned = totals.reckon([(price, quantity, rate) for quantity, price, rate in drafts])
        self.lines = [
            Line(at, quantity, price, rate, amounts.net_minor)
            for at, ((quantity, price, rate), amounts) in enumerate(zip(drafts, reckoned.lines, strict=True), start=1)
        ]
        stated = [Part(tax.rate_basis_points, tax.net_minor, tax.tax_minor) for tax in reckoned.taxes]
        self.sold = [Sold(part, part) for part in stated]
        self.credited: list[CreditedLine] = []

    @property
    def left(self) -> int:
        return sum(one.left.total_minor for one in self.sold)

    def take(self, parts: list[Part]) -> None:
        found = {part.rate: part for part in parts}
        for at, one in enumerate(self.sold):
            if part := found.get(one.stated.rate):
                left = Part(one.left.rate, one.left.net_minor - part.net_minor, one.left.tax_minor - part.tax_minor)
                self.sold[at] = replace(one, left=left)
            assert self.sold[at].left.net_minor >= 0 and self.sold[at].left.tax_minor >= 0

    def credit(self, *wanted: Wanted) -> None:
        made = credit_lines.of_lines(wanted, self.lines, self.credited, "eur")
        self.take(credit_lines.parts_of(made, self.lines, self.sold, "eur"))
        self.credited.extend(made)


@examples(max_examples=200)
@given(drafts=LINES, acts=ACTS)
def test_whatever_is_taken_back_never_exceeds_what_was_stated_and_the_rest_takes_all(
    drafts: list[tuple[int, int, int]], acts: list[tuple[str, int, int]]
) -> None:
    invoice = Invoice(drafts)
    for what, position, much in acts:
        if what == "shared":
            invoice.take(revenue.shared(min(much, invoice.left), invoice.sold))
            continue
        try:
            invoice.credit(Wanted(position, **{"quantity_thousandths" if what == "quantity" else "net_minor": much}))
        except Invalid:
            continue
    invoice.take(revenue.shared(invoice.left, invoice.sold))
    assert invoice.left == 0


@examples(max_examples=200)
@given(drafts=LINES, cuts=st.lists(st.integers(1, 3_000), max_size=8))
def test_tax_follows_the_net_to_the_cent(drafts: list[tuple[int, int, int]], cuts: list[int]) -> None:
    """After each credit the tax that was taken back of a rate is what the invoice states of it, for so much net, rounded once."""
    invoice = Invoice(drafts)
    for cut in cuts:
        for line in invoice.lines:
            try:
                invoice.credit(Wanted(line.position, net_minor=cut))
            except Invalid:
                continue
            for one in invoice.sold:
                gone = one.stated.net_minor - one.left.net_minor
                exact = one.stated.tax_minor * gone / one.stated.net_minor if one.stated.net_minor else 0
                assert abs(one.stated.tax_minor - one.left.tax_minor - exact) <= 0.5


def test_all_quantity_takes_all_net() -> None:
    invoice = Invoice([(3_000, 33, 1900)])  # 0.99
    for _ in range(3):
        invoice.credit(Wanted(1, quantity_thousandths=1_000))
    assert invoice.left == 0
