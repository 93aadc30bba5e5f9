"""The entry point of web servers and of the `flask` command."""

import gc
import os
import sys

# Nearly all that is made while the portal is imported stays: looking through it for garbage takes two fifths of a start.
gc.disable()

from portal.app import commands_alone, create_app  # noqa: E402
from portal.cli import asks_for_help  # noqa: E402
from portal.core.config import WrongSettings  # noqa: E402

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
finally:
    gc.freeze()  # nor is it looked through later
    gc.enable()
