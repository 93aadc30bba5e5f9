"""The filters of the books' pages, read from the address."""

from __future__ import annotations

import re
from datetime import date
from typing import Any, Final

from flask_babel import gettext, lazy_gettext
from wtforms import DateField, SelectField, StringField, ValidationError
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.validators import Length, Optional

from portal.books.queries import GROUPS, LinesFilter
from portal.core import company_days, money
from portal.reconciliation.figures import Period
from portal.web.forms import PortalForm

LONGEST_ID: Final = 80
# More than a year at once tells nobody more, and would be a chart of hairs.
MOST_DAYS: Final = 366
FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 2199
_MONTH: Final = re.compile(r"(?P<year>[0-9]{4})-(?P<month>0[1-9]|1[0-2])")


def _text(label: str) -> StringField:
    return StringField(label, [Optional(), Length(max=LONGEST_ID)], filters=[lambda typed: (typed or "").strip()])


class _BooksForm(PortalForm):
    class Meta:
        csrf = False  # it changes nothing

    since = DateField(lazy_gettext("From"), [Optional()])
    until = DateField(lazy_gettext("To"), [Optional()])
    currency = _text(lazy_gettext("Currency"))

    def validate_until(self, field: DateField) -> None:
        since: date | None = self.since.data
        if since and field.data and field.data < since:
            raise ValidationError(gettext("The last day is before the first one."))

    def validate_currency(self, field: StringField) -> None:
        if field.data and not money.is_currency(field.data.lower()):
            raise ValidationError(gettext("Please use the three letters of a currency, such as EUR."))


class FiguresForm(_BooksForm):
    """A month, or days of one's own, which come before it."""

    month = _text(lazy_gettext("Month"))

    def validate_month(self, field: StringField) -> None:
        if field.data and month_of(field.data) is None:
            raise ValidationError(gettext("Please enter the month as in 2026-11."))

    def validate(self, extra_validators: Any = None) -> bool:
        if not super().validate(extra_validators):
            return False
        days = [day for day in (self.since.data, self.until.data) if day]
        if any(not FIRST_YEAR <= day.year <= LAST_YEAR for day in days) or self.period().days > MOST_DAYS:
            self.until.errors = [gettext("Please choose at most one year.")]
            return False
        return True

    def period(self) -> Period:
        """What was asked for, after a successful validate(); this month when nothing was."""
        today = company_days.today()
        since: date | None = self.since.data
        until: date | None = self.until.data
        if since:
            return Period(since, until or max(since, today))
        if until:
            return Period(until.replace(day=1), until)
        return Period.of_month(month_of(self.month.data or "") or today)


class LinesForm(_BooksForm):
    subject = _text(lazy_gettext("About"))
    customer = StringField(
        lazy_gettext("Customer"), [Optional(), Length(max=254)], filters=[lambda typed: (typed or "").strip()]
    )
    group = SelectField(
        lazy_gettext("Group"), [Optional()], choices=[SelectChoice(name) for name in ("", *GROUPS)], default=""
    )

    def filter(self) -> LinesFilter:
        """The filter, after a successful validate()."""
        return LinesFilter(
            since=self.since.data,
            until=self.until.data,
            currency=(self.currency.data or "").lower(),
            subject=self.subject.data or "",
            customer=self.customer.data or "",
            group=self.group.data or "",
        )


def month_of(text: str) -> date | None:
    """The first day of a month that is written as "2026-11"; None for anything else."""
    found = _MONTH.fullmatch(text)
    if found is None or not FIRST_YEAR <= int(found["year"]) <= LAST_YEAR:
        return None
    return date(int(found["year"]), int(found["month"]), 1)
