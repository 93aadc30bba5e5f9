"""`flask documents`: as whom documents are signed."""

from __future__ import annotations

from pathlib import Path

import click
from flask.cli import with_appcontext

from portal.core import signing_keys
from portal.core.commands import as_json_option, show_one
from portal.documents import certificates


@click.group()
def documents() -> None:
    """Documents that the portal has issued, and will issue."""


@documents.command("certificate")
@click.option(
    "--to",
    "into",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the certificate, and those above it, into this file (PEM).",
)
@as_json_option
@with_appcontext
def certificate(into: Path | None, *, as_json: bool) -> None:
    """Show the certificate that documents are signed with from now on, and its fingerprint.

    \b
    Example:
      flask documents certificate --to nordlicht.pem
    """
    found = certificates.identity()
    if into is not None:
        into.write_bytes(certificates.pem())
    facts = {
        "subject": found.certificate.subject.rfc4514_string(),
        "issuer": found.certificate.issuer.rfc4514_string(),
        "valid_from": found.certificate.not_valid_before_utc.isoformat(),
        "valid_until": found.certificate.not_valid_after_utc.isoformat(),
        "certificate_sha256": certificates.fingerprint(found.certificate),
        "key_sha256": signing_keys.fingerprint(found.key.public_key()),
    }
    show_one(facts, "\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in facts.items()), as_json=as_json)
