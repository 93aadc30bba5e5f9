"""The filters of the operations desk, read from the address."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from flask_babel import gettext, lazy_gettext
from wtforms import DateField, DateTimeLocalField, SelectField, StringField, ValidationError
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.validators import Length, Optional

from portal.core import company_days
from portal.operations.queries import AuditFilter, EventFilter
from portal.stripe_events import models as stripe_events
from portal.web.forms import PortalForm
from portal.webhook_endpoints import models as deliveries
from portal.webhook_endpoints.queries import DeliveryFilter

LONGEST_ID: Final = 80
# As browsers send a time by the wall; with seconds where one was typed by hand.
_MINUTES: Final = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]


class _FilterForm(PortalForm):
    class Meta:
        csrf = False  # it changes nothing


def _text(label: str) -> StringField:
    return StringField(label, [Optional(), Length(max=LONGEST_ID)], filters=[lambda typed: (typed or "").strip()])


class _PeriodForm(_FilterForm):
    since = DateField(lazy_gettext("From"), [Optional()])
    until = DateField(lazy_gettext("To"), [Optional()])

    def validate_until(self, field: DateField) -> None:
        since: date | None = self.since.data
        if since and field.data and field.data < since:
            raise ValidationError(gettext("The last day is before the first one."))


class EventFilterForm(_FilterForm):
    q = _text(lazy_gettext("Event or object"))
    status = SelectField(
        lazy_gettext("Status"),
        [Optional()],
        choices=[SelectChoice(name) for name in ("", *stripe_events.EventStatus)],
        default="",
    )
    type = _text(lazy_gettext("Type"))
    since = DateTimeLocalField(lazy_gettext("From"), [Optional()], format=_MINUTES)
    until = DateTimeLocalField(lazy_gettext("To"), [Optional()], format=_MINUTES)

    def validate_until(self, field: DateTimeLocalField) -> None:
        if self.since.data and field.data and field.data < self.since.data:
            raise ValidationError(gettext("The end is before the beginning."))

    def filter(self) -> EventFilter:
        """The filter, after a successful validate(); times are by the company's clocks, the last minute included."""
        since, until = self.since.data, self.until.data
        return EventFilter(
            status=self.status.data or "",
            type=self.type.data or "",
            text=self.q.data or "",
            since=company_days.moment(since) if since else None,
            until=company_days.moment(until, last=True) + timedelta(minutes=1) if until else None,
        )


class DeliveryFilterForm(_FilterForm):
    customer = _text(lazy_gettext("Customer"))
    status = SelectField(
        lazy_gettext("Status"),
        [Optional()],
        choices=[SelectChoice(name) for name in ("", *deliveries.DeliveryStatus)],
        default="",
    )
    type = SelectField(
        lazy_gettext("Type"),
        [Optional()],
        choices=[SelectChoice(name) for name in ("", *deliveries.EventType, deliveries.PING)],
        default="",
    )

    def filter(self) -> DeliveryFilter:
        """The filter, after a successful validate()."""
        return DeliveryFilter(
            customer_id=self.customer.data or "", status=self.status.data or "", type=self.type.data or ""
        )


class AuditFilterForm(_PeriodForm):
    actor = _text(lazy_gettext("Who"))
    action = _text(lazy_gettext("Action"))
    subject = _text(lazy_gettext("About"))
    customer = _text(lazy_gettext("Customer"))

    def filter(self) -> AuditFilter:
        """The filter, after a successful validate()."""
        return AuditFilter(
            actor=self.actor.data or "",
            action=self.action.data or "",
            subject=self.subject.data or "",
            customer_id=self.customer.data or "",
            since=self.since.data,
            until=self.until.data,
        )
