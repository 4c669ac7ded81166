# Everything a developer, the README and CI run. The first call makes .venv from the locks.
PYTHON   ?= python3
EXAMPLES ?= 20000
HISTORIES ?= 100000
FIRST    ?= 0
ARGS     ?=
RELEASE  ?= 1
# Of tests much is waiting: three workers take two thirds of the time. One has all output in order.
WORKERS  ?= 0

BIN   := .venv/bin
PIP   := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input
LOCKS := packaging/requirements
UV    ?= $(BIN)/uv

.DELETE_ON_ERROR:
.PHONY: help test check demo bench soak fuzz power faults packages lock clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' Makefile

# Hundreds of daemons are started. Where Python may write no bytecode, each would compile all of docferry.
test: .venv/.tests ## run the tests; ARGS="-k name -x" goes to pytest, and WORKERS=3 shares them out
	$(BIN)/python -m compileall -q daemon
	$(BIN)/pytest --numprocesses=$(WORKERS) $(ARGS)

check: .venv/.checks ## lint, formatting, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

demo: .venv/.tests ## a folder and a real S3 server, mirrored before your eyes; Ctrl-C ends it
	$(BIN)/python tests/demo.py $(ARGS)

bench: .venv/.tests ## measure against rclone and s5cmd; ARGS="--help" tells what there is
	PYTHONPATH=tests $(BIN)/python -m benchmarks $(ARGS)

soak: .venv/.tests ## many simulated histories, then the property tests for long: HISTORIES=100000 EXAMPLES=20000
	PYTHONPATH=daemon:tests $(BIN)/python -m simulation --histories $(HISTORIES) --first $(FIRST)
	PYTHONPATH=daemon:tests $(BIN)/python -m simulation --bursts --histories $$(($(HISTORIES) / 4)) --first $(FIRST)
	DOCFERRY_EXAMPLES=$(EXAMPLES) $(BIN)/pytest tests/property --hypothesis-profile=long --timeout=0 $(ARGS)

power: .venv/.tests ## plant known faults in what histories run through: how many until each is found
	PYTHONPATH=daemon:tests $(BIN)/python -m simulation.power $(ARGS)

# Pins stay as they are unless pyproject.toml asks for others: ARGS=--upgrade moves all of them.
COMPILE = $(UV) pip compile --quiet --no-config --universal --python-version=3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command="make lock" $(ARGS)
lock: $(if $(filter $(BIN)/%,$(UV)),.venv/.checks) ## write the locks anew from pyproject.toml; UV=uv takes your own
	$(COMPILE) --extra=markdown --output-file=$(LOCKS).lock pyproject.toml
	$(COMPILE) --extra=markdown --extra=pdf --constraints=$(LOCKS).lock --output-file=$(LOCKS)-pdf.lock pyproject.toml
	$(COMPILE) --extra=markdown --extra=pdf --group=test --constraints=$(LOCKS)-pdf.lock --output-file=$(LOCKS)-test.lock pyproject.toml
	$(COMPILE) --group=check --constraints=$(LOCKS)-test.lock --output-file=$(LOCKS)-check.lock
	@! grep -nE '://|^ *--(index|extra|find|trusted)|@ ' $(LOCKS)*.lock || { echo 'a lock names a place' >&2; exit 1; }

fuzz: .venv/.tests ## look for bytes that break a promise, five minutes a target; ARGS="listing forms --seconds 60"
	PYTHONPATH=tests $(BIN)/python -m fuzz $(ARGS)

faults: .venv/.tests ## plant known faults one by one: each must be caught; ARGS="hold rename" picks some
	$(BIN)/python tests/planted_faults.py $(ARGS)

packages: .venv/.tests ## wheel, sdist, .deb and .rpm in dist/; RELEASE=2 numbers another build of one version
	packaging/build-packages $(BIN) dist $(RELEASE)

clean: ## remove what the other targets made
	rm -rf .venv build dist demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find daemon tests -name __pycache__ -type d -prune -exec rm -rf {} +

# A changed lock makes a new .venv: what is in it is what the lock says, and nothing else.
.venv/.locked: $(LOCKS)-test.lock packaging/make-venv
	@echo 'making .venv from $<'
	packaging/make-venv $(PYTHON) .venv
	$(PIP) --require-hashes --only-binary=:all: -r $<
	@touch $@

.venv/.tests: .venv/.locked pyproject.toml
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.checks: .venv/.tests $(LOCKS)-check.lock
	$(PIP) --require-hashes --only-binary=:all: -r $(LOCKS)-check.lock
	@touch $@
