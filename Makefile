# Every target does the set-up it needs; a second call finds the stamp and goes straight on.
# make demo PORT=9000 serves elsewhere; make test ARGS="-k harvest" runs a part of the tests.
PYTHON ?= python3.11
HOST ?= 127.0.0.1
PORT ?= 8000
JOBS ?= 2
ARGS ?=

BIN := .venv/bin
STAMP := .venv/.featurescope-installed

.PHONY: setup demo fix check test serve worker migrate browser

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON) here. Install Python 3.11 or newer, or name it: make setup PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	$(BIN)/python -m worker.harvest.precompile
	@touch $@

demo: $(STAMP)
	@$(BIN)/featurescope demo --host $(HOST) --port $(PORT)

serve: migrate
	@$(BIN)/featurescope serve --host $(HOST) --port $(PORT)

worker: migrate
	@$(BIN)/featurescope worker

migrate: $(STAMP)
	@$(BIN)/featurescope migrate

fix: $(STAMP)
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/pytest -q -m "not gpu and not slow and not browser" -n $(JOBS) $(ARGS)

browser:
	@sh tests/browser/install.sh

test: $(STAMP) browser
	$(BIN)/pytest -q -n $(JOBS) $(ARGS)
