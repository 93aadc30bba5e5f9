"""What a customer types about payments: the filters of the history, and another amount to pay."""

from __future__ import annotations

from typing import Any, Final

from flask_babel import lazy_gettext
from wtforms import BooleanField, HiddenField, SelectField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.validators import DataRequired, InputRequired, Length, Optional

from portal.core import config
from portal.core.money import Money
from portal.payments import queries
from portal.payments.order_rules import LONGEST_DESCRIPTION
from portal.web.filter_forms import SpanFilterForm, typed_amount
from portal.web.resuming import ResumableForm

LONGEST_SEARCH: Final = 100


class OtherAmountForm(ResumableForm):
    """A payment without an invoice. `key` makes the same form, sent twice, one payment."""

    amount_text = StringField(
        lazy_gettext("Amount"), [InputRequired(lazy_gettext("Please enter an amount.")), Length(max=20)]
    )
    currency = SelectField(lazy_gettext("Currency"))
    description = StringField(
        lazy_gettext("What is it for?"),
        [
            DataRequired(lazy_gettext("Please enter what you are paying for. It appears on your receipt.")),
            Length(max=LONGEST_DESCRIPTION),
        ],
    )
    # Offered to who pays what may still be charged: see starting.Unresolved.
    again = BooleanField(lazy_gettext("I want to pay this a second time"))
    key = HiddenField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.currency.choices = [SelectChoice(code, code.upper()) for code in config.current().pay_any_amount_limits]

    amount: Money | None = None

    def validate_amount_text(self, field: StringField) -> None:
        if self.currency.data in config.current().pay_any_amount_limits:
            self.amount = typed_amount(field.data or "", self.currency.data)


class HistoryFilterForm(SpanFilterForm):
    """The filters of the history."""

    q = StringField(lazy_gettext("Search"), [Optional(), Length(max=LONGEST_SEARCH)])
    status = SelectField(
        lazy_gettext("Status"),
        [Optional()],
        choices=[SelectChoice(name) for name in ("", *queries.STATUS_GROUPS)],
        default="",
    )

    def filter(self) -> queries.Filter:
        """The filter, after a successful validate()."""
        return queries.Filter(
            status=self.status.data or "",
            since=self.since.data,
            until=self.until.data,
            currency=self.currency_code,
            least_minor=self.least_minor,
            most_minor=self.most_minor,
            text=(self.q.data or "").strip(),
        )
