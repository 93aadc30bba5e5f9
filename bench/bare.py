"""The least that a page costs: Flask and Jinja alone, with twenty rows under a layout, and no database, session or language."""

from __future__ import annotations

from flask import Flask, render_template
from jinja2 import DictLoader

ROWS = 20
_TEMPLATE = """<!doctype html><html lang="en"><head><title>{{ title }}</title></head>
<body><header><nav><ul>{% for name in menu %}<li><a href="/{{ name }}">{{ name }}</a></li>{% endfor %}</ul></nav></header>
<main><h1>{{ title }}</h1><table><thead><tr>{% for name in columns %}<th>{{ name }}</th>{% endfor %}</tr></thead><tbody>
{% for row in rows %}<tr><td><a href="{{ url_for('payment', payment_id=row.id) }}">{{ row.description }}</a></td>
<td>{{ row.day }}</td><td>{{ row.card }}</td><td><span class="status">{{ row.status }}</span></td>
<td class="number">{{ "%.2f"|format(row.minor / 100) }}</td></tr>
{% endfor %}</tbody></table></main><footer>{{ title }}</footer></body></html>"""


def app() -> Flask:
    """An application with one page, at "/"."""
    bare = Flask("bare")
    bare.jinja_loader = DictLoader({"page.html": _TEMPLATE})  # a cached property
    rows = [
        {"id": f"pay_{n}", "description": f"Payment {n}", "day": f"2026-11-{n + 1:02d}", "card": f"Visa {n:04d}"}
        | {"status": "Paid", "minor": 10_00 + n}
        for n in range(ROWS)
    ]

    @bare.get("/")
    def page() -> str:
        return render_template(
            "page.html",
            title="Payments",
            menu=("overview", "invoices", "payments", "cards"),
            columns=("Payment", "Date", "Card", "Status", "Amount"),
            rows=rows,
        )

    @bare.get("/payments/<payment_id>")
    def payment(payment_id: str) -> str:
        return payment_id

    return bare
