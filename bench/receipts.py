"""What rendering a receipt costs, as ratios, which hold on any machine: `python -m bench.receipts`.

Three figures: the first receipt of a process against the next ones, a FontConfiguration that is kept against a new one each
time, and what that new one leaks. It fails when keeping things no longer pays, or when a receipt costs what it must not.
"""

from __future__ import annotations

import os
import resource
import statistics
import time
from collections.abc import Callable
from datetime import UTC, date, datetime

# Rendering needs the settings to be there, and none of their values.
os.environ |= {
    "PORTAL_ENVIRONMENT": "test",
    "PORTAL_SECRET_KEY": "a-key-which-guards-nothing",
    "PORTAL_DATABASE_URL": "sqlite://",
    "STRIPE_SECRET_KEY": "sk_test_bench",
    "STRIPE_PUBLISHABLE_KEY": "pk_test_bench",
    "STRIPE_WEBHOOK_SECRETS": "whsec_bench",
}

from portal.documents import facts, pdf

RUNS = 15
# A kept FontConfiguration makes a receipt in this share of the time at most, and the first one costs at least so many.
MOST_OF_FRESH = 0.95
LEAST_COLD = 4.0
CODE = "7K3M-9QXA-0B1C-2D4E-5F6G"


def receipt(lines: int) -> facts.ReceiptFacts:
    written = tuple(
        facts.Line(f"Green electricity, day {n}", 1_500, 100_00, (700, 1900)[n % 2], 150_00, (10_50, 28_50)[n % 2])
        for n in range(lines)
    )
    net, tax = sum(line.net_minor for line in written), sum(line.tax_minor for line in written)
    return facts.ReceiptFacts(
        version=facts.VERSION,
        number="R-2026-000123",
        issued_at=datetime(2026, 11, 23, tzinfo=UTC),
        issued_on=date(2026, 11, 23),
        paid_on=date(2026, 11, 23),
        language="en",
        currency="eur",
        seller=facts.Party("Seller GmbH", ("Hafenstraße 1", "20457 Hamburg"), "DE", "DE123456789"),
        seller_contact="help@example.com",
        buyer=facts.Party("Buyer SARL", ("Rue de l’Église 12", "75011 Paris"), "FR", "FR40303265045"),
        lines=written,
        taxes=facts.taxes_of(written),
        net_minor=net,
        tax_minor=tax,
        total_minor=net + tax,
        method=facts.Method("visa", "4242", ""),
        reference=facts.Reference("INV-1", "", "pay_1", "ch_1"),
        verification=facts.Verification(CODE, f"https://example.com/verify/{CODE}"),
        logo="",
        colour="#0b5fff",
    )


def milliseconds(act: Callable[[], object]) -> float:
    """Of the processor, so that a busy machine changes little."""
    started = time.process_time()
    act()
    return (time.process_time() - started) * 1000


def median(act: Callable[[], object]) -> float:
    return statistics.median(milliseconds(act) for _ in range(RUNS))


def memory_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def render_afresh(wanted: facts.Facts) -> None:
    pdf.workshop.cache_clear()
    pdf.render(wanted)


def main() -> None:
    short, long = receipt(3), receipt(60)
    cold = milliseconds(lambda: pdf.render(short))
    warm, warm_long = median(lambda: pdf.render(short)), median(lambda: pdf.render(long))
    before = memory_mib()
    again = median(lambda: pdf.render(short))
    kept_mib = memory_mib() - before
    before = memory_mib()
    fresh = median(lambda: render_afresh(short))
    fresh_mib = memory_mib() - before
    print(f"first receipt of a process {cold:7.0f} ms = {cold / warm:4.1f} × a later one ({warm:.0f} ms)")
    print(f"60 lines                   {warm_long:7.0f} ms = {warm_long / warm:4.1f} × 3 lines")
    print(f"kept FontConfiguration     {again:7.0f} ms = {again / fresh:4.2f} × a fresh one ({fresh:.0f} ms)")
    print(f"memory grown in {RUNS} receipts  {kept_mib:4.1f} MiB kept, {fresh_mib:4.1f} MiB fresh")
    assert again / fresh <= MOST_OF_FRESH, "keeping the FontConfiguration no longer pays"
    assert cold / warm >= LEAST_COLD, "a later receipt costs nearly what the first does: something is made anew"


if __name__ == "__main__":
    main()
