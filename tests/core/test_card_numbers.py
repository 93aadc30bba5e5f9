"""What is taken for a card number in free text, and what only looks like one."""

from __future__ import annotations

import pytest

from portal.core import card_numbers


@pytest.mark.parametrize(
    "text",
    [
        "4242424242424242",
        "4242 4242 4242 4242",
        "please charge 4242-4242-4242-4242, thank you",
        "4242.4242.4242.4242",
        "4242 - 4242 - 4242 - 4242",
        "4242,4242,4242,4242",
        "4242/4242/4242/4242",
        "4242_4242_4242_4242",
        "4242\u00a04242\u202f4242\u30004242",  # no-break, narrow and ideographic spaces
        "4242–4242—4242‑4242",  # dashes of three kinds
        "4242−4242·4242 4242",  # a minus sign and a middle dot
        "4242\u200b4242\u200b4242\u200b4242",  # zero-width spaces
        "42\u00ad4242424242424\u200f2",
        "4242 4242\n4242 4242",
        "4242\t4242\r\n4242\t4242",
        "4 2 4 2 4 2 4 2 4 2 4 2 4 2 4 2",
        "４２４２４２４２４２４２４２４２",  # full-width
        "٤٢٤٢ ٤٢٤٢ ٤٢٤٢ ٤٢٤٢",  # Arabic-Indic
        "①②3 4242424242424242",
        "Visa4242424242424242exp1229",
        "card_4242424242424242",
        "12 4242 4242 4242 4242 12/29 123",
        "+ 4242 4242 4242 4242",
        "+49 40 123456, 4242 4242 4242 4242",
        "DE89 3704 0044 0532 0130 00 or 4242 4242 4242 4242",
        "378282246310005",
        "3782 822463 10005",
        "3782-822463-10005",
        "42 4242 42424242 4242",
        "5555555555554444",
        "2223003122003222",
        "6011111111111117",
        "30569309025904",
        "3056 930902 5904",
        "36227206271667",
        "3566002020360505",
        "6200000000000005",
        "6205500000000000004",
        "4222222222222",
        "6759649826438453",
        "2200000000000004",
    ],
)
def test_a_card_number_is_found_however_it_is_written(text: str) -> None:
    assert card_numbers.holds_one(text)
    assert not card_numbers.holds_one(card_numbers.masked(text))


@pytest.mark.parametrize(
    "text",
    [
        "cus_493e62ad3953851381402145",
        "",
        "4242424242424241",  # fails the Luhn check
        "4242",
        "ends in 4242, expires 12/2029",
        "1234567890123456",
        "0000000000000000",
        "INV-2026-000001, INV-2026-000002 and R-2026-000003",
        "DE89 3704 0044 0532 0130 00",
        "DE12500105170648489890",
        "DE54 5001 0517 4111 1111 11",
        "GB29 NWBK 6016 1331 9268 19",
        "FR1420041010050500013M02606",
        "+49 40 42424242 424",
        "+1 (415) 555-2671",
        "0049 40 1234567890",
        "550e8400-e29b-41d4-4466-446655440000",
        "4f3c2a1b4242424242424242abcdef0123456789",  # a hash
        "inv_01JD3K5XQ8ZV7W2M4N6P9R0T1S",
        "pi_3QLxYz2eZvKYlo2C1a2b3c4d",
        "1764402266123456",  # microseconds
        "2026-11-29 07:44:26.123456",
        "20261129074426",
        "4006381333931",  # an EAN
        "978-3-16-148410-0",
        "302-1234567-1234567",
        "4711, 4712, 4713, 4714",
        "order-4711-2026-11-29-0002",  # passes the Luhn check
        "4711-2026-00000008",
        "1,234,567,890,123",
        "21 00000 00003 13947 14300 09017",
        "350123456789011",  # an IMEI
        "8949020000012345678",  # a SIM card
        "00340434161094042557",  # a parcel
    ],
)
def test_other_numbers_are_none(text: str) -> None:
    assert not card_numbers.holds_one(text)
    assert card_numbers.masked(text) == text


def test_looking_at_a_long_text_takes_no_time() -> None:
    many = ("4711 " * 20_000) + ("x1" * 50_000) + ("DE12" * 10_000)
    assert not card_numbers.holds_one("1" * 100_000)
    card_numbers.holds_one(many)
