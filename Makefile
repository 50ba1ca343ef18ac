# make bench: measure this machine.  make test: all checks.  Both make .venv first; nothing but Python and make is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := bench
.PHONY: bench gpu gpu-kit test lint report bench-trust bench-explain bench-kills bench-overhead bench-predict bench-report bench-rewrites bench-speed bench-suites bench-train fuzz

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

bench: $(VENV)/installed
	$(BIN)/nervbench run bench.toml

# On a machine with an NVIDIA GPU.  Without a network: make gpu-kit elsewhere, bring the folder, make gpu KIT=gpu-kit.
BUDGET ?= 8m
ONLY ?=
KIT ?=
GPU_QUEUE := -m tests.bench.gpu --budget $(BUDGET) --only "$(ONLY)"
ifeq ($(KIT),)
gpu: $(VENV)/installed
	$(BIN)/python $(GPU_QUEUE)
else
gpu:
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-compile --upgrade --target $(KIT)/site $(KIT)/*.whl
	PYTHONPATH=$(KIT)/site $(PYTHON) $(GPU_QUEUE)
endif

# What a machine lacks that has PyTorch, Triton, ONNX Runtime and Matplotlib: wheels for its Python, and our own.
KIT_PYTHON ?= 3.12
gpu-kit: $(VENV)/installed
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir gpu-kit .
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --python-version $(KIT_PYTHON) \
		--platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
		--dest gpu-kit -c constraints.txt -r tests/bench/gpu-kit.txt
	du -sh gpu-kit

# Two at a time, but for those that measure, or that see what others do.
test: $(VENV)/installed lint
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not alone"
	$(BIN)/pytest -m alone

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

bench-overhead: N = 10 100
bench-overhead: $(VENV)/installed
	$(BIN)/python -m tests.bench.overhead -n $(N)

bench-report: N = 1000 10000
bench-report: $(VENV)/installed
	$(BIN)/python -m tests.bench.pages -n $(N)

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
