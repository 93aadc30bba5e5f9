"""Mails to someone who signs in."""

from __future__ import annotations

from typing import Any

from portal.content import mail
from portal.content.language import translate
from portal.core import config
from portal.identity.models import User


def send(
    user: User,
    *,
    key: str,
    subject: str,
    template: str,
    named: dict[str, str] | None = None,
    to: str = "",
    **facts: Any,
) -> None:
    """Send a mail in the reader's language and time zone; a second one of this key has the same Message-ID.

    The subject is given in English; the company's name, and what is `named`, are filled into it. The template gets the reader's name
    and the facts. `to` is another address than the one they sign in with.
    """
    words = {"company": config.current().company.name, **(named or {})}
    mail.send(
        key=key,
        to=to or user.email,
        subject=translate(subject, user.language, **words),
        template=template,
        locale=user.language,
        zone=user.zone,
        customer_id=user.customer_id,
        name=user.name,
        **facts,
    )
