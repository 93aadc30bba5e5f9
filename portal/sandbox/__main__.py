"""`python -m portal.sandbox --db FILE`: a sandbox by itself, without the portal."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from portal.sandbox.account_settings import SettingsRefused, from_file
from portal.sandbox.server import RefusedToStart, serve
from portal.sandbox.settings import SandboxSettings


def main() -> int:
    os.umask(0o077)  # its database is for who runs it alone
    parser = argparse.ArgumentParser(
        prog="python -m portal.sandbox", description="Run the Stripe sandbox on this machine."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--db", required=True, help="the SQLite file that holds everything")
    parser.add_argument("--smtp-port", type=int, help="also take mail here; 0 takes a free port")
    parser.add_argument("--webhook-url", help="tell this address of every event")
    parser.add_argument("--webhook-secret", help="sign with this secret")
    parser.add_argument("--account", type=Path, help="a JSON file that describes the account")
    given = parser.parse_args()
    try:
        settings = from_file(given.account, SandboxSettings()) if given.account else None
        serve(
            given.host,
            given.port,
            given.db,
            given.smtp_port,
            given.webhook_url,
            given.webhook_secret,
            settings=settings,
        )
    except (RefusedToStart, SettingsRefused, OSError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
