# Thin wrappers around plain commands; README.md lists those too.
PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin

.PHONY: run test check torture lint audit lock screenshots openapi.yaml bench bench-full

# Installed again only when the requirements change. first_run needs nothing installed.
FIRST := $(PYTHON) -m bookjob_site.first_run
.venv/run: requirements.lock
	@$(FIRST) check
	$(PYTHON) -m venv .venv
	@$(FIRST) install $(BIN)/python --require-hashes -r requirements.lock
	@touch $@

.venv/dev: .venv/run requirements-dev.txt
	@$(FIRST) install $(BIN)/python -r requirements-dev.txt
	@touch $@

var/secrets.env:
	@mkdir -p -m 700 var
	@umask 077 && $(PYTHON) -c 'import secrets; print("SECRET_KEY=" + secrets.token_urlsafe(50)); \
		print("BOOKJOB_JWT_KEYS=demo:" + secrets.token_urlsafe(36)); \
		print("BOOKJOB_METRICS_TOKEN=" + secrets.token_urlsafe(24))' > $@

.PHONY: port
port:
	@$(FIRST) port $(PORT)

run: port .venv/run var/secrets.env
	@echo "Migrating the database."
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py collectstatic --noinput --verbosity 0
	@$(BIN)/python manage.py load_demo --empty --print --port $(PORT)
	@# The bookings come when the simulated ServiceMobility is connected, so that it hears of them.
	@# exec: make waits for the service itself, so that its port is free when make has ended.
	@PORT=$(PORT) exec $(BIN)/python -m bookjob_site.demo

# make test ARGS="-k tokens" hands on to pytest.
test: .venv/dev
	$(BIN)/python -m tests.run $(ARGS)

# Between two edits: lint, types, and the tests that are quick, on SQLite.
check: lint
	$(BIN)/python -m tests.run --quick $(ARGS)

# Histories and faults with ten thousand operations each, and twenty times the examples of each property.
torture: .venv/dev var/patroni var/patroni-3.0.2
	$(BIN)/python -m tests.run --torture

# What the cluster's tests need beside root, etcd and HAProxy: libraries of its own, not those of the service.
var/patroni: deploy/cluster/requirements.txt
	@$(PYTHON) -m venv $@
	$@/bin/python -m pip install --quiet --quiet --disable-pip-version-check -r deploy/cluster/requirements.txt
	@touch $@

# The release that loses bookings, for the control of those tests.
var/patroni-3.0.2:
	@$(PYTHON) -m venv $@
	$@/bin/python -m pip install --quiet --quiet --disable-pip-version-check "patroni[etcd3]==3.0.2" \
		"psycopg[binary]==3.3.9" "setuptools<80"

# The suite on other systems and with other releases of PostgreSQL, as far as they can be had here (tests/elsewhere.py).
.PHONY: elsewhere
elsewhere: .venv/dev
	$(BIN)/python -m tests.elsewhere $(ARGS)

# The published schema; CI fails where it is not what the code says.
openapi.yaml: .venv/run
	SECRET_KEY=none $(BIN)/python manage.py spectacular --validate --fail-on-warn --file $@

# The tables of the documentation that are drawn from the code, and .env.example.
.PHONY: docs
docs: .venv/dev
	$(BIN)/python -m tests.pages

# A Python and a TypeScript client, generated from openapi.yaml, search, book, log in and read the feed.
.PHONY: clients
clients: .venv/dev
	$(BIN)/python -m pytest -q -rs tests/api/test_clients.py

# Pictures of the dispatch desk with the demo, in var/screenshots/; with ARGS=--publish also those that the pages show.
screenshots: .venv/dev
	$(BIN)/python -m tests.screenshots $(ARGS)

# What a booking and a search cost, here and in what one would write instead; bench-full with large tables too.
.venv/bench: requirements.txt bench/requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check -r bench/requirements.txt
	@touch $@ .venv/run

bench: .venv/bench
	$(BIN)/python -m bench.run

bench-full: .venv/bench
	$(BIN)/python -m bench.run --full

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	SECRET_KEY=none $(BIN)/mypy bookings bookjob_site conformance
	$(BIN)/lint-imports --no-cache

# After a change of requirements.txt: each file that pip may install by its hash, and what the service is made of
# (CycloneDX; from a new environment, so that no tool of the tests gets into it).
lock: .venv/dev
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --custom-compile-command "make lock" requirements.txt -o requirements.lock
	@rm -rf var/sbom && $(PYTHON) -m venv --without-pip var/sbom
	$(BIN)/python -m pip --python var/sbom/bin/python install --quiet --quiet --require-hashes -r requirements.lock
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file sbom.json var/sbom
	@rm -rf var/sbom

# All checks, each test on both databases, then the source archive, the SBOM and their sums in var/release/
# (docs/changes.md).
.PHONY: release
release:
	ARGS=--both .ci/run
	$(BIN)/python -m tests.release

# Known faults of the libraries.
audit: .venv/dev
	$(BIN)/python -m tests.audit
