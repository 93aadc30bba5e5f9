"""The house's rules about who may know whom, and a reader of source files that finds breaches."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.dev.processes import ROOT

# From the ground up. A module imports from earlier lines, from its own line and from its own package.
FLOORS = (
    ("core",),
    ("jobs", "content"),
    ("web",),
    ("ledger", "gateway", "stripe_sync"),
    ("identity", "accounts", "vat"),
    ("webhook_endpoints", "payment_methods", "invoices"),
    ("payments",),
    ("mandates", "disputes", "refunds", "pay_links"),
    ("documents",),
    ("stripe_events", "reconciliation", "statements", "evidence", "reminders", "edelivery"),
    ("books", "support", "operations", "verification", "api", "privacy"),
    ("cli", "app"),
)
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}
ROOF = frozenset({"cli", "app"})
FEATURES = frozenset(name for names in FLOORS[4:-1] for name in names)
# Jobs are declared for whoever leaves them, statuses are part of the models, a draft is what a service is given by whoever fills it in, a
# policy holds rules that all may ask, figures and balances are read by whoever shows them, and messages say to a person what a thing means.
# E-invoices and XRechnungen are what a document gives to programs, of_postings tells the documents that postings are about, untaxed why a
# line has no tax, and the PDF of a preview is made where PDFs are. A form reads the filters of a list, also for the file that another
# part makes of it.
# What a VAT ID is like (tax_ids) is told by accounts, which keep it; what is credited or written off of an invoice by invoices.
# Certificates are what others verify documents with, and confirmations what they verify of a balance.
# What can be paid with (fence) is asked by whoever takes a payment.
# Syntaxes are the data of a document for networks. Addresses, posting and signing are how messages leave for systems of others.
# Packing puts documents into a ZIP, and a group of commands (cli) is added to by whoever can do more with its noun.
# Sessions, links, second factors, mails to a user, and who is signed in to a browser (web) are what identity is for.
PUBLIC = frozenset(
    {
        "service",
        "queries",
        "models",
        "jobs",
        "statuses",
        "downloads",
        "drafts",
        "details",
        "discounts",
        "access",
        "colleagues",
        "customer_access",
        "customer_records",
        "portal_sessions",
        "email_addresses",
        "email_changes",
        "passkeys",
        "app_grants",
        "credit_lines",
        "crediting",
        "write_offs",
        "part_payments",
        "writing_off",
        "unsubscribing",
        "api_clients",
        "policy",
        "tax_ids",
        "syntaxes",
        "addresses",
        "posting",
        "signing",
        "sessions",
        "signing_in",
        "tokens",
        "user_mail",
        "viewing",
        "second_factor",
        "web",
        "balances",
        "certificates",
        "confirmations",
        "e_invoices",
        "figures",
        "messages",
        "previews",
        "fence",
        "of_postings",
        "packing",
        "cli",
        "untaxed",
        "forms",
        "xrechnung",
    }
)

# Inside a package, likewise; modules with other names (facts, pdf, handlers …) stand where they need to, without circles.
# models and statuses are one: a column's CHECK lists the statuses.
LAYERS = (
    ("models", "statuses", "policy", "jobs"),
    ("queries",),
    ("service",),
    ("job_handlers",),
    ("forms",),
    ("views",),
    ("feature",),
)
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}

WEB_MODULES = frozenset(
    {
        *("views", "forms", "web", "api", "app", "cli", "restore_cli"),
    }
)
WITHOUT_QUERIES = frozenset({"views", "forms"})
WITHOUT_TRANSACTIONS = frozenset({"models", "statuses", "policy", "queries", "forms", "views"})


def layer_of(name: str) -> str:
    """The last word of a dotted name. Where a package has views or forms of several nouns (people_views), each counts as such."""
    last = name.rpartition(".")[2]
    return last.rpartition("_")[2] if last.endswith(("_views", "_forms")) else last


@dataclass(frozen=True)
class Module:
    """A source file: `name` is dotted ("portal.accounts.views"), `imports` are dotted names of modules or of what is in them."""

    name: str
    tree: ast.Module

    @property
    def part(self) -> str:
        """The file or package right below portal ("accounts"); empty for portal itself."""
        return ([*self.name.split("."), ""])[1]

    @property
    def layer(self) -> str:
        """The last word of the name ("views")."""
        return layer_of(self.name)

    @property
    def is_sandbox(self) -> bool:
        return self.part == "sandbox"

    def imports(self, *, for_types: bool = True) -> Iterator[str]:
        """Everywhere in the file, also inside functions: importing late hides a circle from Python, not from a reader.

        Without `for_types`, what stands under `if TYPE_CHECKING:` is left out.
        """
        left_out: set[ast.AST] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING") and not for_types:
                left_out.update(inner for statement in node.body for inner in ast.walk(statement))
        for node in ast.walk(self.tree):
            if node in left_out:
                continue
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from (f"{self._base(node)}.{alias.name}" for alias in node.names)

    def _base(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        above = self.name.split(".")[: -node.level]
        return ".".join([*above, *([node.module] if node.module else [])])

    def mentions(self) -> Iterator[str]:
        """Dotted names as they are written: "os.environ", "datetime.now", "session.commit"."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Attribute):
                yield ast.unparse(node)


def read(root: Path = ROOT) -> dict[str, Module]:
    """Every module of portal, by its dotted name."""
    found = {}
    for file in sorted((root / "portal").rglob("*.py")):
        parts = file.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = Module(name, ast.parse(file.read_text(), str(file)))
    return found


def breaches(module: Module, modules: Mapping[str, Module]) -> list[str]:
    """What this module does against the rules, a sentence each."""
    if module.is_sandbox:
        return [
            f"{module.name} imports {target}: the sandbox knows nothing of the portal"
            for target in module.imports()
            if target.startswith("portal.") and not target.startswith("portal.sandbox")
        ]
    return [*_wrong_direction(module, modules), *_wrong_libraries(module), *_wrong_acts(module)]


def _wrong_direction(module: Module, modules: Mapping[str, Module]) -> Iterator[str]:
    for target in sorted(targets(module, modules)):
        part, layer = ([*target.split("."), ""])[1], layer_of(target)
        sentence = f"{module.name} imports {target}"
        if part == "sandbox":
            if module.part != "cli":
                yield f"{sentence}: only cli starts the sandbox"
        elif part == module.part:
            if module.layer in LAYER and layer in LAYER and LAYER[layer] > LAYER[module.layer]:
                yield f"{sentence}: {layer} stands above {module.layer}"
        elif part not in FLOOR or module.part not in FLOOR:
            unknown = part if part not in FLOOR else module.part
            yield f"{sentence}: {unknown} has no floor in tests/infrastructure/architecture.py"
        elif FLOOR[part] > FLOOR[module.part]:
            yield f"{sentence}: {part} stands above {module.part}"
        elif part in FEATURES and module.part not in ROOF and layer not in PUBLIC:
            yield f"{sentence}: of another feature only {', '.join(sorted(PUBLIC))} are public"


def _wrong_libraries(module: Module) -> Iterator[str]:
    for library in sorted({target.partition(".")[0] for target in module.imports()}):
        sentence = f"{module.name} imports {library}"
        if library == "flask_mail" and module.name != "portal.content.mail":
            yield f"{sentence}: only mail sends mail"
        elif library == "flask" or (library.startswith("flask_") and library != "flask_mail"):
            if not WEB_MODULES & {module.part, module.layer}:
                yield f"{sentence}: the web is known to {', '.join(sorted(WEB_MODULES))} only"
        elif library == "stripe" and module.part != "gateway":
            yield f"{sentence}: only gateway speaks to Stripe"
        elif library == "weasyprint" and module.name != "portal.documents.pdf":
            yield f"{sentence}: only documents.pdf makes a PDF"
        elif library == "sqlalchemy" and module.layer in WITHOUT_QUERIES:
            yield f"{sentence}: {module.layer} ask queries and service"


def _wrong_acts(module: Module) -> Iterator[str]:
    for name in sorted(set(module.mentions())):
        sentence, last = f"{module.name} says {name}", name.rpartition(".")[2]
        if name in {"os.environ", "os.getenv"} and module.name != "portal.core.config":
            yield f"{sentence}: only config reads the environment"
        elif name in {"datetime.now", "datetime.utcnow", "datetime.datetime.now", "date.today", "time.time"}:
            if module.name != "portal.core.clock":
                yield f"{sentence}: only clock asks for the time"
        elif (name == "datetime.combine" or last == "date") and name != "func.date":
            if module.name not in {"portal.core.company_days", "portal.books.cli"}:  # there a day is typed
                yield f"{sentence}: only company_days tells which day a moment lies in, and when a day begins"
        elif last == "commit" and module.name != "portal.core.db":
            yield f"{sentence}: only db ends a transaction"
        elif name == "db.transaction" and module.layer in WITHOUT_TRANSACTIONS:
            yield f"{sentence}: services open transactions"


def targets(module: Module, modules: Mapping[str, Module], *, for_types: bool = True) -> set[str]:
    """The modules of portal that it imports: "portal.core.db.Base" is portal.db."""
    found = set()
    for target in module.imports(for_types=for_types):
        if not target.startswith("portal."):
            continue
        name = target if target in modules else target.rpartition(".")[0]
        if name not in {"portal", module.name}:
            found.add(name)
    return found


def circles(modules: Mapping[str, Module], *, for_types: bool = False) -> list[str]:
    """Each way that leads from a module back to itself, once, as "a → b → a"; a name needed only for types closes one `for_types`."""
    return _circles({name: sorted(targets(module, modules, for_types=for_types)) for name, module in modules.items()})


def rooms(modules: Mapping[str, Module]) -> dict[str, list[str]]:
    """What stands right below portal, packages and modules, and which others of them each imports."""
    found: dict[str, set[str]] = {}
    for module in modules.values():
        if module.part:
            there = {target.split(".")[1] for target in targets(module, modules)}
            found.setdefault(module.part, set()).update(there - {module.part})
    return {room: sorted(others) for room, others in sorted(found.items())}


def circles_of_rooms(modules: Mapping[str, Module]) -> list[str]:
    """As `circles`, between packages: two that need each other are one."""
    return _circles(rooms(modules))


def _circles(graph: Mapping[str, list[str]]) -> list[str]:
    found: list[str] = []
    done: set[str] = set()

    def walk(name: str, way: list[str]) -> None:
        if name in way:
            found.append(" → ".join([*way[way.index(name) :], name]))
            return
        if name in done:
            return
        for target in graph.get(name, []):
            walk(target, [*way, name])
        done.add(name)

    for name in graph:
        walk(name, [])
    return found
