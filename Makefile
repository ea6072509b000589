# Everything that people do with this project, by name. `make` alone lists it.
# Paths are relative throughout, so that the folder may have any name.

# A Python 3.11 to 3.13 to set up with: the first found that runs. Another: make test PYTHON=/path/to/python
PYTHON := $(shell for name in python3.11 python3 python3.12 python3.13 python; do \
	$$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$name && break; done)
VENV_PYTHON := .venv/bin/python
export PYTHONUTF8 := 1
# Some machines tell Python to keep no bytecode. Then every process compiles every library again, for three seconds.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup demo quick test test-long lint digests fuzz kills bench data notebooks clean lock

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

setup: ## install what the lock pins into .venv; does nothing when that is done
	@test -n '$(PYTHON)' || { echo 'No Python 3.11 to 3.13 was found. Install one, or name it: make PYTHON=/path/to/python' >&2; exit 1; }
	@$(PYTHON) scripts/set_up.py

demo: setup ## the main job: records, tiers, five plans compared; ends in build/demo/index.html
	@$(VENV_PYTHON) -m tierkit demo --out build/demo

quick: setup ## for daily work: style, types, layers and the tests that take no time
	@$(VENV_PYTHON) -m pytest -n 2 --dist worksteal -m "not slow and not long" tests

test: setup ## every check: tests, doctests, style, types, layers
	@$(VENV_PYTHON) -m pytest -n 2 --dist worksteal -m "not long"

test-long: setup ## before a release, beside make test: many seeds, large cities, every notebook
	@$(VENV_PYTHON) -m pytest -n 2 --dist worksteal -m long

lint: setup ## style, types and layers alone
	@$(VENV_PYTHON) -m ruff check .
	@$(VENV_PYTHON) -m ruff format --check --quiet .
	@$(VENV_PYTHON) -m mypy
	@$(VENV_PYTHON) -c "from importlinter.cli import lint_imports_command; lint_imports_command()"

digests: setup ## hold what the commands write on fixed seeds to tests/digests.json
	@$(VENV_PYTHON) scripts/digests.py

kills: setup ## let runs of every writing command meet and be killed: an hour or two; fewer with WORDS="pairs=2 kills=20"
	@$(VENV_PYTHON) scripts/kills.py $(WORDS)

fuzz: setup ## search for files of a stranger's that break tierkit, ten minutes each kind; make fuzz target=scores seconds=60
	@$(VENV_PYTHON) scripts/fuzz.py $(if $(target),--target $(target)) --seconds $(or $(seconds),600)

bench: setup ## measure speed and memory beside other libraries
	@$(PYTHON) scripts/set_up.py bench
	@$(VENV_PYTHON) -m benchmarks

data: setup ## make data/synthetic again, bit for bit
	@$(VENV_PYTHON) -m tierkit synth --enterprises 2000 --seed 2025 --out data/synthetic

notebooks: setup ## run every notebook in place
	@$(VENV_PYTHON) -m jupyter nbconvert --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False notebooks/*.ipynb

clean: ## remove what was built (the environment stays; rm -r .venv removes that too)
	@rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

lock: ## resolve pyproject.toml's dependencies into the locks again
	@$(PYTHON) scripts/lock.py
