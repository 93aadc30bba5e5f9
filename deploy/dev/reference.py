"""The reference part of the documents, made from the code: `make reference` writes docs/reference/, and a test holds it equal.

Each page is a function that returns its text. What a setting does is told once, in .env.example.
"""

from __future__ import annotations

import ast
import dataclasses
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import get_type_hints

import click
from flask import Flask
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from deploy.dev import personal_data
from deploy.dev.processes import ROOT
from portal.api import refusals
from portal.core import config, crash, permissions
from portal.core.permissions import STAFF_ROLES, Role
from portal.documents import facts
from portal.identity import policy
from portal.identity.models import CustomerRole
from portal.jobs.job import declared
from portal.operations import settings_in_force
from portal.stripe_events.handlers import HANDLERS
from portal.webhook_endpoints.models import EventType

FOLDER = ROOT / "docs" / "reference"
MADE = "<!-- Made by `make reference`. Change the code, not this page. -->\n"
# Reading the code needs settings to be there, and none of their values.
SETTINGS = {
    "PORTAL_ENVIRONMENT": "test",
    "PORTAL_SECRET_KEY": "a-key-which-guards-nothing",
    "PORTAL_DATABASE_URL": "sqlite://",
    "STRIPE_SECRET_KEY": "sk_test_reference",
    "STRIPE_PUBLISHABLE_KEY": "pk_test_reference",
    "STRIPE_WEBHOOK_SECRETS": "whsec_reference",
}
LEVELS = ("debug", "info", "warning", "error", "exception")

Row = tuple[str, ...]


def pages(app: Flask) -> dict[str, str]:
    """Every page of the reference, by the name of its file."""
    made: dict[str, Callable[[], str]] = {
        "settings.md": settings,
        "commands.md": lambda: commands(app),
        "metrics-and-logs.md": metrics_and_logs,
        "roles.md": roles,
        "error-codes.md": error_codes,
        "events.md": events,
        "documents.md": documents,
        "jobs.md": jobs,
        "personal-data.md": personal,
        "crash-points.md": crash_points,
    }
    return {name: page() for name, page in made.items()}


def _page(title: str, intro: str, *parts: str) -> str:
    return "\n".join([f"# {title}\n", MADE, f"{intro}\n", *(f"{part}\n" for part in parts)]).rstrip() + "\n"


def _table(head: Row, rows: Sequence[Row]) -> str:
    def line(cells: Row) -> str:
        return f"| {' | '.join(cell.replace('|', chr(92) + '|').replace(chr(10), ' ') for cell in cells)} |"

    return "\n".join([line(head), "|" + "---|" * len(head), *(line(row) for row in rows)])


def _sentence(text: str | None) -> str:
    return " ".join((text or "").split())


# Settings


def settings() -> str:
    effects = _effects()
    rows: dict[str, list[Row]] = {}
    fields = [
        (_setting(name, field), field) for name, field in config.Settings.model_fields.items() if name != "company"
    ]
    fields += [(f"PORTAL_COMPANY_{name.upper()}", field) for name, field in config.Company.model_fields.items()]
    for name, field in fields:
        section, effect = effects[name]
        rows.setdefault(section, []).append((f"`{name}`", _kind(field), _default(field), effect))
    order = list(dict.fromkeys(section for section, _effect in effects.values()))
    parts = [
        f"## {section}\n\n{_table(('setting', 'type', 'default', 'effect'), rows[section])}"
        for section in order
        if section in rows
    ]
    intro = (
        "Settings are environment variables. What is missing or wrong stops the start, with one sentence each. "
        "[.env.example](../../.env.example) is a file to copy."
    )
    return _page("Settings", intro, *parts)


def setting_effects() -> str:
    """Section and effect of each setting, for the page that shows those in force: there is no .env.example beside an installed portal."""
    return json.dumps(_effects(), ensure_ascii=False, indent=1) + "\n"


def _setting(name: str, field: FieldInfo) -> str:
    return field.alias or f"PORTAL_{name.upper()}"


def _effects() -> dict[str, tuple[str, str]]:
    """Section and explanation of each setting in .env.example; settings that follow each other share the comment above them."""
    found: dict[str, tuple[str, str]] = {}
    section, is_fresh = "", True
    comment: list[str] = []
    for line in (ROOT / ".env.example").read_text().splitlines():
        heading = re.fullmatch(r"# --- (.+?) -+", line)
        name = re.match(r"(?:# )?([A-Z][A-Z0-9_]+)=", line)
        if heading:
            section, comment = heading[1], []
        elif name:
            found[name[1]] = (section, _sentence(" ".join(comment)))
            is_fresh = True
        elif line.startswith("# "):
            comment = [line[2:]] if is_fresh else [*comment, line[2:]]
            is_fresh = False
        else:
            comment = []
    return found


def _kind(field: FieldInfo) -> str:
    words = str(field.annotation)
    choices = re.findall(r"'(\w+)'", words) if "Literal" in words else []
    if choices:
        return " / ".join(choices)
    for sign, kind in (
        ("dict", "list of `name:value`"),
        ("tuple", "list, separated by commas"),
        ("Secret", "secret"),
        ("Path", "file"),
        ("bool", "true / false"),
        ("int", "number"),
    ):
        if sign in words:
            return kind
    return "text"


def _default(field: FieldInfo) -> str:
    if field.is_required() or field.default is PydanticUndefined:
        return "**needed**"
    value = field.default
    if value is None or value in ("", (), {}) or isinstance(value, SecretStr):
        return ""
    return f"`{settings_in_force.written(value)}`"


# Commands


def commands(app: Flask) -> str:
    parts = [_command(words, command) for words, command in _leaves(("flask",), app.cli) if not _of_flask(words)]
    intro = "`flask --help` lists them on the machine itself, and every command has `--help`. Run them where the settings are."
    return _page("Commands", intro, *parts)


def _of_flask(words: Row) -> bool:
    return words[1] in {"run", "shell", "routes", "limiter"}  # what Flask and its extensions bring


def _leaves(words: Row, command: click.Command) -> Iterator[tuple[Row, click.Command]]:
    if isinstance(command, click.Group):
        for name, child in sorted(command.commands.items()):
            yield from _leaves((*words, name), child)
    if not isinstance(command, click.Group) or (command.invoke_without_command and len(words) > 1):
        yield words, command


def _command(words: Row, command: click.Command) -> str:
    arguments = [
        part.make_metavar(click.Context(command)) for part in command.params if isinstance(part, click.Argument)
    ]
    rows = [
        (f"`{', '.join(part.opts)}{'' if part.is_flag else f' {_value(part, command)}'}`", _option(part))
        for part in command.params
        if isinstance(part, click.Option)
    ]
    usage = " ".join([*words, *arguments])
    told, _, examples = (command.help or "").partition("\b")
    sentences = "\n\n".join(_sentence(paragraph) for paragraph in told.split("\n\n"))
    lines = [line.strip() for line in examples.splitlines() if line.strip().startswith("flask ")]
    shown = "\n".join(["```sh", *lines, "```"]) if lines else ""
    return "\n\n".join(
        filter(None, [f"## `{usage}`", sentences.strip(), shown, _table(("option", ""), rows) if rows else ""])
    )


def _value(part: click.Option, command: click.Command) -> str:
    return part.make_metavar(click.Context(command))


def _option(part: click.Option) -> str:
    told = _sentence(part.help)
    default = part.default
    shown = part.show_default and default is not None and not part.is_flag
    told += f" Default: {default}." if shown else ""
    return f"{told} Needed.".strip() if part.required else told


# Metrics and logs


def metrics_and_logs() -> str:
    counted = sorted(
        (name, metric)
        for metric in REGISTRY._collector_to_names  # noqa: SLF001  # the registry has no other list of what it holds
        if isinstance(metric, MetricWrapperBase) and (name := _metric_name(metric)).startswith("portal_")
    )
    metrics = [
        (f"`{name}`", str(metric._type), ", ".join(metric._labelnames), metric._documentation)  # noqa: SLF001
        for name, metric in counted
    ]
    logs = [(f"`{name}`", level, f"`{place}`") for name, (level, place) in sorted(_log_events().items())]
    return _page(
        "Metrics and log events",
        "With `PORTAL_METRICS_PORT` each worker serves what it counts at `/metrics`, for Prometheus. "
        "[What to alert on](../how-to/monitor.md).",
        f"## Metrics\n\n{_table(('metric', 'type', 'labels', 'what it counts'), metrics)}",
        "## Log events\n\nLogs are JSON, one object a line, on standard error: `event`, `level`, `timestamp` (UTC), and the id of "
        f"the request or job.\n\n{_table(('event', 'level', 'written by'), logs)}",
    )


def _metric_name(metric: MetricWrapperBase) -> str:
    return str(metric._name) + ("_total" if metric._type == "counter" else "")  # noqa: SLF001


def _log_events() -> dict[str, tuple[str, str]]:
    """Level and module of each event that is logged, found by reading the source."""
    found: dict[str, tuple[str, str]] = {}
    for file in sorted((ROOT / "portal").rglob("*.py")):
        if "sandbox" in file.relative_to(ROOT).parts:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS):
                continue
            first = node.args[0] if node.args else None
            if ast.unparse(node.func.value) == "log" and isinstance(first, ast.Constant):
                level = "error" if node.func.attr == "exception" else node.func.attr
                module = str(file.relative_to(ROOT).with_suffix("")).replace("/", ".").removesuffix(".__init__")
                found.setdefault(str(first.value), (level, module))
    return found


# Jobs


def jobs() -> str:
    rows = []
    for name, job in sorted(declared().items()):
        does = _sentence(job.doc.partition("\n\n")[0])
        rows.append((f"`{name}`", _often(job.every_seconds), "yes" if job.in_recovery else "", does))
    intro = (
        "A job is written in the transaction of the change that needs it, and the worker runs it. Every job can run twice without harm. "
        "[When one fails](../how-to/monitor.md#when-a-job-has-failed-for-good)."
    )
    return _page("Jobs of the worker", intro, _table(("job", "every", "in recovery mode", "what it does"), rows))


def _often(seconds: int | None) -> str:
    if seconds is None:
        return ""
    for size, unit in ((86_400, "day"), (3_600, "h"), (60, "min")):
        if seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _first(thing: object) -> str:
    return _sentence((getattr(thing, "__doc__", None) or "").partition("\n\n")[0])


# Crash points


def crash_points() -> str:
    files = dict(places_of_points())
    rows = [(name, f"`{files[name]}`", left) for name, left in crash.POINTS.items()]
    intro = (
        "Places between the phases of what the portal does, where tests let a process die: [how that is proved](../reliability.md). In "
        "production nothing happens there. “Open” means that a transaction is open, of which a death leaves nothing."
    )
    return _page("Crash points", intro, _table(("point", "in", "what is there when a process dies at it"), rows))


def places_of_points() -> Iterator[tuple[str, str]]:
    """The name of each crash point that stands in the code, and its file. Raises ValueError for a name that is not written out."""
    for file in sorted((ROOT / "portal").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "crash.point":
                (name,) = node.args
                yield str(ast.literal_eval(name)), str(file.relative_to(ROOT))


# Roles


def roles() -> str:
    everyone: list[tuple[str, str, frozenset[str]]] = [
        ("staff", role, policy.scopes_of(role, None)) for role in STAFF_ROLES
    ]
    everyone += [("customer", role, policy.scopes_of(Role.CUSTOMER, role)) for role in CustomerRole]
    everyone.append(("api_client", "key", policy.API_CLIENT_SCOPES))
    head = ("right", *(role if kind != "api_client" else "API key" for kind, role, _scopes in everyone))
    rows = [
        (f"`{scope}`", *("yes" if scope in scopes else "" for _kind, _role, scopes in everyone))
        for scope in sorted(policy.SCOPES)
    ]
    desk = [
        (right.what, f"`{right.permission}`", *("yes" if role in right.roles else "" for role in STAFF_ROLES))
        for right in permissions.TABLE
    ]
    return _page(
        "Roles and rights",
        f"Staff are {', '.join(STAFF_ROLES[:-1])} or {STAFF_ROLES[-1]}; a customer's people are viewer, payer or owner. "
        "[What each does at the desk](../how-to/onboard-staff.md), [and for a customer](../how-to/help-people-sign-in.md).",
        "## At the desk\n\nThe table of the code (`portal/core/permissions.py`), which pages, navigation and the scopes of apps follow.\n\n"
        f"{_table(('may', 'permission', *STAFF_ROLES), desk)}",
        f"## By the API\n\nAn app never gets more than the person who signed in with it may do.\n\n{_table(head, rows)}",
        "## Owners\n\nBeyond the API, a customer's owner changes the billing details, invites colleagues and registers endpoints.",
    )


# Error codes


def personal() -> str:
    return _page(
        "Personal data",
        personal_data.INTRO,
        f"## By kind\n\n{_table(personal_data.KINDS_HEAD, personal_data.kinds())}",
        "## By field\n\nAll that tells of a person. Nothing else in the database does: a test holds this table to its columns.\n\n"
        + _table(personal_data.FIELDS_HEAD, list(personal_data.fields())),
    )


def error_codes() -> str:
    rows = [(str(one.status), f"`{one.code}`", one.meaning) for one in refusals.every()]
    return _page(
        "Error codes of the API",
        "Each refusal is a problem document (RFC 9457) with a `code`, which stays the same; its `title` is in the reader's language. "
        "[What to do with each](../api.md#what-to-do-with-each-error).",
        _table(("status", "code", "what it means"), rows),
    )


# Events


def events() -> str:
    told = [(f"`{kind}`", _first(handler) or _about(handler)) for kind, handler in sorted(HANDLERS.items())]
    fields = dict(_fields_sent())
    sent = [(f"`{kind}`", ", ".join(f"`{name}`" for name in fields[kind.partition(".")[0]])) for kind in EventType]
    return _page(
        "Events in and out",
        "An event is a hint. The portal fetches from Stripe what is true, so order, duplicates and losses do not matter.",
        f"## From Stripe\n\n`flask stripe webhook` registers exactly these.\n\n{_table(('event', 'about'), told)}",
        "## To customers' systems\n\nSigned as the Standard Webhooks say. [How to receive them](../api.md#receiving-events). "
        f"Amounts are in minor units. `payment.failed` has a `failure_code`.\n\n{_table(('event', 'fields of its data'), sent)}",
    )


def _about(handler: Callable[..., object]) -> str:
    return handler.__name__.removeprefix("_about_").replace("_", " ")


def _fields_sent() -> Iterator[tuple[str, list[str]]]:
    """What the noun of an event ("payment") is told with: the keys of the facts in the function that announces it."""
    for file in sorted((ROOT / "portal").rglob("*.py")):
        source = file.read_text()
        if "webhook_endpoints.emit(" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef) and "webhook_endpoints.emit(" in ast.unparse(node):
                written = next(one for one in ast.walk(node) if isinstance(one, ast.Dict))
                names = [str(key.value) for key in written.keys if isinstance(key, ast.Constant)]
                yield names[0].removesuffix("_id"), names


# Documents


def documents() -> str:
    parts = [
        f"## {title}\n\n{_first(kind)}\n\n{_fields(kind)}"
        for title, kind in (
            ("Every document", facts.Facts),
            ("Invoices also", facts.InvoiceFacts),
            ("Documents of money also", facts.MoneyFacts),
            ("Receipts also", facts.ReceiptFacts),
            ("Payment confirmations also", facts.PaymentConfirmationFacts),
            ("Documents of refunds also", facts.RefundFacts),
            ("Credit notes also", facts.CreditNoteFacts),
            ("Credit notes of unpaid invoices also", facts.CorrectionFacts),
            ("Refund confirmations also", facts.RefundConfirmationFacts),
            ("What the law wants in letters", facts.Imprint),
            ("A party", facts.Party),
            ("A line", facts.Line),
            ("The total of a tax rate", facts.TaxTotal),
            ("The way of payment", facts.Method),
            ("References", facts.Reference),
            ("Verification", facts.Verification),
        )
    ]
    intro = (
        f"What a receipt or a credit note says is frozen as JSON when it is issued (version {facts.VERSION}). "
        "The PDF, the page and the mail are made from it alone."
    )
    return _page("Fields of documents", intro, *parts)


def _fields(kind: type) -> str:
    inherited = {
        field.name for base in kind.__mro__[1:] if dataclasses.is_dataclass(base) for field in dataclasses.fields(base)
    }
    hints = get_type_hints(kind)
    rows = [
        (
            f"`{field.name}`",
            str(getattr(hints[field.name], "__name__", hints[field.name])).replace("portal.documents.facts.", ""),
        )
        for field in dataclasses.fields(kind)
        if field.name not in inherited
    ]
    return _table(("field", "type"), rows)


def main() -> None:
    from portal.app import create_app

    os.environ.update(SETTINGS)
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages(create_app()).items():
        Path(FOLDER / name).write_text(text)
    settings_in_force.EFFECTS.write_text(setting_effects())


if __name__ == "__main__":
    main()
