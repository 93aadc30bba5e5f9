"""E-mail addresses as people type them."""

from __future__ import annotations

from typing import Final

from portal.content import mail
from portal.core import config, texts
from portal.core.errors import N_, Invalid
from portal.identity import queries

LONGEST: Final = 254


def checked(text: str) -> str:
    """The address as it is kept. Raises Invalid for the field "email"."""
    from email_validator import EmailNotValidError, validate_email

    text = texts.one_line(text, field="email", longest=LONGEST, required=True)
    try:
        address = validate_email(
            text,
            check_deliverability=False,  # a name server that is down keeps no one out; the mail itself is the check
            test_environment=config.current().environment != "production",  # where people are called ada@shop.test
        )
    except EmailNotValidError as error:
        raise Invalid(N_("Please enter an e-mail address, such as name@example.com."), field="email") from error
    return queries.normal_email(address.normalized)


def refuse_unreachable(email: str) -> None:
    """Raises Invalid (field "email") for an address that our mail server cannot send to. Asks it, so outside any transaction."""
    if not mail.reaches(email.strip()):
        raise Invalid(
            N_(
                "We cannot send e-mail to addresses with letters such as ä or 語 before the @. Please use another "
                "address."
            ),
            field="email",
        )
