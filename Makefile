# The verbs of the project. `make run` and `make test` are all a fresh machine needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: install browser server java run test parity dev lint bench evaluate lock

install: $(VENV)/.installed

$(VENV)/.installed: requirements/dev.txt pyproject.toml
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	command -v uv >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet uv
	PATH="$(abspath $(BIN)):$$PATH" uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements/dev.txt
	PATH="$(abspath $(BIN)):$$PATH" uv pip install --quiet --python $(BIN)/python --no-deps -e .
	$(BIN)/python -m compileall -q orchestration
	touch $@

# The tests open the report in Chromium; only they need it. Where there is no apt-get, it is for you.
BROWSERS := chromium chromium-browser google-chrome google-chrome-stable
ROOT := $(shell test "$$(id -u)" = 0 || echo sudo)
APT := $(ROOT) env DEBIAN_FRONTEND=noninteractive apt-get

browser:
	@for name in $(BROWSERS); do command -v $$name >/dev/null 2>&1 && exit 0; done; \
	command -v apt-get >/dev/null 2>&1 \
		|| { echo "make browser: there is no Chromium and no apt-get: install Chromium by hand" >&2; exit 1; }; \
	echo "installing Chromium for the tests of the report ..."; \
	{ $(APT) install -y -qq --no-install-recommends chromium fonts-liberation >/dev/null 2>&1 \
		|| { $(APT) update -qq && $(APT) install -y -qq --no-install-recommends chromium fonts-liberation >/dev/null; }; } \
		|| { echo "make browser: the package chromium could not be installed: install Chromium by hand" >&2; exit 1; }

# Deliveries and models are tested on a real PostgreSQL server, which the tests start and stop.
server:
	@ls /usr/lib/postgresql/*/bin/pg_ctl >/dev/null 2>&1 && exit 0; \
	command -v apt-get >/dev/null 2>&1 \
		|| { echo "make server: there is no PostgreSQL and no apt-get: install PostgreSQL by hand" >&2; exit 1; }; \
	echo "installing PostgreSQL for the tests of deliveries ..."; \
	{ $(APT) install -y -qq --no-install-recommends postgresql >/dev/null 2>&1 \
		|| { $(APT) update -qq && $(APT) install -y -qq --no-install-recommends postgresql >/dev/null; }; } \
		|| { echo "make server: the package postgresql could not be installed: install PostgreSQL by hand" >&2; exit 1; }

# Spark comes with pyspark; what it runs on does not.
java:
	@command -v java >/dev/null 2>&1 && exit 0; \
	command -v apt-get >/dev/null 2>&1 \
		|| { echo "make java: there is no Java and no apt-get: install Java 17 by hand" >&2; exit 1; }; \
	echo "installing Java for the tests on Spark ..."; \
	{ $(APT) install -y -qq --no-install-recommends default-jre-headless >/dev/null 2>&1 \
		|| { $(APT) update -qq && $(APT) install -y -qq --no-install-recommends default-jre-headless >/dev/null; }; } \
		|| { echo "make java: the package default-jre-headless could not be installed: install Java by hand" >&2; exit 1; }

run: install
	$(BIN)/lifestage refresh

test: install browser server java lint
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

# What `make test` has no time for: whole nights on Spark, and the data tests of dbt on every engine.
parity: install server java
	$(BIN)/pytest -m large

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/ty check --python $(VENV)
	mkdir -p .lifestage/lint
	LIFESTAGE_HOME=.lifestage/lint $(BIN)/sqlfluff lint dbt_project/models dbt_project/tests

dev: install
	$(BIN)/dagster dev

bench: install
	$(BIN)/python -m benchmarks --sizes $(or $(SIZES),1000000)

evaluate: install
	nice -n 10 $(BIN)/python -m benchmarks.evaluate

lock:
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --extra dev -o requirements/dev.txt pyproject.toml
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 -c requirements/dev.txt -o requirements/base.txt pyproject.toml
