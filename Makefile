# make demo   the whole chain on simulated data, then the result table        (SEEDS=3 for three seeds)
# make test   the tests, five minutes on two cores                            (TESTS=tests/unit for some of them)
# make test-all   all tests: slow ones, a browser, crashes, a real Slurm, fuzzing
# make test-pythons   the lock and the torch-free tests on Python 3.12 and 3.13; make test-oldest: the oldest packages
# make crash-matrix   kill every stage many times, Snakemake and Slurm in every way; hours  (KILLS=10)
# make lint   what CI lints (Snakemake's own linter runs as a test: tests/workflow/test_lint.py)
# make paper-plan   what repeating every published figure would cost           (RATES=FILE: rates measured elsewhere)
# make fuzz   give the readers what nobody would write                        (FUZZ_MINUTES=30)
# make bench  measure each stage against its limit, into docs/               (LINES="svm noop" for some of them)
# make benchmark-learning   does distillation teach? 5 seeds in two worlds, into docs/benchmark-tables.md (an hour)
# make docs   write the generated pages, then the site in build/site/
# make lock   write requirements.lock anew from pyproject.toml

SHELL := /bin/bash
PYTHON ?= python3
CORES ?= all
SEEDS ?= 1
FUZZ_MINUTES ?= 30
TESTS ?= tests/unit tests/workflow tests/benchmarks
KILLS ?= 10
BIN := .venv/bin

.PHONY: demo test test-all test-pythons test-oldest fuzz crash-matrix bench benchmark-learning lint paper-plan docs lock clean

demo: .venv/installed
	$(BIN)/snakemake --cores $(CORES) --config seeds="$$($(BIN)/python -c 'print(list(range(42, 42 + $(SEEDS))))')"
	@echo && cat results/report/summary.md && echo && echo "All figures: results/report/"

TEST = PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest
PARALLEL := --numprocesses logical --dist loadfile

test: .venv/installed
	$(TEST) $(TESTS) $(PARALLEL) -m "not slow"

test-all: .venv/installed
	$(TEST) $(TESTS) tests/browser $(PARALLEL)
	$(TEST) tests/crash tests/cluster tests/fuzz

test-pythons:
	.ci/test-python 3.12
	.ci/test-python 3.13

test-oldest:
	.ci/test-oldest

fuzz: .venv/installed
	FUZZ_MINUTES=$(FUZZ_MINUTES) $(BIN)/python -m pytest tests/fuzz -s

# Many small jobs: one core each, and no queue for a GPU.
LEARNING := build/learning
LEARN = OMP_NUM_THREADS=1 $(BIN)/snakemake --snakefile Snakefile --cores $(CORES) --resources gpu=1000 \
	--set-threads make_teacher=1 extract_clips=1 encode_video=1 distill=1 extract_features=1
COMODO_REALDATA ?= ../shared/realdata

benchmark-learning: .venv/installed
	@test -d $(COMODO_REALDATA)/classyglass || { echo "No $(COMODO_REALDATA)/classyglass: get User1/ and User2/ from \
	github.com/MU-Smart/ClassyGlass, set COMODO_REALDATA to the folder above classyglass/"; exit 1; }
	$(BIN)/python benchmarks/learning/classyglass.py $(COMODO_REALDATA)/classyglass $(LEARNING)/glasses/motion
	for world in simulated glasses; do \
	  mkdir -p $(LEARNING)/$$world && cp benchmarks/learning/$$world.yaml $(LEARNING)/$$world/config.yaml && \
	  $(LEARN) --directory $(LEARNING)/$$world --configfile $(LEARNING)/$$world/config.yaml || exit 1; \
	done
	$(BIN)/python benchmarks/learning/table.py docs/benchmark-tables.md $(LEARNING)/simulated $(LEARNING)/glasses

crash-matrix: .venv/installed
	COMODO_KILLS=$(KILLS) PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest tests/crash tests/cluster

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/mypy
	$(BIN)/mypy --disable-error-code name-defined workflow/scripts # the name `snakemake` is injected
	$(BIN)/lint-imports

paper-plan: .venv/installed
	$(BIN)/comodo plan config/paper.yaml $(if $(RATES),--rates $(RATES))

# Apart: aeon asks for a numba that refuses today's numpy, momentfm pins versions of 2023, vrs asks for backports of the
# standard library; pip cannot override any of it.
.venv/installed: requirements.lock pyproject.toml Makefile
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps aeon==1.6.0 momentfm==0.1.4 "vrs==1.2.2; python_version < '3.13'"
	$(BIN)/pip install --quiet --no-deps --editable .
	touch $@

bench: .venv/installed
	$(BIN)/python -m benchmarks $(LINES)

docs: .venv/installed
	$(BIN)/python -m comodo.config.reference
	$(BIN)/python -m comodo.config.schema
	$(BIN)/python -m comodo.clips.reference
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "The site: build/site/index.html"

# torch is pinned without its CUDA packages: what it needs depends on the machine, so pip resolves that.
lock:
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet --upgrade pip
	.venv-lock/bin/pip install --quiet torch==2.13.0 && .venv-lock/bin/pip install --quiet --group dev .
	(echo "# Written by \`make lock\`. aeon, momentfm and vrs are not here: see the Makefile."; \
	 .venv-lock/bin/pip freeze --exclude comodo --exclude setuptools | grep --invert-match --extended-regexp '^(nvidia-|cuda-|triton)' \
	 | sed --regexp-extended "s/^(torch==[^+]+)\+.*/\1/; s/^telemetry-parser==.*/&; python_version < '3.13'/; s/^(torchcodec==[^+]+).*/\1; sys_platform == 'linux'/; s/^decord==.*/&; sys_platform == 'linux' and platform_machine == 'x86_64'\neva-decord==0.6.1; sys_platform == 'darwin'/") > requirements.lock
	rm -rf .venv-lock

clean:
	rm -rf .venv .snakemake dataset/simulated
	find results -mindepth 1 -maxdepth 1 ! -name published -exec rm -rf {} +
