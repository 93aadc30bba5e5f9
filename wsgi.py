"""The entry point of web servers and of the `flask` command."""

import os
import sys

from portal.app import commands_alone, create_app
from portal.cli import asks_for_help
from portal.core.config import WrongSettings

# With this status gunicorn gives up at once, where it would begin anew after any other.
CANNOT_START = 4

# What this process writes (the database of SQLite, anchors, backups) is for its own user alone.
os.umask(0o077)

try:
    app = create_app()
except WrongSettings as error:
    if asks_for_help(sys.argv):
        app = commands_alone()
    else:
        print(f"The portal cannot start with these settings.\n{error}", file=sys.stderr)  # noqa: T201  # there are no logs yet
        sys.exit(CANNOT_START)
