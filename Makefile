# Every target sets up what it needs, in .venv; all that has to be there is Python >= 3.11 with pip.

PYTHON ?= python3
# How pytest is spread over the cores, and what else to tell it: make test PYTEST_ARGS="-k patterns".
PYTEST_PARALLEL ?= -n 2 --dist worksteal
PYTEST_ARGS ?=

BIN := .venv/bin
SETUP := PYTHON="$(PYTHON)" sh tools/setup_environment.sh

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test lint format docs bench constraints clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

demo: ## train a network to its certified optimum and show the result
	@$(SETUP) report
	$(BIN)/nogap demo

# One thread per worker: the tests multiply many small matrices, where more threads only cost time.
test: export OMP_NUM_THREADS ?= 1
test: export OPENBLAS_NUM_THREADS ?= 1
test: ## run the tests and the doctests
	@$(SETUP) test
	$(BIN)/python -m pytest $(PYTEST_PARALLEL) $(PYTEST_ARGS)

lint: ## check formatting, style and types
	@$(SETUP) lint
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy

format: ## format the code and fix what can be fixed by itself
	@$(SETUP) lint
	$(BIN)/python -m ruff format .
	$(BIN)/python -m ruff check --fix .

docs: ## build the documentation into docs/_build/html
	@$(SETUP) docs
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html

bench: ## run the benchmarks
	@$(SETUP) bench
	$(BIN)/python -m benchmarks

constraints: ## write constraints.txt anew from the newest versions
	PYTHON="$(PYTHON)" sh tools/update_constraints.sh

clean: ## remove what the other targets made, apart from .venv
	rm -rf build dist demo docs/_build docs/generated docs/auto_examples .coverage htmlcov
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
