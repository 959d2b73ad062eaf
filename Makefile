# Everything here works on a machine with Python 3.11 or newer and nothing else.

.DEFAULT_GOAL := help
.PHONY: help demo test lint format runtime docs bench clean

# Found only when a recipe needs it; `make PYTHON=/path/to/python3.12 test` overrides it.
PYTHON ?= $(shell for python in python3.14 python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
# They wait more than they compute, so three at a time suit two cores.
PYTEST := $(BIN)/pytest -n 3 --dist loadscope
PIP := $(BIN)/pip --disable-pip-version-check --quiet

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/.stamp ## Start an embedded PostgreSQL, load the demo and serve it
	$(BIN)/python testproject/manage.py demo

test: lint ## Run the linters and every test, then the storage tests with the least privileges
	$(PYTEST)
	$(PYTEST) --least-privilege tests/integration

lint: .venv/.stamp ## Check style, formatting and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy kontract tests testproject

format: .venv/.stamp ## Format the code and repair what the linter can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

runtime: ## Compile what generated clients have in common to JavaScript, with the compiler of node
	cd tests/typescript && npm ci --no-audit --no-fund --prefer-offline
	rm -f kontract/codegen/templates/javascript/*.js
	node tests/typescript/node_modules/typescript/bin/tsc --project tests/typescript/tsconfig.runtime.json

docs: .venv/.stamp ## Build the manual into .site
	$(PIP) install -e '.[docs]'
	$(BIN)/mkdocs build

bench: .venv/.stamp ## Measure against plain Django and its peers
	$(PIP) install -e '.[bench]'
	$(BIN)/python -m benchmarks

clean: ## Remove the virtual environment, the embedded servers' data and all caches
	rm -rf .venv .nox .pg* .site build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -rf .node tests/*/node_modules
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/.stamp: setup.cfg pyproject.toml
	@test -n "$(PYTHON)" || { echo "kontract needs Python 3.11 or newer, and none is on the PATH: make PYTHON=/path/to/python3 ..." >&2; exit 1; }
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(PIP) install -e '.[dev]'
	@touch $@
