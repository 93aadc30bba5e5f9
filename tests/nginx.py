"""The proxy that is shipped, as a process: nginx, on deploy/nginx.conf.

It is the installed one, or the one that `make security` unpacks into var/tools.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from deploy.dev.processes import ROOT, Process
from tests.run import process_environment

NAME: Final = "billing.example.com"


def binary() -> str | None:
    """None where there is no nginx."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    unpacked = ROOT / "var/tools/nginx/usr/sbin/nginx"
    return found or (str(unpacked) if unpacked.is_file() else None)


def start(program: str, folder: Path, *, https: int, http: int, behind: int) -> Process:
    """nginx with a certificate of its own for NAME, on these ports, before what listens at `behind`."""
    certificate = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={NAME}"]
    files = ["-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem")]
    subprocess.run([*certificate, *files], check=True, capture_output=True)
    (folder / "nginx.conf").write_text(_configured(folder, https=https, http=http, behind=behind))
    words = [program, "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    return Process("nginx", words, log=folder / "nginx.log", environment=process_environment())


def _configured(folder: Path, *, https: int, http: int, behind: int) -> str:
    """deploy/nginx.conf as it is shipped, but for its ports, its certificate, and where it is written to."""
    shipped = (ROOT / "deploy/nginx.conf").read_text()
    for old, new in (
        ("listen 443 ssl http2;", f"listen 127.0.0.1:{https} ssl http2;"),
        ("listen 80;", f"listen 127.0.0.1:{http};"),
        ("server 127.0.0.1:8000;", f"server 127.0.0.1:{behind};"),
        ("/etc/ssl/portal/", f"{folder}/"),
    ):
        assert old in shipped, old
        shipped = shipped.replace(old, new)
    shipped = re.sub(r"^ +listen \[::\].*\n", "", shipped, flags=re.MULTILINE)
    places = "".join(
        f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"daemon off;\npid {folder}/pid;\nerror_log {folder}/error.log;\nworker_processes 1;\nevents {{ worker_connections 512; }}\n"
        f"http {{\naccess_log off;\n{places}{shipped}\n}}\n"
    )
