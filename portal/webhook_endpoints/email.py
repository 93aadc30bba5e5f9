"""The mail that an endpoint was switched off."""

from __future__ import annotations

from typing import Final

from portal.content import mail
from portal.content.language import translate
from portal.core import config, db
from portal.core.errors import N_
from portal.identity import queries as accounts
from portal.webhook_endpoints.models import WebhookEndpoint

_SUBJECT: Final = N_("%(company)s has stopped sending webhooks to your system")


def send_disabled(endpoint_id: str, owner_id: str, reason: str, occasion: str) -> None:
    """Tell one owner, unless they have left. A second call sends the same Message-ID again."""
    with db.reading() as session:
        endpoint = session.get(WebhookEndpoint, endpoint_id)
        owner = accounts.user(session, owner_id)
    if endpoint is None or endpoint.removed_at is not None or not owner.active:
        return
    mail.send(
        key=f"endpoint_off:{occasion}",
        to=owner.email,
        subject=translate(_SUBJECT, owner.language, company=config.current().company.name),
        template="webhook_endpoints/mails/endpoint_disabled",
        locale=owner.language,
        zone=owner.zone,
        customer_id=endpoint.customer_id,
        name=owner.name,
        url=endpoint.url,
        reason=reason,
    )
