# make bench: measure this machine.  make test: all checks.  Both make .venv first; nothing but Python and make is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := bench
.PHONY: bench gpu test lint report bench-trust bench-explain bench-kills bench-predict bench-rewrites bench-speed bench-suites bench-train fuzz

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

bench: $(VENV)/installed
	$(BIN)/nervbench run bench.toml

BUDGET ?= 8m
gpu: $(VENV)/installed
	$(BIN)/nervbench run gpu.toml --device cuda --out runs/gpu --resume --budget $(BUDGET)

test: $(VENV)/installed lint
	$(BIN)/pytest

lint: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

N ?= 100
bench-trust: $(VENV)/installed
	$(BIN)/python -m tests.bench.trust -n $(N)

bench-explain: N = 3
bench-explain: $(VENV)/installed
	$(BIN)/python -m tests.bench.explain -n $(N)

bench-kills: $(VENV)/installed
	$(BIN)/python -m tests.bench.kills -n $(N)

MODEL ?= nerv-s
bench-speed: $(VENV)/installed
	$(BIN)/python -m tests.bench.speed --model $(MODEL)

bench-rewrites: MODEL = nerv-xs
bench-rewrites: $(VENV)/installed
	$(BIN)/python -m tests.bench.rewrites --model $(MODEL)

EPOCHS ?= 0
bench-train: $(VENV)/installed
	$(BIN)/python -m tests.bench.train --quality $(EPOCHS)

SUITES := ablation table2 hyperparameters new-dataset rate-distortion
bench-suites: $(VENV)/installed
	for name in $(SUITES); do $(BIN)/nervbench run suite:$$name --out runs/suites/$$name --resume || exit; done

bench-predict: $(VENV)/installed
	$(BIN)/python -m tests.bench.fit

report: $(VENV)/installed
	$(BIN)/nervbench report reports --check

fuzz: N = 1000000
fuzz: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz -n $(N)
