# Thin wrappers around plain commands; README.md lists those too.
PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin

.PHONY: run test lint screenshots openapi.yaml

# Installed again only when the requirements change.
.venv/run: requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/dev: requirements.txt requirements-dev.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ .venv/run

var/secrets.env:
	@mkdir -p -m 700 var
	@umask 077 && $(PYTHON) -c 'import secrets; print("SECRET_KEY=" + secrets.token_urlsafe(50)); \
		print("BOOKJOB_JWT_KEYS=demo:" + secrets.token_urlsafe(36))' > $@

run: .venv/run var/secrets.env
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py collectstatic --noinput --verbosity 0
	@$(BIN)/python manage.py load_demo --print --port $(PORT)
	@PORT=$(PORT) $(BIN)/gunicorn bookjob_site.wsgi

test: .venv/dev
	$(BIN)/python -m tests.run

# The published schema; CI fails where it is not what the code says.
openapi.yaml: .venv/run
	SECRET_KEY=none $(BIN)/python manage.py spectacular --validate --fail-on-warn --file $@

# Pictures of the dispatch desk, in var/screenshots/.
screenshots: .venv/dev
	$(BIN)/python -m tests.screenshots

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	SECRET_KEY=none $(BIN)/mypy bookings bookjob_site
