# make demo   the whole chain on simulated data, then the result table        (SEEDS=3 for three seeds)
# make test   the tests                                                       (TESTS=tests/unit for some of them)
# make lint   what CI lints
# make docs   write the list of keys in config/README.md anew
# make lock   write requirements.lock anew from pyproject.toml

SHELL := /bin/bash
PYTHON ?= python3
CORES ?= all
SEEDS ?= 1
TESTS ?= tests
BIN := .venv/bin

.PHONY: demo test lint docs lock clean

demo: .venv/installed
	$(BIN)/snakemake --cores $(CORES) --config seeds="$$($(BIN)/python -c 'print(list(range(42, 42 + $(SEEDS))))')"
	@echo && cat results/report/summary.md && echo && echo "All figures: results/report/"

test: .venv/installed
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest $(TESTS)

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/snakemake --lint
	$(BIN)/mypy

# Apart: momentfm pins versions of 2023, vrs asks for backports of the standard library; pip cannot override either.
.venv/installed: requirements.lock pyproject.toml Makefile
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps momentfm==0.1.4 vrs==1.2.2
	$(BIN)/pip install --quiet --no-deps --editable .
	touch $@

docs: .venv/installed
	$(BIN)/python -m comodo.schema

# torch is pinned without its CUDA packages: what it needs depends on the machine, so pip resolves that.
lock:
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet --upgrade pip
	.venv-lock/bin/pip install --quiet torch==2.13.0 && .venv-lock/bin/pip install --quiet --group dev .
	(echo "# Written by \`make lock\`. momentfm and vrs are not here: see the Makefile."; \
	 .venv-lock/bin/pip freeze --exclude comodo --exclude setuptools | grep --invert-match --extended-regexp '^(nvidia-|cuda-|triton)' \
	 | sed --regexp-extended "s/^(torch==[^+]+)\+.*/\1/; s/^decord==.*/&; sys_platform == 'linux' and platform_machine == 'x86_64'\neva-decord==0.6.1; sys_platform == 'darwin'/") > requirements.lock
	rm -rf .venv-lock

clean:
	rm -rf .venv .snakemake dataset/simulated
	find results -mindepth 1 -maxdepth 1 ! -name published -exec rm -rf {} +
