"""Jinja in one language at a time: for mails and PDFs, and for the pages, which add what belongs to a web request.

All share the templates folder and the catalogues.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import jinja2
from jinja2 import (
    Environment,
    FileSystemBytecodeCache,
    FileSystemLoader,
    StrictUndefined,
    Undefined,
    nodes,
    pass_context,
    select_autoescape,
)
from jinja2.bccache import Bucket
from jinja2.runtime import Context
from jinja2.visitor import NodeTransformer
from markupsafe import Markup

from portal.content import inlining, language
from portal.content.compiling import QuickGenerator, QuickTemplate
from portal.core import config, languages
from portal.core.money import Money

TEMPLATES: Final = Path(__file__).parents[2] / "templates"
# Where portal.content.template_build puts them compiled.
BUILT: Final = TEMPLATES / "built"


class LocaleEnvironment(Environment):
    """Templates in one language.

    A constant text, such as `_("Due")`, is looked up when its template is compiled: it costs nothing when a page is drawn, and what a
    template computes once, its own variables, may hold texts. A text with something to fill in is looked up each time.
    """

    code_generator_class = QuickGenerator
    template_class = QuickTemplate

    def __init__(
        self, locale: str, *, undefined: type[Undefined] = StrictUndefined, reads_changes: bool = False
    ) -> None:
        """With `reads_changes` a template is compiled anew when its file has changed."""
        super().__init__(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=select_autoescape(["html"]),
            undefined=undefined,
            extensions=["jinja2.ext.i18n"],
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=reads_changes,
            bytecode_cache=BuiltTemplates(str(BUILT)) if BUILT.is_dir() and not reads_changes else None,
        )
        self.locale = locale
        self._macros: dict[str, dict[str, nodes.Macro]] = {}
        self.catalogue = language.catalogue(locale)
        self.install_gettext_translations(self.catalogue, newstyle=True)  # type: ignore[attr-defined]

        def amount(amount: Money, rounded: bool = False) -> str:
            return language.amount_text(amount, locale, rounded=rounded)

        self.filters |= {
            "money": lambda amount: language.money_text(amount, locale),
            "amount": amount,
            "date": lambda day: language.date_text(day, locale),
            "month": lambda day: language.month_text(day, locale),
            "decimalformat": lambda number: language.decimal_text(number, locale),
            "unit": lambda code: language.unit_text(code, locale),
            "quantity": lambda line: language.quantity_text(line.quantity, line.unit, locale),
            "shown": lambda facts: {name: language.shown(fact, locale) for name, fact in facts.items()},
        }

    def _generate(
        self, source: nodes.Template, name: str | None, filename: str | None, defer_init: bool = False
    ) -> str:
        """Jinja's hook between the parsing of a template and the writing of its Python."""
        escapes = self.autoescape(name) if callable(self.autoescape) else self.autoescape
        translated = _Translator(self.catalogue, Markup if escapes else str).visit(source)
        if escapes and not self.auto_reload:  # a template is compiled anew for changes of its own file alone
            translated = inlining.write_out(translated, self._macros_of)
        return super()._generate(translated, name, filename, defer_init)

    def _macros_of(self, name: str) -> dict[str, nodes.Macro]:
        """The macros of a file of components, in this language."""
        if name not in self._macros:
            source = (TEMPLATES / name).read_text("utf-8") if name.startswith("components/") else ""
            translated = _Translator(self.catalogue, Markup).visit(self.parse(source, name))
            self._macros[name] = {macro.name: macro for macro in translated.find_all(nodes.Macro)}
        return self._macros[name]


class _Translator(NodeTransformer):
    """Puts constant texts in place of the calls that look them up, as Jinja's own newstyle gettext would give them.

    The colon of `{{ _("Customer") }}: {{ name }}` becomes the language's own: in French a space stands before it.
    """

    def __init__(self, catalogue: Any, shape: Callable[[str], str]) -> None:
        self._lookups = {"_": catalogue.gettext, "gettext": catalogue.gettext, "pgettext": catalogue.pgettext}
        self._shape = shape
        self._colon = catalogue.pgettext("after a label", ":")

    def visit_Output(self, output: nodes.Output) -> nodes.Node:  # noqa: N802  # Jinja's name
        for label, after in pairwise(output.nodes):
            if self._lookup(label) and isinstance(after, nodes.TemplateData) and after.data.startswith(": "):
                after.data = self._colon + after.data[1:]
        return self.generic_visit(output)

    def _lookup(self, node: nodes.Node) -> Callable[..., str] | None:
        """What looks a text up, where the node is a call of it."""
        is_call = isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name)
        return self._lookups.get(node.node.name) if is_call else None  # type: ignore[attr-defined]

    def visit_Call(self, call: nodes.Call) -> nodes.Node:  # noqa: N802  # Jinja's name
        lookup = self._lookup(call)
        words = [part.value for part in call.args if isinstance(part, nodes.Const)]
        is_constant = len(words) == len(call.args) and not (call.kwargs or call.dyn_args or call.dyn_kwargs)
        if lookup is None or not is_constant:
            return self.generic_visit(call)
        # A text is always a format, also where nothing is filled in: "%%" is a percent sign.
        return nodes.Const(self._shape(lookup(*words)) % {}, lineno=call.lineno)


class CompiledTemplates(FileSystemBytecodeCache):
    """Compiled templates in a folder, each language's apart, for the texts are in them.

    What stands in one besides its own file is in its name there: the catalogue, the components that are written into it, and how.
    """

    def get_bucket(self, environment: Environment, name: str, filename: str | None, source: str) -> Bucket:
        locale = getattr(environment, "locale", "")
        return super().get_bucket(environment, f"{locale} {_shared_digest(locale)} {name}", filename, source)


class BuiltTemplates(CompiledTemplates):
    """Those that template_build has made. A process adds none: it may be unable to write there."""

    def dump_bytecode(self, bucket: Bucket) -> None:
        pass


@cache
def _shared_digest(locale: str) -> str:
    here = Path(__file__).parent
    found = hashlib.sha256(jinja2.__version__.encode())
    # "de_AT" has the texts of "de".
    folders = {languages.CATALOGUES / name for name in (locale, locale.partition("_")[0]) if name}
    catalogues = (file for folder in folders for file in folder.rglob("*.mo"))
    own = (here / name for name in ("templates.py", "template_build.py", "compiling.py", "inlining.py"))
    for file in sorted([*TEMPLATES.glob("components/*.html"), *catalogues, *own]):
        found.update(file.name.encode() + b"\0" + file.read_bytes())
    return found.hexdigest()


@cache
def _environment(locale: str) -> Environment:
    environment = LocaleEnvironment(locale)
    environment.filters["datetime"] = _datetimes(locale)
    return environment


def _datetimes(locale: str) -> Callable[[Context, datetime], str]:
    @pass_context
    def text(context: Context, moment: datetime) -> str:
        zone: ZoneInfo | None = context.get("reader_zone")
        return language.datetime_text(moment, locale, zone)

    return text


def render(template: str, locale: str, *, zone: ZoneInfo | None = None, **facts: Any) -> str:
    """Fill a template in this language, with times by the clocks of `zone`, or the company's; `company`, `base_url` and `locale` are
    always there. A missing fact raises.
    """
    settings = config.current()
    return (
        _environment(locale)
        .get_template(template)
        .render(company=settings.company, base_url=settings.base_url, locale=locale, reader_zone=zone, **facts)
    )


def status_text(noun: str, status: str, locale: str) -> str:
    """What pages call a status of this noun ("payment", "refund", …) in this language, for what is no page."""
    words: Any = _environment(locale).get_template("components/status.html").module
    text: Markup = words.status_text(noun, status)
    return text.unescape()
