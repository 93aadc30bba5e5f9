"""Sharing out refunds over what was paid: to the cent, whatever is refunded in however many pieces."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.core.shares import share

amounts = st.one_of(st.integers(0, 20), st.integers(0, 10**12))
parts = st.lists(amounts, min_size=1, max_size=9).filter(any)


@st.composite
def refunds(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Parts of a payment, and the refunds that give all of it back, in their order."""
    paid = draw(parts)
    cuts = sorted(draw(st.sets(st.integers(1, sum(paid)), max_size=12)) | {sum(paid)})
    return paid, [end - start for start, end in zip([0, *cuts], cuts, strict=False)]


@given(refunds())
def test_refunds_of_all_give_back_each_part_exactly_and_none_more_on_the_way(case: tuple[list[int], list[int]]) -> None:
    paid, amounts = case
    taken = [0] * len(paid)
    for amount in amounts:
        given_back = share(amount, paid, taken)
        assert sum(given_back) == amount
        assert min(given_back) >= 0
        taken = [before + more for before, more in zip(taken, given_back, strict=True)]
        assert all(gone <= part for gone, part in zip(taken, paid, strict=True))
    assert taken == paid


@given(refunds())
def test_each_part_follows_its_proportion(case: tuple[list[int], list[int]]) -> None:
    """After every refund, a part is off its exact share by less than half a unit for each of the parts."""
    paid, amounts = case
    taken, reached = [0] * len(paid), 0
    for amount in amounts:
        reached += amount
        taken = [before + more for before, more in zip(taken, share(amount, paid, taken), strict=True)]
        for gone, part in zip(taken, paid, strict=True):
            assert abs(gone * sum(paid) - part * reached) <= len(paid) * sum(paid) / 2


@given(parts, st.data())
def test_what_a_revoked_credit_note_frees_is_given_back_by_the_next_ones(paid: list[int], data: st.DataObject) -> None:
    first = data.draw(st.integers(1, sum(paid)))
    second = data.draw(st.integers(0, sum(paid) - first))
    before = share(first, paid, [0] * len(paid))
    taken = share(second, paid, before)  # the first is revoked now
    third = data.draw(st.integers(0, min(3, sum(paid) - second)))
    for amount in (third, sum(paid) - second - third):
        given_back = share(amount, paid, taken)
        assert (sum(given_back), min(given_back) >= 0) == (amount, True)
        taken = [gone + more for gone, more in zip(taken, given_back, strict=True)]
    assert taken == paid


def test_a_hundred_and_nineteen_euros_in_cents_take_back_the_tax_evenly() -> None:
    taken = [0, 0]
    for _ in range(5_950):
        taken = [before + more for before, more in zip(taken, share(1, [100_00, 19_00], taken), strict=True)]
    assert taken == [50_00, 9_50]


def counted_out(amount: int, paid: list[int], taken: list[int]) -> list[int]:
    """As the method is told: unit by unit, each from the part with the best claim, the first among equals."""
    given_back = [0] * len(paid)
    for _ in range(amount):
        claims = [
            Fraction(part, 2 * (gone + more) + 1) for part, gone, more in zip(paid, taken, given_back, strict=True)
        ]
        given_back[claims.index(max(claims))] += 1
    return given_back


def test_it_is_what_counting_out_unit_by_unit_gives() -> None:
    """Also where a credit note was revoked, which leaves taken what no way of sharing would have taken."""
    for paid in (list(parts) for parts in product(range(5), repeat=3) if any(parts)):
        for taken in map(list, product(*(range(part + 1) for part in paid))):
            for amount in range(sum(paid) - sum(taken) + 1):
                assert share(amount, paid, taken) == counted_out(amount, paid, taken), (amount, paid, taken)


def test_more_than_is_left_is_refused() -> None:
    with pytest.raises(ValueError, match="2 of 1 that are left"):
        share(2, [2, 1], [2, 0])
