# Everything a newcomer needs, one word each. `make` alone lists it.
PYTHON ?= python3
PORT ?= 8000
# Much of a test is waiting for other processes, so two cores carry three at a time.
WORKERS ?= 3
SECONDS ?= 600
SEEDS ?= 20
FIRST ?= 1
RANDOM ?= 0
QUICK ?=
SEED ?= 1
DATABASE ?= both
JOBS ?= 2

BIN := .venv/bin
UV := .boot/bin/uv
CODE := portal migrations tests bench deploy wsgi.py
LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url

AUDIT := $(UV) tool run --from pip-audit==2.10.1 pip-audit --strict --disable-pip --require-hashes --requirement requirements/app.txt

.DEFAULT_GOAL := help
.PHONY: help run check test bench clients contract fuzz security chaos kills mutants lint structure ways pictures format texts migration reference lock install install-dev install-lint install-lighthouse audit clean

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: install ## Start the demo at http://localhost:8000 (PORT=8001 for another port); Ctrl-C stops it
	@exec $(BIN)/python -m deploy.dev.demo --port $(PORT)

check: lint ## Check the code, then run the tests of what was changed since main; about two minutes
	@$(BIN)/python -m deploy.dev.check --workers $(WORKERS)

test: lint ## Check the code, then run every test on SQLite, PostgreSQL and in Chromium (WORKERS=3 at a time)
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal --durations 20 --by-directory

bench: install-dev ## Measure what pages, starting, webhooks, receipts, lists and searches cost, and write docs/performance.md (QUICK=1: only that it runs)
	@$(BIN)/python -m bench $(if $(QUICK),--quick)

contract: install-dev ## Run the contract with Stripe against Stripe itself: KEY=sk_test_… (and PUBLISHABLE_KEY=pk_test_…)
	@CONTRACT_KEY=$(KEY) CONTRACT_PUBLISHABLE_KEY=$(PUBLISHABLE_KEY) $(BIN)/python -m pytest tests/contract

clients: install-dev ## Let clients that others wrote use the sandbox: React, Stripe's SDKs, dj-stripe (brings them into var/clients)
	@CLIENTS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) tests/clients

fuzz: install-dev ## Let schemathesis try the API's operations with new data, SECONDS=600 for each kind of caller
	@FUZZ_SECONDS=$(SECONDS) $(BIN)/python -m pytest --numprocesses $(WORKERS) tests/api/test_fuzz.py

security: install-dev ## Scan the code, and attack a portal on this machine with tools of others, on both databases; some twenty minutes
	@SECURITY=1 $(BIN)/python -m pytest --quiet -rs --numprocesses $(WORKERS) tests/security
	@$(BIN)/python -m pytest --quiet tests/infrastructure/test_proxy.py
	@FUZZ_SECONDS=60 $(BIN)/python -m pytest --quiet --numprocesses $(WORKERS) tests/api/test_fuzz.py
	@$(MAKE) --no-print-directory audit

chaos: install-dev ## Storm over the whole portal, SEEDS=200 of them on DATABASE=sqlite, postgresql or both; FIRST=n replays
	@$(BIN)/python -m tests.simulation.campaign --seeds $(SEEDS) --first $(FIRST) --database $(DATABASE) --jobs $(JOBS)

kills: install-dev ## Kill a process at every line of the ways of a payment, a document and a refund; takes many minutes
	@KILL_AT_EVERY=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) tests/simulation/test_every_line.py

mutants: install-dev ## Put known defects into copies of the portal, where the tests must notice each (ONLY=refund for some; RANDOM=20 SEED=1 for random ones)
	@$(BIN)/python -m tests.simulation.mutants --jobs $(WORKERS) --random $(RANDOM) --seed $(SEED) --first $(FIRST) $(ONLY)

lint: install-dev ## Check style and types
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/mypy
	@$(BIN)/djlint --lint --quiet templates portal/sandbox/templates
	@$(BIN)/python -m deploy.dev.lint_front

structure: install-dev ## Print how large the code is to a reader: packages, floors, imports, long files
	@$(BIN)/python -m tests.infrastructure.structure

ways: install-dev ## Print what runs on the way of a payment and of an order, in its order, and count it
	@$(BIN)/python -m pytest --quiet --capture=no --show-capture=no tests/infrastructure/test_ways.py

pictures: install-dev ## Take the pictures of docs/how-to/ten-tasks.md anew
	@PICTURES=1 $(BIN)/python -m pytest --quiet --show-capture=no tests/flows/test_ten_tasks.py

format: install-dev ## Put the code into shape
	@$(BIN)/ruff check --fix --quiet $(CODE)
	@$(BIN)/ruff format $(CODE)

texts: reference ## Collect the texts for people anew, compile the catalogues, and write the reference
	@$(BIN)/pybabel -q extract -F portal/translations/babel.cfg -k N_ -k lazy_gettext --no-location --sort-output -o var/messages.pot .
	@$(BIN)/pybabel -q update --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date -w 120 -i var/messages.pot -d portal/translations
	@$(BIN)/pybabel -q compile -d portal/translations

migration: install-dev ## Write the migration that changed models need: NAME=purchase_orders
	@$(BIN)/python -W ignore -m deploy.dev.migration $(NAME)

reference: install-dev ## Write docs/reference anew from the code
	@$(BIN)/python -m deploy.dev.reference

lock: install-dev ## Write requirements/*.txt anew from requirements/*.in (UPGRADE=--upgrade for newer versions)
	$(LOCK) $(UPGRADE) --output-file requirements/boot.txt requirements/boot.in
	$(LOCK) $(UPGRADE) --output-file requirements/app.txt requirements/app.in
	$(LOCK) $(UPGRADE) --output-file requirements/dev.txt requirements/dev.in

install:
	@$(PYTHON) deploy/dev/install.py app

audit: install-dev ## Ask for known weaknesses of the locked packages and list these in var/sbom.json; fails when it could not ask
	@$(AUDIT) --format cyclonedx-json --output var/sbom.json
	@$(AUDIT)

install-lint: install-dev ## Bring the pinned linters of JavaScript and CSS, for which node and npm are needed
	@$(BIN)/python -m deploy.dev.lint_front --install

install-lighthouse: install-dev ## Bring the pinned Lighthouse, for which node and npm are needed: then `make test` looks at pages with it
	@npm ci --ignore-scripts --no-audit --no-fund --prefix deploy/dev/lighthouse

install-dev:
	@$(PYTHON) deploy/dev/install.py dev

clean: ## Remove what was installed and built here; the demo's data in var/demo stays
	rm -rf .boot .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis var/test-artifacts
	find portal tests migrations deploy -name __pycache__ -prune -exec rm -rf {} +
