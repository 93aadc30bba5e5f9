"""The Jinja environment for what is read outside the browser: mails and PDFs.

The same templates folder, filters and catalogues as the pages, without a web request around them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context, select_autoescape
from jinja2.runtime import Context

from portal.content import language
from portal.core import config

TEMPLATES: Final = Path(__file__).parents[2] / "templates"


@cache
def _environment(locale: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.install_gettext_translations(language.catalogue(locale), newstyle=True)  # type: ignore[attr-defined]
    environment.filters["money"] = lambda money: language.money_text(money, locale)
    environment.filters["date"] = lambda day: language.date_text(day, locale)
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
