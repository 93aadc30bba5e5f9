"""What a process of the portal loads when it starts, and what the processes of a web server share."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest
from jinja2 import pass_context

from deploy.dev.processes import ROOT, Process, answers, free_port
from portal.content import template_build
from portal.content.templates import BuiltTemplates, LocaleEnvironment
from portal.core import languages
from portal.core.config import Company
from tests.run import process_environment

# Each takes some hundredths of a second or some megabytes, and is loaded where it is needed: by the worker, by a command, by who types an
# address of mail.
LATER = (
    *("stripe", "weasyprint", "pydyf", "alembic", "urllib3", "redis", "email_validator", "aiosmtpd"),
    *("portal.sandbox", "portal.webhook_endpoints.posting", "multiprocessing", "unittest"),
)


@pytest.mark.parametrize("start", ["import wsgi", "import wsgi; wsgi.app.test_client().get('/sign-in')"])
def test_a_start_loads_nothing_that_only_some_need(start: str) -> None:
    program = f"{start}; import sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=process_environment(PORTAL_DATABASE_URL="sqlite://"),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = done.stdout.split()
    assert "portal.app" in loaded
    assert [name for name in LATER if name in loaded] == []


def test_the_processes_of_a_web_server_share_one_application(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", "--bind", f"127.0.0.1:{port}"]
    environment = process_environment(PORTAL_DATABASE_URL="sqlite://", PYTHONPATH=str(ROOT))
    command += ["--workers", "1", "tests.infrastructure.made_app:app"]
    process = Process("gunicorn", command, log=tmp_path / "log", environment=environment)
    try:
        process.wait_until(lambda: answers(f"http://127.0.0.1:{port}/"), within=60)
        with urlopen(f"http://127.0.0.1:{port}/") as answer:  # ours
            made_in, answered_in = map(int, answer.read().split())
        assert made_in != answered_in
        children = Path(f"/proc/{made_in}/task/{made_in}/children").read_text().split()
        assert str(answered_in) in children, "it was made before the process that answers was forked"
    finally:
        process.kill()


def test_a_template_that_was_built_gives_its_context_to_the_filter_of_times(tmp_path: Path) -> None:
    """Mails find the zone of their reader there."""
    template_build.build(tmp_path, ["en"])
    environment = LocaleEnvironment("en")
    environment.filters["datetime"] = pass_context(lambda context, moment: f"{moment} in {context['reader_zone']}")
    environment.bytecode_cache = BuiltTemplates(str(tmp_path))
    facts = {"name": "Ada", "company": Company(), "base_url": "", "locale": "en", "changed_at": "noon"}
    text = environment.get_template("identity/mails/password_changed.txt").render(facts | {"reader_zone": "Berlin"})
    assert "noon in Berlin" in text


def test_templates_that_were_built_are_not_compiled_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = languages.shipped()[:2]
    number = template_build.build(tmp_path, both)
    assert number == template_build.build(tmp_path, both) == len(list(tmp_path.iterdir()))
    for locale in both:
        environment = LocaleEnvironment(locale)
        environment.filters["datetime"] = str
        environment.bytecode_cache = BuiltTemplates(str(tmp_path))
        monkeypatch.setattr(environment, "compile", None)
        names = environment.list_templates(extensions=["html", "txt"])
        assert len(names) * len(both) == number
        for name in names:
            environment.get_template(name)
