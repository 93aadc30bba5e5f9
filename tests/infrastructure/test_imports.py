"""Who may import whom, and what is done in one place only: see docs/architecture.md."""

from __future__ import annotations

import ast

import pytest

from tests.infrastructure import architecture, structure
from tests.infrastructure.architecture import Module

MODULES = architecture.read()


@pytest.mark.parametrize("name", MODULES)
def test_module_keeps_the_rules(name: str) -> None:
    assert architecture.breaches(MODULES[name], MODULES) == []


def test_no_circles() -> None:
    assert architecture.circles(MODULES) == []
    assert architecture.circles_of_rooms(MODULES) == []


def test_the_sandbox_has_no_circle_of_types_either() -> None:
    sandbox = {name: module for name, module in MODULES.items() if module.is_sandbox}
    assert architecture.circles(sandbox, for_types=True) == []


def test_the_house_stays_small() -> None:
    """What a newcomer must know before the first change; `make structure` prints it."""
    rooms = architecture.rooms(MODULES)
    assert len(rooms) <= structure.MOST_ROOMS
    assert len(architecture.FLOORS) <= structure.MOST_FLOORS
    assert len(rooms["support"]) <= structure.MOST_OF_SUPPORT
    assert structure.loose_modules(MODULES) <= structure.LOOSE


def _modules(**sources: str) -> dict[str, Module]:
    """Modules made up for a test; a double underscore in a name stands for a dot."""
    names = {f"portal.{name.replace('__', '.')}": source for name, source in sources.items()}
    return {name: Module(name, ast.parse(source)) for name, source in names.items()}


@pytest.mark.parametrize(
    ("name", "source", "complaint"),
    [
        ("core__money", "from portal.jobs import outbox", "jobs stands above core"),
        ("accounts__service", "from portal.payments import service", "payments stands above accounts"),
        ("accounts__service", "def late():\n    from portal.payments import service", "payments stands above accounts"),
        ("payments__models", "from portal.payments import views", "views stands above models"),
        ("payments__models", "from . import views", "views stands above models"),
        (
            "documents__facts",
            "from portal.payments.views import page",
            "of another feature only access, ",
        ),
        ("payments__service", "from portal import sandbox", "only cli starts the sandbox"),
        ("sandbox__app", "from portal.core import money", "knows nothing of the portal"),
        ("payments__service", "import flask", "the web is known to"),
        ("payments__service", "from flask_login import current_user", "the web is known to"),
        ("payments__jobs", "import flask_mail", "only mail sends mail"),
        ("payments__service", "import stripe", "only gateway speaks to Stripe"),
        ("receipts__jobs", "import weasyprint", "only documents.pdf makes a PDF"),
        ("payments__views", "from sqlalchemy import select", "views ask queries and service"),
        ("payments__refund_views", "from sqlalchemy import select", "views ask queries and service"),
        ("payments__models", "from portal.payments import refund_views", "views stands above models"),
        ("payments__service", "import os\nos.environ['A']", "only config reads the environment"),
        ("payments__service", "from datetime import datetime\ndatetime.now()", "only clock asks for the time"),
        ("payments__service", "day = clock.now().date()", "only company_days tells which day"),
        ("payments__queries", "datetime.combine(day, time.min, UTC)", "only company_days tells which day"),
        ("payments__service", "session.commit()", "only db ends a transaction"),
        ("payments__queries", "with db.transaction() as session: pass", "services open transactions"),
        ("colours", "from portal.core import db", "colours has no floor"),
    ],
)
def test_breach_is_found(name: str, source: str, complaint: str) -> None:
    others = {"payments__service": "", "payments__views": "", "payments__refund_views": "", "sandbox": ""}
    modules = MODULES | _modules(**others | {name: source})
    found = architecture.breaches(modules[f"portal.{name.replace('__', '.')}"], modules)
    assert len(found) == 1 and complaint in found[0], found


def test_circle_is_found() -> None:
    modules = _modules(
        payments__facts="from portal.payments import words",
        payments__words="def late():\n    import portal.payments.facts",
    )
    assert architecture.circles(modules) == ["portal.payments.facts → portal.payments.words → portal.payments.facts"]


def test_circle_of_rooms_is_found() -> None:
    modules = _modules(
        mandates__queries="from portal.refunds import models",
        refunds__models="",
        refunds__queries="from portal.mandates import statuses",
        mandates__statuses="",
    )
    assert architecture.circles(modules) == []
    assert architecture.circles_of_rooms(modules) == ["mandates → refunds → mandates"]
