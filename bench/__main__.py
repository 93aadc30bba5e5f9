"""`make bench`: the table of what the portal costs. Each part runs in a process of its own, one after another.

    python -m bench [--quick] [pages start …]

Writes docs/performance.md when all parts were measured in full, and fails when a limit is missed. A quick run measures few rounds of
everything and fails for nothing but an error: it says that all of it still runs.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from bench.lines import not_had, table
from bench.parts import PARTS, all_measured
from deploy.dev.processes import end_with_clean_up_on_sigterm

REPORT = Path(__file__).parents[1] / "docs" / "performance.md"
TEXT = """# What it costs

Written by `make bench`. Absolute figures are of one machine; what counts are the ratios: each is to something that was measured in the
same run on the same machine, taking turns. Costs are processor time of the portal's process, without that of the database.

{machine}, {day}.

{table}

A limit holds what has been reached, with room for an uneven run. An aim is what is wanted.

## Aims that are not had

{missed}

## What is compared

- A bare page is Flask and Jinja with a table of twenty rows, without a database, a session or a language.
- The lazy stack is importing Flask, SQLAlchemy with its ORM, and psycopg. A web process's memory is what two of them and the one that
  started them hold together, memory that they share counted once, by two; it is beside the whole memory of a process with the lazy stack.
- A bare insert is a WSGI application that writes a request's body into PostgreSQL by one statement, behind gunicorn as the portal is.
  What the portal does besides: it checks a signature, reads JSON, writes a job, and sends eleven headers.
- dj-stripe copies what Stripe tells into tables of Django's, before it answers. Both got the same events of the same payments, each in one
  process. The portal is compared with it twice: until it has answered, and until its worker has applied the event as well. dj-stripe is
  measured where `make clients` has brought it; elsewhere these two lines are missing.
- A bare PDF is WeasyPrint alone with the same page, tagged, with its fonts and its style sheet read before.
- A payment's whole way is what the worker does once Stripe has charged the card: its events, the receipt, its PDF, its mail and the
  follow-up, but for what the SDK does between a request to Stripe and its answer.
- At size: what PostgreSQL takes to plan and carry out the statements, with 100,000 payments, a quarter of them one customer's. A text that
  none has is looked for in all payments of that customer; it took 15 to 20 times as long when rows and invoices were read for it.
- SQLite serves where the question is whether a cost grows with the number of rows.

## What is held elsewhere

- **With more rows**: `BENCH_PAYMENTS=2000000 python -m bench size` fills a database in some minutes. With two million payments, forty
  thousand customers and 100,000 payments of one of them, on 2026-11-30 beside much other work, each of the statements above took 0.1 to 4
  ms; the search that finds nothing in the 100,000 took 34 ms. Ten million were not filled: that takes the machine for hours.
- **Beside dj-stripe**, on 2026-11-30 on a quiet machine: the portal acknowledged at 48 times its rate (wanted: 10), and applied at 1.5
  times (wanted: 2), since it fetches what is true now, settles it and writes postings, audit events and jobs, where dj-stripe copies
  the event.
- **What travels**: the overview is at most 60 kB and 8 requests for a browser that was never here and 10 kB for one that was, and five
  pages have at least 95 points of Lighthouse: tests in `tests/flows` hold both.
- **How many questions a page asks**: `tests/front/test_queries_of_pages.py`.
- **A reconciliation of many payments**: `python -m bench.reconcile` tells its memory and what each payment costs.
- **The figures of a month** add up the month alone: [decision 25](decisions/0025-kept-balances.md).
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"some of {', '.join(PARTS)}; all without")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    end_with_clean_up_on_sigterm()
    lines = all_measured(given.parts or PARTS, quick=given.quick)
    print(table(lines))
    if given.quick:
        return 0
    if not given.parts:
        machine = f"{os.cpu_count()} processors ({platform.machine()}), Python {platform.python_version()}"
        REPORT.write_text(
            TEXT.format(
                machine=machine,
                day=datetime.now(UTC).date().isoformat(),
                table=table(lines),
                missed=not_had(lines) or "None.",
            )
        )
    return int(not all(line.is_within for line in lines))


if __name__ == "__main__":
    sys.exit(main())
