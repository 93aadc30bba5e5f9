"""What the portal's processes have in common, made once before they are forked: nothing of it belongs to settings or to a database."""

from __future__ import annotations

from pathlib import Path

from flask import Flask

from portal.content.templates import CompiledTemplates
from tests.kept import KeptRule

RECEIPT_LINES = 3


def keep_templates(folder: Path) -> None:
    """From now on each application of this process, and of those forked from it, finds there what another one has compiled."""
    folder.mkdir(parents=True, exist_ok=True)
    Flask.jinja_options = {"bytecode_cache": CompiledTemplates(str(folder))}


def keep_routes() -> None:
    """Likewise for the routes: see KeptRule."""
    Flask.url_rule_class = KeptRule


def render_a_receipt() -> None:
    """The first document of a process takes long: fonts are looked for, templates compiled, pyHanko imported. Settings must be in use."""
    from bench.receipts import receipt
    from portal.documents import pdf, signing

    first = receipt(RECEIPT_LINES)
    signing.sign(pdf.render(first).pdf, first.issued_at)
    pdf.workshop.cache_clear()  # its folder of fonts is removed by the first process that ends
