"""`flask stripe webhook`: the endpoint at Stripe is made and kept as the portal needs it."""

from __future__ import annotations

import sys

import click
from flask.cli import with_appcontext

from portal.core.errors import PortalError
from portal.stripe_events import endpoint
from portal.stripe_events.endpoint import Standing


@click.group()
def stripe() -> None:
    """What the portal needs at Stripe."""


@stripe.command()
@click.option("--check", is_flag=True, help="Change nothing; exit status 1 when something differs.")
@click.option("--remove-others", is_flag=True, help="Remove the endpoints of this address at other API versions.")
@with_appcontext
def webhook(*, check: bool, remove_others: bool) -> None:
    """Make or update the webhook endpoint of this portal: the events that it handles, at its API version.

    \b
    Example:
      flask stripe webhook --check
    """
    try:
        before = endpoint.standing()
        click.echo(f"{before.url}, API version {before.version}")
        _tell(before)
        if check:
            sys.exit(0 if before.fits else 1)
        after = endpoint.bring_in_line(before)
        if remove_others:
            endpoint.remove_others(before)
    except PortalError as error:
        raise click.ClickException(error.text()) from error
    if after.secret:
        click.echo(
            f"Made: {after.id}. Its signing secret is told this once; add it to STRIPE_WEBHOOK_SECRETS and restart:"
        )
        click.echo(after.secret)
    elif after != before.endpoint:
        click.echo(f"Updated: {after.id}.")
    if before.others and remove_others:
        click.echo(f"Removed: {', '.join(other.id for other in before.others)}.")
    elif before.others:
        click.echo("Once the secret of the one above is in the settings, run this again with --remove-others.")


def _tell(standing: Standing) -> None:
    """A line for each thing that differs."""
    if standing.endpoint is None:
        click.echo("There is no endpoint at this version.")
    else:
        for type_ in standing.missing:
            click.echo(f"missing: {type_}")
        for type_ in standing.unused:
            click.echo(f"not used: {type_}")
        if standing.is_disabled:
            click.echo("It is disabled.")
    for other in standing.others:
        click.echo(f"another one of this address: {other.id}, API version {other.api_version or 'of the account'}")
    if standing.fits:
        click.echo("Nothing differs.")
