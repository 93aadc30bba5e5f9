# syntax=docker/dockerfile:1
# One image for the web, the worker and the commands. Nothing that builds is in it, and nothing in it runs as root.

FROM python:3.11-slim-bookworm AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
WORKDIR /portal
COPY requirements/boot.txt requirements/app.txt requirements/
RUN python -m venv /boot \
 && /boot/bin/pip install --require-hashes --requirement requirements/boot.txt \
 && /boot/bin/uv venv --python "$(command -v python3)" .venv \
 && /boot/bin/uv pip sync --python .venv --require-hashes requirements/app.txt

FROM python:3.11-slim-bookworm
RUN apt-get update \
 && apt-get install --yes --no-install-recommends \
      libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core \
      fonts-noto-core fonts-noto-cjk fonts-noto-color-emoji fontconfig \
 && fc-cache --system-only \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --no-create-home --home-dir /nonexistent portal \
 && install --directory --owner=portal --mode=700 /var/lib/portal
WORKDIR /portal
COPY --from=packages /portal/.venv .venv
COPY wsgi.py ./
COPY deploy/gunicorn.conf.py deploy/web_worker.py deploy/
COPY migrations migrations
COPY static static
COPY templates templates
COPY portal portal
ENV PATH=/portal/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    FLASK_APP=wsgi \
    WEB_CONCURRENCY=1 \
    PORTAL_ENVIRONMENT=production \
    XDG_CACHE_HOME=/tmp
RUN python -m portal.web.static_build \
 && python -m portal.content.template_build \
 && python -m compileall -q portal deploy migrations wsgi.py
USER portal
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
# Known to whoever builds: docker build --build-arg COMMIT="$(git rev-parse HEAD)". Last, for it changes with each build.
ARG COMMIT=""
ENV PORTAL_BUILD_COMMIT=$COMMIT
# In front of it belongs a reverse proxy that speaks HTTPS: see docs/how-to/deploy.md.
CMD ["gunicorn", "--config", "deploy/gunicorn.conf.py", "--bind", "0.0.0.0:8000", "wsgi:app"]
