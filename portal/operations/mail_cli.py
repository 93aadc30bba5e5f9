"""`flask mail`: what comes back of the mails that were sent. docs/how-to/mail.md is the way."""

from __future__ import annotations

from typing import BinaryIO

import click
from flask.cli import with_appcontext

from portal.content import bounces
from portal.core.commands import as_json_option, show_one, told_plainly


@click.group("mail")
def mails() -> None:
    """Mails that were sent, and came back."""


@mails.command()
@click.argument("message", type=click.File("rb"), default="-")
@as_json_option
@with_appcontext
def bounced(message: BinaryIO, *, as_json: bool) -> None:
    """Note that a mail came back, from the message that says so, on standard input: the customer's page names the address.

    Only what answers a mail that was sent from here is noted. A second run notes it again.

    \b
    Example:
      flask mail bounced < bounce.eml
    """
    with told_plainly():
        recorded = [bounces.record(one) for one in bounces.read(message.read())]
    told = [{"to": one.recipient, "mail": one.key, "customer": one.customer_id, "said": one.said} for one in recorded]
    show_one({"bounced": told}, "\n".join(f"{one.recipient}: {one.said}" for one in recorded), as_json=as_json)
