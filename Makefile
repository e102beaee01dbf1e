# What a newcomer needs:  make run   make test
# Everything is made inside the checkout, in .venv.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

# What pip, irqframe and the tests keep and throw away stays in there too.
export PIP_CACHE_DIR := $(CURDIR)/$(VENV)/cache
export TMPDIR := $(CURDIR)/$(VENV)/tmp
export IRQFRAME_CACHE_DIR := $(CURDIR)/$(VENV)/cache/irqframe
MACHINE ?= docs/examples/virt-rvic.dts

PACKAGES := irqframe plugins/rvic/irqframe_rvic plugins/vgic/irqframe_vgic docs/examples/irqframe-toy/irqframe_toy
CODE     := $(PACKAGES) tests plugins/rvic/tests plugins/vgic/tests docs benchmarks setup.py

FUZZ_SECONDS ?= 3600
ORACLE_SECONDS ?= 60
THREADS_EVENTS ?= 10000000

.PHONY: run test test-corpus test-linux test-oracle test-pure test-sanitized test-threads lint types check bench bench-record fuzz docs prepared clean

run: $(VENV)/installed
	$(BIN)/irqframe run $(MACHINE)

test: $(VENV)/installed-test
	$(BIN)/python -m pytest

# Every arm64 board of Linux against dtc; fetches Debian's linux-source-6.1 (140 MB) once, and takes some minutes.
test-corpus: $(VENV)/installed-test
	PYTHONPATH=tests $(BIN)/python tests/corpus/prepare.py
	IRQFRAME_CORPUS=1 $(BIN)/python -m pytest -q tests/corpus

# Debian's arm64 kernel booted on the GICs; fetches it (22 MB) once.
test-linux: $(VENV)/installed-test
	PYTHONPATH=tests $(BIN)/python tests/linux/prepare.py
	IRQFRAME_LINUX=1 $(BIN)/python -m pytest -q tests/linux

# `make test` in the Python make: nothing that is compiled is used, whether it is built or not.
test-pure: $(VENV)/installed-test
	IRQFRAME_PURE=1 $(BIN)/python -m pytest

# Threads that raise, drain, mask and move, on every irqchip and in both makes; THREADS_EVENTS each, some minutes each.
test-threads: $(VENV)/installed-test
	IRQFRAME_THREADS=$(THREADS_EVENTS) $(BIN)/python -m pytest -q -s tests/threads

# The C extension with the sanitizers of gcc and its own asserts; takes some minutes.
test-sanitized: $(VENV)/installed-test
	$(BIN)/python tests/bits/sanitize.py

# The GICs against QEMU's, live and random; plugins/vgic/tests/oracle/README.md has the rest.
test-oracle: $(VENV)/installed-test
	PYTHONPATH=plugins/vgic/tests $(BIN)/python -m oracle run $(ORACLE_VERSIONS) \
		$(if $(ORACLE_OPERATIONS),--operations $(ORACLE_OPERATIONS),--seconds $(ORACLE_SECONDS))

lint: $(VENV)/installed-lint
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

types: $(VENV)/installed-lint
	$(BIN)/mypy --strict $(PACKAGES)

check: lint types test

# Ratios, never times, each with its bar.
bench: $(VENV)/installed-bench
	$(BIN)/python benchmarks/performance.py $(BENCHMARKS)

# The same, kept in docs/performance.json, and the page made of it.
bench-record: $(VENV)/installed-bench
	$(BIN)/python benchmarks/performance.py --record
	$(BIN)/python docs/generate.py

# All targets together take FUZZ_SECONDS; tests/fuzz/README.md has the rest.
fuzz: $(VENV)/installed-fuzz
	$(BIN)/python tests/fuzz/campaign.py --seconds $(FUZZ_SECONDS) $(FUZZ_TARGETS)

# Pages that are made from the tables the code runs; a test fails when they are stale.
docs: $(VENV)/installed-test
	$(BIN)/python docs/generate.py

# What the shipped bindings mean, worked out ahead; a test fails when it is stale.
prepared: $(VENV)/installed
	$(BIN)/python -c "from irqframe.dt._shipped import write_prepared; write_prepared('bindings/prepared.json')"

clean:
	rm -rf $(VENV) build dist *.egg-info plugins/*/build plugins/*/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .fuzz

# What is compiled is made anew with the rest when its source changes.
PROJECTS := setup.py $(wildcard irqframe/csrc/*) pyproject.toml plugins/rvic/pyproject.toml plugins/vgic/pyproject.toml

$(VENV)/bin/python:
	TMPDIR= $(PYTHON) -m venv $(VENV)
	mkdir -p $(TMPDIR)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'

$(VENV)/installed: $(PROJECTS) | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e . -e plugins/rvic -e plugins/vgic
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group test -e '.[guest]'
	touch $@

$(VENV)/installed-bench: $(VENV)/installed-test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group bench
	touch $@

$(VENV)/installed-lint: $(VENV)/installed-test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group lint
	touch $@

# atheris has wheels for some versions of Python on Linux only; without it `make fuzz` says so and skips.
$(VENV)/installed-fuzz: $(VENV)/installed-test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --group fuzz || true
	touch $@
