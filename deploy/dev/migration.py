"""Writes the migration that the models need: `make migration NAME=purchase_orders`.

A new database is brought to the newest schema and compared with the models by Alembic's autogenerate. Read what it wrote: it does not see a
renamed column, a changed CHECK, or data that must be moved. Nothing is written when models and migrations agree.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from deploy.dev.processes import ROOT
from deploy.dev.reference import SETTINGS

VERSIONS = ROOT / "migrations" / "versions"


def write(name: str, versions: Path = VERSIONS) -> Path | None:
    """Write the next migration and return its file, or None when nothing is missing. Raises ValueError for a name that is no file's."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ValueError("the name is of small letters, digits and underscores, such as purchase_orders")
    from alembic import command
    from alembic.config import Config

    import portal.app  # noqa: F401  # brings every table into the metadata
    from portal.core import config

    number = max(int(file.name[:4]) for file in versions.glob("[0-9]*.py")) + 1
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'newest.db'}"
        config.use(config.load().model_copy(update={"database_url": url}))
        alembic = Config()
        alembic.set_main_option("script_location", str(ROOT / "migrations"))
        alembic.set_main_option("version_locations", str(versions))
        alembic.set_main_option("file_template", "%%(rev)s_%%(slug)s")
        command.upgrade(alembic, "head")
        made = command.revision(alembic, name.replace("_", " ").capitalize(), autogenerate=True, rev_id=f"{number:04d}")
    script = made[0] if isinstance(made, list) else made
    file = Path(str(script.path if script else "")).rename(versions / f"{number:04d}_{name}.py")
    text = re.sub(r" +# ### .* ###\n", "", file.read_text())
    if "op." not in text:
        file.unlink()
        return None
    file.write_text(text)
    return file


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the migration that the models need.")
    parser.add_argument("name", help="what it is about, such as purchase_orders")
    os.environ.update(SETTINGS)
    try:
        file = write(parser.parse_args().name)
    except ValueError as problem:
        print(f"Nothing was written: {problem}.", file=sys.stderr)
        return 2
    if file is None:
        print("Models and migrations agree: nothing to write.")
        return 0
    subprocess.run([sys.executable, "-m", "ruff", "check", "--fix", "--quiet", file], check=False)
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", file], check=False)
    print(
        f"{file.relative_to(ROOT)} was written. Read it, then: .venv/bin/pytest tests/infrastructure/test_migrations.py"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
