# What a developer does here, one target each; `make help` lists them.
#
# Each target that needs the environment makes it first: `.venv` is set up once, from the
# hashes in requirements.lock, and again only when that file or pyproject.toml has changed.

# make bank PORT=9000 DATA=elsewhere
PORT ?= 8080
DATA ?= .bank
# make bank STORE=http://127.0.0.1:8081 WORKER=elsewhere
STORE ?=
WORKER ?=
# make test ARGS="-k transfer"
ARGS ?=
# Tests at once: most of them wait for disks and other processes. JOBS=0 runs them one by one.
JOBS ?= 3
# Tests that share something dear, a browser or an import of real data, go to the same process.
PARALLEL := -n $(JOBS) --dist loadgroup
# What the built wheel is tried with: what reads files of the package, starts its command, or
# loads it the way its users do. make test-wheel WHEEL_TESTS=tests runs everything.
WHEEL_TESTS ?= tests/test_front_door.py tests/test_errors.py tests/cli tests/docs tests/projections tests/testing

# What `make test-uvloop` runs.
UVLOOP_TESTS ?= tests/commands tests/contract tests/erasure tests/genesisdb tests/processes tests/projections tests/server tests/store tests/subscriptions

# What `make test-immudb` runs: each test makes a database and users of its own, and leaves them.
IMMUDB_URL ?=
IMMUDB_TESTS := $(addprefix tests/immudb/test_,suite.py entries.py refusals.py answers.py)

VENV := .venv
PEERS := .venv-peers
BIN := $(VENV)/bin
PIP_INSTALL := -m pip --disable-pip-version-check --quiet install

# Interpreters to make environments with, best first; PYTHON=... is tried before them.
PYTHONS := $(PYTHON) python3.11 python3 python3.12 python3.13 python3.14 python
# For the peers the newest counts: eventsource-py has left Python 3.12 and older behind.
PEERS_PYTHONS := $(PEERS_PYTHON) python3.14 python3.13 $(PYTHONS)

# $(call make_venv,FOLDER,INTERPRETERS) makes FOLDER with the first that will do, unless it is there.
define make_venv
@if ! $(1)/bin/python -c "import pip" 2>/dev/null; then \
	found=; \
	for candidate in $(2); do \
		if $$candidate -c "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))" >/dev/null 2>&1; \
		then found=$$candidate; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "No Python 3.11 or newer (with venv and ensurepip) found; tried: $(2)." >&2; \
		echo "Install one, or name it: make PYTHON=/path/to/python3.11" >&2; \
		exit 1; \
	fi; \
	echo "Setting up $(1) with $$($$found --version); this takes a minute, once."; \
	$$found -m venv --clear $(1); \
fi
endef

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help install bank test check format format-check lint types contracts audit advisories coverage docs \
	reference bench bench-peers long test-busy test-uvloop test-immudb lock wheel test-wheel clean

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' $(MAKEFILE_LIST) | \
		while IFS='|' read -r target text; do printf '  %-18s %s\n' "$$target" "$$text"; done

install: $(VENV)/.installed ## Set up .venv from the lock file (every other target does so when needed)
	@:

bank: install ## Start the example bank in a browser page until Ctrl-C (PORT=8080, DATA=.bank, STORE=http://…)
	@$(BIN)/python -m examples.bank serve --data "$(DATA)" --port "$(PORT)" \
		$(if $(STORE),--store "$(STORE)") $(if $(WORKER),--no-worker)

test: install ## Run the whole test suite (ARGS="-k name" narrows it, JOBS=0 runs one test at a time)
	@$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

check: format-check lint types contracts audit coverage ## Run every check: format, lint, types, import contracts, dependencies, tests and docs with coverage

format: install ## Format the code and sort its imports
	@$(BIN)/ruff check --select I --fix --quiet
	@$(BIN)/ruff format

format-check: install
	@$(BIN)/ruff format --check --diff

lint: install ## Lint
	@$(BIN)/ruff check

types: install ## Check the types: mypy over everything, pyright over the package, both strict
	@$(BIN)/mypy
	@PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright

contracts: install ## Check who imports whom
	@$(BIN)/lint-imports --no-logo --no-cache

audit: install ## Check without a network that what is installed is what is pinned, by hashes, and fits together
	@$(BIN)/python -m pip --disable-pip-version-check check
	@$(BIN)/python -m pytest --quiet -p no:cacheprovider tests/architecture/test_dependencies.py

advisories: $(BIN)/uv ## Look up known vulnerabilities of everything pinned (needs PyPI; not part of check)
	@$(BIN)/uv tool run --from pip-audit pip-audit --strict --disable-pip --require-hashes --requirement requirements.lock

coverage: install ## Run the whole test suite, docs included, and measure branch coverage
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest $(PARALLEL) $(ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

docs: install ## Run the code in README.md, docs/ and the docstrings
	@$(BIN)/python -m pytest tests/docs $(ARGS)

reference: install ## Write docs/reference.md from the docstrings, and pages to browse into build/reference
	@$(BIN)/python docs/make_reference.py
	@$(BIN)/pdoc --docformat google --output-directory build/reference eventsource

bench: install ## Measure, each figure beside its floor (ARGS=--json)
	@$(BIN)/python -m benchmarks $(ARGS)

bench-peers: install $(PEERS)/.installed ## Measure, with the Python peers in the same table
	@$(BIN)/python -m benchmarks --peers-python $(PEERS)/bin/python $(ARGS)

long: install ## Run the test suite in its long form: more examples, more cycles
	@EVENTSOURCE_LONG=1 $(BIN)/python -m pytest $(PARALLEL) $(ARGS)

test-busy: install ## Run the test suite while something else keeps every core busy: time must decide nothing
	@.ci/test-busy $(BIN)/python -m pytest $(PARALLEL) $(ARGS)

test-uvloop: install ## Run the tests of everything asynchronous on uvloop (the most important run on it at every run)
	@EVENTSOURCE_LOOP=uvloop $(BIN)/python -m pytest $(PARALLEL) $(UVLOOP_TESTS) $(ARGS)

test-immudb: install ## Run the immudb client's suite, and compare the test server, with a real immudb (IMMUDB_URL=immudb://immudb:PASSWORD@localhost:3322)
	@test -n "$(IMMUDB_URL)" || { echo "Name an immudb: make test-immudb IMMUDB_URL=immudb://immudb:PASSWORD@localhost:3322" >&2; exit 2; }
	@IMMUDB_URL="$(IMMUDB_URL)" $(BIN)/python -m pytest $(PARALLEL) -rs $(IMMUDB_TESTS) $(ARGS)

lock: $(BIN)/uv ## Resolve the dependencies again, keeping what still fits (ARGS=--upgrade takes the newest)
	@$(call compile,--all-extras --group pyproject.toml:dev pyproject.toml,requirements.lock)
	@$(call compile,--group pyproject.toml:peers,requirements-peers.lock)

compile = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock" $(ARGS) --output-file $(2) $(1) >/dev/null

wheel: install ## Build the wheel into dist/
	@rm -rf dist
	@$(BIN)/python -m build --wheel --no-isolation --outdir dist

test-wheel: wheel ## Install the built wheel outside the checkout, and run there what could break by it
	@.ci/test-wheel $(BIN)/python dist/*.whl $(PARALLEL) $(WHEEL_TESTS) $(ARGS)

clean: ## Remove what make and the tools have made (never a bank's data)
	rm -rf $(VENV) $(PEERS) .venv-immudb-py .venv-immudb-py.lock build dist .coverage .coverage.* .hypothesis .import_linter_cache \
		.mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: requirements.lock pyproject.toml
	$(call make_venv,$(VENV),$(PYTHONS))
	@$(BIN)/python $(PIP_INSTALL) --require-hashes --requirement requirements.lock
	@$(BIN)/python $(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

# Resolving must work just when the installation is out of date.
$(BIN)/uv:
	@$(MAKE) --no-print-directory install

$(PEERS)/.installed: requirements-peers.lock
	$(call make_venv,$(PEERS),$(PEERS_PYTHONS))
	@$(PEERS)/bin/python $(PIP_INSTALL) --require-hashes --requirement requirements-peers.lock
	@touch $@
