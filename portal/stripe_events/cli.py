"""`flask stripe webhook`: the endpoint at Stripe is made and kept as the portal needs it."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click
from flask.cli import with_appcontext

from portal import gateway
from portal.core.commands import as_json_option, show_one
from portal.core.errors import PortalError
from portal.payment_methods import fence
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


@stripe.command()
@click.option("--register-domain", is_flag=True, help="Register the portal's domain for wallets, and have it verified.")
@as_json_option
@with_appcontext
def check(*, register_domain: bool, as_json: bool) -> None:
    """Compare the payment methods of the settings with those of the account; exit status 1 when one cannot be paid with.

    \b
    Example:
      flask stripe check --register-domain
    """
    try:
        found = fence.compare()
        domain = _domain(register=register_domain)
    except gateway.MissingAtStripe:
        raise click.ClickException(
            "PORTAL_PAYMENT_METHODS names a payment method configuration that this account does not have."
        ) from None
    except PortalError as error:
        raise click.ClickException(error.text()) from error
    if found is None:
        raise click.ClickException("The account has no payment method configuration.")
    lines = [f"Payment method configuration {found.source}"]
    if not found.is_active:
        lines.append("It is not active: nobody can pay.")
    lines += (
        f"not on at Stripe: {name}. Nobody can pay with it; turn it on in the dashboard, Settings > Payment methods."
        for name in found.missing
    )
    lines += (f"on at Stripe, and not offered here: {name}" for name in found.more)
    if found.fits and not found.more:
        lines.append("Nothing differs.")
    lines += _of_domain(domain)
    told = {"domain": None if domain is None else asdict(domain) | {"problems": dict(domain.problems)}}
    show_one(asdict(found) | told | {"fits": found.fits}, "\n".join(lines), as_json=as_json)
    sys.exit(0 if found.fits else 1)


def _domain(*, register: bool) -> gateway.MethodDomain | None:
    if register:
        return gateway.current().register_domain(fence.domain())
    return gateway.current().method_domain(fence.domain()) if fence.wants_domain() else None


def _of_domain(domain: gateway.MethodDomain | None) -> list[str]:
    """Where wallets are shown. A line for what they are not shown for; it is no difference, for everything else can be paid with."""
    if domain is None:
        if not fence.wants_domain():
            return []
        return [f"{fence.domain()} is not registered for wallets: run this with --register-domain."]
    lines = [f"{domain.name} is registered for wallets{'' if domain.is_enabled else ', and switched off'}."]
    return lines + [f"not shown there: {name}. Stripe says: {reason}" for name, reason in domain.problems.items()]


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
