# One command each, the same for a developer and for continuous integration.
#   make demo        environment, installation, then `lissom demo`
#   make test        environment, installation, lint, types, all fast tests
#   make test-slow   also what needs Debian packages, a browser or large wheels (skips say why)
#   make check       lint, format, types and architecture only
#   make bench       the four published tasks (CACHE=folder, TASKS="name ...")
#   make clean       remove what these made

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CACHE ?= build/bench
TASKS ?=
JOBS ?= 2
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

.PHONY: demo test test-slow check bench table docs clean
.DELETE_ON_ERROR:

demo: $(VENV)/.installed
	$(BIN)/lissom demo

test: check
	$(BIN)/python -m pytest -m "not slow" -n $(JOBS) --dist loadfile

test-slow: check
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -rs

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_architecture.py tests/test_conduct.py

bench: $(VENV)/.installed-dev
	$(PIP) -r bench/requirements.txt
	$(BIN)/python -m bench $(TASKS) --cache $(CACHE)
	$(BIN)/python -m bench.table

table: $(VENV)/.installed-dev
	$(BIN)/python -m bench.table

docs: $(VENV)/.installed-dev
	$(BIN)/python docs/generate.py

clean:
	rm -rf $(VENV) build dist lissom-demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)

# A stamp tells that an installation is done; it is repeated only when what it depends on changed.
# The plain installation copies the package, so every source file counts; the editable one links it.
$(VENV)/.installed: pyproject.toml $(shell find src -type f -not -name '*.pyc') | $(BIN)/python
	test -e $(VENV)/.installed-dev && test ! pyproject.toml -nt $(VENV)/.installed-dev || $(PIP) .
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(PIP) -e ".[dev]"
	touch $@
