# The commands of the project. PYTHON and VENV may be given: `make test PYTHON=python3.12`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STORE ?= quickstart-store
# How many processes test side by side; the tests of one file stay together.
TESTERS ?= 2
PYTEST := $(BIN)/pytest -n $(TESTERS) --dist loadfile
# What `make quickstart` does where the store has its run already: ask, resume or new.
AGAIN ?= ask

.PHONY: quickstart test test-all surface conformance clients mcpb lint format bench clean

quickstart: $(VENV)/.installed
	$(BIN)/deltanas run configs/quickstart.toml --store $(STORE) --if-exists $(AGAIN) \
	  || { echo "Here: make quickstart AGAIN=resume, or AGAIN=new"; exit 1; }
	@echo "deltanas is in $(BIN); to run this again: make quickstart AGAIN=resume, or AGAIN=new"

test: lint
	$(PYTEST)

# The slow ones one after the other: two clusters of Ray do not share a machine.
test-all: test
	$(BIN)/pytest -m slow

# Writes what clients see of the MCP server anew, and the README's table: look at the diff.
surface: $(VENV)/.installed-dev
	DELTANAS_WRITE_SURFACE=1 $(BIN)/pytest -q tests/deltanas_mcp/test_surface.py

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The official suite and the Inspector against our server; fetches Node 22 from npm into .conformance.
conformance: $(VENV)/.installed-dev
	$(BIN)/python -m tests.conformance.run

# Other people's clients drive a whole search; each has an environment of its own in .clients.
clients: $(VENV)/.installed-dev
	$(BIN)/python -m tests.clients.run

# The bundle for Claude Desktop; npx fetches the packer.
mcpb:
	mcpb/pack.sh

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# What needs a model, a corpus or a store of LEMUR's is run by hand: each says how at its top.
BY_HAND := answer_lengths delta_grammar generation lora_step novelty_recall proposers

bench: $(VENV)/.installed-dev
	for name in $(filter-out $(BY_HAND),$(basename $(notdir $(wildcard benchmarks/[a-z]*.py)))); do \
	  echo "== $$name"; $(BIN)/python -m benchmarks.$$name || exit 1; \
	done

clean:
	rm -rf $(VENV) .clients .conformance build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

# An environment that is there already keeps what it has: its torch, too, if the range allows it.
$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "DeltaNAS needs Python 3.11 or newer; found " + sys.version.split()[0] + ". Say which: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/.installed
