"""A mail to staff when Stripe does not take what a customer is called or is written to by."""

from __future__ import annotations

from typing import Final

from portal.accounts.models import Customer
from portal.content import language, mail
from portal.core import config, db
from portal.core.errors import N_

SUBJECT: Final = N_("Stripe does not accept a detail of %(customer)s")
DETAILS: Final = {"email": N_("e-mail address"), "name": N_("name")}


def mail_refused(customer_id: str, detail: str) -> None:
    """Tell staff which detail ("email", "name") the customer at Stripe was made without. Raises what mail.send raises."""
    with db.reading() as session:
        customer = session.get_one(Customer, customer_id)
    settings = config.current()
    locale = settings.staff_language
    mail.send(
        key=f"refused_detail:{customer_id}:{detail}",
        to=settings.company.support_email,
        subject=language.translate(SUBJECT, locale, customer=" ".join(customer.name.split())),
        template="payment_methods/mails/refused_detail",
        locale=locale,
        customer=customer,
        detail=language.translate(DETAILS.get(detail, detail), locale),
        value=getattr(customer, detail, ""),
        link=f"{settings.base_url}/support/customers/{customer_id}",
    )
