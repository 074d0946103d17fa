# Every workflow of the project. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := bash
PYTHON ?= python3
BIN := .venv/bin
NEWSQUAKE := $(BIN)/newsquake
PIP_INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt
# A torch that the machine already offers is kept: the environment then sees the system's packages.
VENV_FLAGS := $(shell $(PYTHON) -c 'import torch' 2>/dev/null && echo --system-site-packages)
GPU := $(shell command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L >/dev/null 2>&1 && echo yes)
BASE := $(if $(GPU),.venv/gpu.installed,.venv/base.installed)

.PHONY: help
help:  ## List the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

.venv/bin/python:
	$(PYTHON) -m venv $(VENV_FLAGS) .venv

.venv/base.installed: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing the base environment into .venv (downloads about 110 MB, no torch) ..." >&2
	$(PIP_INSTALL) -e .
	@touch $@

.venv/gpu.installed: pyproject.toml constraints.txt | .venv/bin/python
	@echo "An NVIDIA GPU is here: installing the gpu extra too (torch: downloads about 2.5 GB) ..." >&2
	$(PIP_INSTALL) -e '.[gpu]'
	@touch $@

.venv/test.installed: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing everything the tests need into .venv (torch's CUDA build: downloads about 2.5 GB, 4.7 GB on disk; README: how to keep a CPU build) ..." >&2
	$(PIP_INSTALL) -e '.[test]'
	@touch $@ .venv/base.installed .venv/gpu.installed

.PHONY: demo
demo: $(BASE)  ## The whole pipeline on a simulated newswire, in this terminal
	$(NEWSQUAKE) demo

.PHONY: run
run: $(BASE)  ## The same pipeline live, on the feeds of deploy/sources.toml
	$(NEWSQUAKE) --config deploy/sources.toml run

.PHONY: test
test: .venv/test.installed tools  ## Every test but the slow ones (Kafka against a real broker)
	$(BIN)/python -m pytest -m 'not slow'

.PHONY: test-all
test-all: .venv/test.installed tools  ## Every test, the slow ones too
	$(BIN)/python -m pytest

.PHONY: tools
tools:  # Debian packages that the tests run for real, where we may install them
	@deploy/install-tools

.PHONY: kafka
kafka:  ## One real Kafka broker in this terminal (Java 17+, Maven; downloads 44 MB once)
	deploy/kafka/broker

.PHONY: train
train: .venv/test.installed  ## Train the shipped model again (needs the labelled data; README)
	$(NEWSQUAKE) train

.PHONY: bench
bench: .venv/test.installed  ## Ratios: the log, the classifier, the pipeline
	for script in tests/bench/bench_*.py; do $(BIN)/python $$script || exit 1; done

.PHONY: lint
lint: .venv/test.installed  ## Style and types
	$(BIN)/ruff check .
	$(BIN)/mypy wire ingest classifier alerts newsquake

.PHONY: lock
lock: .venv/test.installed  ## Pin what is installed next time; torch and its companions stay free
	$(BIN)/python -m uv pip compile --quiet --universal --all-extras --no-emit-package torch pyproject.toml \
	  | grep -vE '^(#|    #|nvidia-|cuda-|triton|newsquake)' > constraints.txt

.PHONY: clean
clean:  ## Remove the environment and caches (never the home)
	rm -rf .venv .cache dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
