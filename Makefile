# The same commands for people and for CI. Each works on a fresh clone by itself and needs only Python >= 3.11 and make:
# it makes .venv on first use and installs again only when the pins or pyproject.toml change.
# PYTHON=python3.12 chooses the interpreter of a new .venv; ARGS='...' is passed on (make test ARGS="-m 'not slow'").

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help setup demo test check lint types layers house bench docs lock clean

BIN := .venv/bin
ARGS ?=
# Most tests wait for a process they started, so more than the cores.
JOBS ?= 3
CODE := src tests scripts benchmarks examples
# Read late: some of these folders are optional.
EXISTING = $(wildcard $(CODE))

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "make %-7s %s\n", $$1, $$2 }'

setup: .venv/.check ## everything for development: .venv with tests, linters, types, and the commit hook
	@if [ -d .git ]; then $(BIN)/pre-commit install >/dev/null && echo "==> commit hook installed"; fi
	@echo "==> ready: . .venv/bin/activate"

demo: .venv/.run ## watch it work: fetch 20,000 pages, kill, resume, verify (under two minutes)
	@$(BIN)/penstock demo $(ARGS)

test: .venv/.test ## every test, the slow ones too; three at a time (JOBS=0: one after another)
	@echo "==> pytest"
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

check: lint types layers house ## lint, format, types, layers, docs, house rules; or one: make lint, types, layers, house

lint: .venv/.check
	@echo "==> ruff"
	@$(BIN)/ruff check --quiet $(EXISTING)
	@$(BIN)/ruff format --check --quiet $(EXISTING) || { echo "hint: $(BIN)/ruff format $(EXISTING)" >&2; exit 1; }

types: .venv/.check
	@echo "==> mypy --strict"
	@$(BIN)/mypy

layers: .venv/.check
	@echo "==> imports point down"
	@$(BIN)/lint-imports --no-logo --no-cache

house: .venv/.test
	@echo "==> house rules and docs"
	@$(BIN)/python -m pytest tests/house

bench: .venv/.test ## micro-benchmarks, then the peers that are installed, briefly (ARGS go to the peers' run)
	@for file in $(wildcard benchmarks/micro/*.py); do echo "==> $$file"; $(BIN)/python $$file || exit 1; done
	@echo "==> peers"
	@$(BIN)/python benchmarks/peers/run.py $(or $(ARGS),--quick)

docs: .venv/.test ## write the generated reference pages, then check every page
	@echo "==> docs/reference/cli.md"
	@$(BIN)/python scripts/reference.py
	@echo "==> links, flags, columns, failure kinds"
	@$(BIN)/python -m pytest tests/house/test_house_docs.py

lock: ## choose new pins from pyproject.toml (needs the network; ARGS=--upgrade moves all of them)
	@scripts/lock $(ARGS)

clean: ## remove .venv, caches and build output
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis demo-out
	find src tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: .venv/.GROUP is newer than requirements/GROUP.txt when that group is installed. Groups grow:
# what check installs, test and run need not install again.
.venv/.run: requirements/run.txt pyproject.toml
	@scripts/install run && touch $@

.venv/.test: requirements/test.txt pyproject.toml
	@scripts/install test && touch .venv/.run $@

.venv/.check: requirements/check.txt pyproject.toml
	@scripts/install check && touch .venv/.run .venv/.test $@
