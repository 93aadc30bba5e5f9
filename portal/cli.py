"""Commands for the operator: `flask migrate`, `flask worker`, `flask sandbox`, and what each feature adds."""

from __future__ import annotations

import os
import signal
import socket
import threading
from pathlib import Path

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from portal import config, outbox

ROOT = Path(__file__).parent.parent


def install(app: Flask) -> None:
    for command in (migrate, seed, worker, sandbox):
        app.cli.add_command(command)


@click.command()
def migrate() -> None:
    """Bring the database to the newest schema; a second run changes nothing."""
    from alembic import command
    from alembic.config import Config

    alembic = Config()
    alembic.set_main_option("script_location", str(ROOT / "migrations"))
    command.upgrade(alembic, "head")


@click.command()
@with_appcontext
def seed() -> None:
    """Fill a development database with a demo company; a second run adds nothing. Refused in production."""
    from portal import seed as demo

    demo.run()
    click.echo("The demo company is in place.")


@click.command()
@click.option("--threads", default=4, show_default=True, help="Jobs run side by side.")
@with_appcontext
def worker(threads: int) -> None:
    """Run the jobs until SIGTERM or SIGINT. Any number of workers may run beside each other."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001  # threads need the app itself
    owner = f"{socket.gethostname()}:{os.getpid()}"
    click.echo(f"worker ready ({owner})")
    outbox.work(owner, stop, threads=threads, context=app.app_context)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=12111, show_default=True)
@click.option("--db", "database", default="var/sandbox.db", show_default=True, help="The sandbox's own SQLite file.")
@click.option("--smtp-port", type=int, help="Also take mail on this port; its inbox is a page of the sandbox.")
@click.option("--webhook-url", help="Send events here.")
@click.option("--webhook-secret", envvar="PORTAL_SANDBOX_WEBHOOK_SECRET", help="Sign them with this.")
def sandbox(
    host: str, port: int, database: str, smtp_port: int | None, webhook_url: str | None, webhook_secret: str | None
) -> None:
    """Run a stand-in for Stripe on this machine, for trying things out and for the tests."""
    from portal.sandbox.server import serve

    serve(
        host,
        port,
        database,
        smtp_port=smtp_port,
        webhook_url=webhook_url,
        webhook_secret=webhook_secret,
        stripe_key=config.current().stripe_secret_key.get_secret_value(),
    )
