"""Which statement of account is wanted, as it stands in the address, and which balance is to be confirmed."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from flask_babel import gettext, lazy_gettext
from wtforms import DateField, SelectField, StringField, ValidationError
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.validators import DataRequired, Length, Optional

from portal.content import language
from portal.core import company_days, money
from portal.reconciliation.figures import Period
from portal.web.forms import PortalForm
from portal.web.resuming import ResumableForm

FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 2199


class StatementForm(PortalForm):
    """Days of the company's; this year so far where nothing is said."""

    class Meta:
        csrf = False  # read from the address; what is asked for by POST has the token of its form

    since = DateField(lazy_gettext("From"), [Optional()])
    until = DateField(lazy_gettext("To"), [Optional()])
    currency = StringField(lazy_gettext("Currency"), [Optional(), Length(max=3)])

    def validate_currency(self, field: StringField) -> None:
        if field.data and not money.is_currency(field.data.lower()):
            raise ValidationError(gettext("Please use the three letters of a currency, such as EUR."))

    def validate(self, extra_validators: Any = None) -> bool:
        if not super().validate(extra_validators):
            return False
        days = [day for day in (self.since.data, self.until.data) if day]
        if any(not FIRST_YEAR <= day.year <= LAST_YEAR for day in days):
            self.until.errors = [gettext("Please enter days of this century.")]
            return False
        if self.period().since > self.period().until:
            self.until.errors = [gettext("The last day is before the first one.")]
            return False
        return True

    def period(self) -> Period:
        """After a successful validate()."""
        until: date = self.until.data or company_days.today()
        since: date = self.since.data or until.replace(month=1, day=1)
        return Period(since, until)

    def chosen(self, currencies: list[str]) -> str:
        """The currency that was chosen, or the customer's first one."""
        typed = (self.currency.data or "").lower()
        return typed or next(iter(currencies), "eur")


class ConfirmationForm(ResumableForm):
    """Of which day a customer's balance is to be confirmed, and in which language."""

    day = DateField(
        lazy_gettext("Day"),
        [DataRequired(lazy_gettext("Please choose a day."))],
        description=lazy_gettext("Its closing balance is confirmed. The day must be over."),
    )
    language = SelectField(lazy_gettext("Language"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.language.choices = [SelectChoice(code, name) for code, name in language.choices()]

    def validate_day(self, field: DateField) -> None:
        if field.data and not FIRST_YEAR <= field.data.year <= LAST_YEAR:
            raise ValidationError(gettext("Please enter days of this century."))

    def chosen_day(self) -> date:
        """After a successful validate()."""
        if self.day.data is None:
            raise ValueError("the form is not valid")
        return self.day.data
