# The commands of this project. `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TOOLS := .venv-tools
TEST_JOBS ?= 2

# Every dependency's reports about its use are off, whatever is run from here.
export DO_NOT_TRACK = 1
export DAGSTER_DISABLE_TELEMETRY = 1
export DBT_SEND_ANONYMOUS_USAGE_STATS = false
export RUNTIME__DLTHUB_TELEMETRY = false
export MLFLOW_DISABLE_TELEMETRY = true
export STREAMLIT_BROWSER_GATHER_USAGE_STATS = false

.PHONY: help setup demo up test trials bench bench-lake check audit coverage format lock system-packages clean

help:  ## This list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

setup: $(VENV)/.ready  ## Make .venv from the lock; seconds when it is up to date

$(VENV)/.ready: requirements/product.lock pyproject.toml deploy/setup.sh
	@PYTHON="$(PYTHON)" bash deploy/setup.sh "$(VENV)" requirements/product.lock
	@touch $@

$(TOOLS)/.ready: requirements/tools.lock deploy/setup.sh
	@PYTHON="$(PYTHON)" bash deploy/setup.sh "$(TOOLS)" requirements/tools.lock --tools
	@touch $@

demo: setup  ## Everything on this machine with generated data; prints addresses and a login
	@exec $(BIN)/aurora demo

up: setup  ## Everything on this machine for real use
	@exec $(BIN)/aurora up

test: setup  ## All kinds of tests with small counts, at most 10 minutes
	@AURORA_TIER=test $(BIN)/python -m pytest -n $(TEST_JOBS) --dist loadgroup

trials: setup  ## The same tests with the counts that matter; resumable; writes docs/trials.md
	@AURORA_TIER=trials $(BIN)/python -m tests.trials

bench: setup  ## Speeds, as ratios to a floor or a peer of the same run
	@$(BIN)/python -m benchmarks

bench-lake: setup  ## The large home that some benchmarks need; outside the tree, goes on where it stopped
	@$(BIN)/python -m benchmarks lake

check: setup $(TOOLS)/.ready  ## Format, lint, types, import direction, SQL lint
	@$(TOOLS)/bin/ruff format --check .
	@$(TOOLS)/bin/ruff check .
	@$(TOOLS)/bin/basedpyright --pythonpath $(BIN)/python --warnings
	@$(TOOLS)/bin/bandit -q -r aurora ingestion transform ml app orchestration -ll -c pyproject.toml
	@$(BIN)/python -m pytest -q tests/structure
	@$(TOOLS)/bin/sqlfluff lint -q dbt_project/models

audit: $(TOOLS)/.ready  ## Known holes of the locked dependencies; needs the network
	@$(TOOLS)/bin/pip-audit --require-hashes -r requirements/product.lock

descriptions: setup  ## Write OpenAPI, AsyncAPI and JSON Schemas anew, from the code
	@$(BIN)/python -m orchestration.descriptions

format: $(TOOLS)/.ready  ## Put every file in its one format
	@$(TOOLS)/bin/ruff check --fix-only -q .
	@$(TOOLS)/bin/ruff format -q .
	@$(TOOLS)/bin/sqlfluff fix -q dbt_project/models || true

coverage: setup  ## Which lines the tests run, in whatever process
	@rm -f .coverage*
	@$(BIN)/python -m coverage run -m pytest -q -n $(TEST_JOBS) --dist loadgroup; status=$$?; \
	  $(BIN)/python -m coverage combine -q && $(BIN)/python -m coverage report --skip-covered --sort=cover; exit $$status

lock:  ## Solve the exact versions again (needs uv)
	@bash deploy/lock.sh

system-packages:  ## Debian's mosquitto, chromium, postgresql and more, for the tests
	@bash deploy/system-packages.sh

clean:  ## Remove what setup and tests made; never your data
	@rm -rf $(VENV) $(TOOLS) .hypothesis .trials .bench dbt_project/target dbt_project/logs
