# Everything a newcomer needs: make demo, make test, make run. Each sets up what it needs by itself.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
unexport PYTHONDONTWRITEBYTECODE  # the tests start dozens of processes, each of which would compile everything anew

# Which PyTorch: cpu or cuda; auto: cuda where there is its driver, on Linux or under WSL 2.
TORCH       ?= auto
GPU_DRIVERS ?= /proc/driver/nvidia/version /usr/lib/wsl/lib/libcuda.so.1
CHOSEN      := $(if $(filter auto,$(TORCH)),$(if $(wildcard $(GPU_DRIVERS)),cuda,cpu),$(TORCH))
ifeq ($(filter cpu cuda,$(CHOSEN)),)
$(error TORCH has to be auto, cpu or cuda, not $(TORCH))
endif
# Where there is a PyTorch without CUDA's libraries; PyPI's for Linux on x86-64 has them.
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu

.PHONY: help demo serve test run speech upscale cluster cluster-tests torch check quick lint format types walls dead covered hooks hostile loopback quotas recordings tables true-size audit clean

help:
	@echo "make demo              hear and paint three sample sounds (SOUND=path takes your own)"
	@echo "                       TORCH=cpu or cuda chooses the PyTorch; without it a driver for NVIDIA's GPUs decides"
	@echo "make serve             open a page on which you record and see it painted (http://127.0.0.1:8080)"
	@echo "make test              run the tests"
	@echo "make run               start the bot with the token from .env; without one, the page"
	@echo "make speech            install what recognises speech; make upscale: what makes pictures larger"
	@echo "make check             lint, format check, types, walls, dead code and tests with coverage, as CI does"
	@echo "make quick             the same without tests, in half a minute; make hooks lets git run it before a commit"
	@echo "make loopback          what becomes of requests under each fault, into docs/answered.md; most of an hour"
	@echo "make format            put the code into its usual form"
	@echo "make hostile           shoot attacks and mutants at what reads recordings (MUTANTS=10000)"
	@echo "make audit             look up known weaknesses of the packages in constraints.txt; needs the network"
	@echo "make quotas            try thousands of orders in which people may ask for more than the limits (SEQUENCES=10000)"
	@echo "make tables            run the long tables whole of which make test takes a part; some minutes"
	@echo "make cluster-tests     kill the parts of a Ray cluster on this machine, one after another; make cluster installs Ray"
	@echo "make true-size         paint with Playground's true shapes on the processor; 12 GB of memory, a few minutes"
	@echo "make recordings        hear 700 recordings of every kind and compare them with what ffmpeg plays"

demo: $(VENV)/installed
	@$(BIN)/imagine-sound demo $(if $(SOUND),--sound "$(SOUND)")

serve: $(VENV)/installed
	@$(BIN)/imagine-sound serve

test: $(VENV)/installed-dev
	@rm -f .pytest_cache/v/cache/lastfailed; $(BIN)/pytest $(SHARED) $(TESTS) || $(ALONE)

run: $(VENV)/installed
	@$(BIN)/imagine-sound-bot

# The tests are shared out among the processors; each takes from the others when it is through.
SHARED := --numprocesses auto --dist worksteal

check: quick covered

quick: lint types walls dead

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-dev
	$(BIN)/mypy

# Who may import what: the contracts in pyproject.toml.
walls: $(VENV)/installed-dev
	$(BIN)/lint-imports

# What nobody uses any more.
dead: $(VENV)/installed-dev
	$(BIN)/vulture

# In two parts, since only what uses the store is to be measured in greenlets too (pyproject.toml says why).
STORED := tests/bot tests/loopback
covered: $(VENV)/installed-dev
	@rm -f .pytest_cache/v/cache/lastfailed; failed=0; \
	GREENLETS=greenlet $(BIN)/pytest $(SHARED) --cov --cov-report= --cov-fail-under=0 $(STORED) || failed=1; \
	$(BIN)/pytest $(SHARED) --cov --cov-append --cov-report= --cov-fail-under=0 $(STORED:%=--ignore=%) || failed=1; \
	[ $$failed = 0 ] || $(ALONE) && $(BIN)/coverage report --skip-covered

# Hundreds of processes, browsers and clocks share a few processors here. What fails among them is tried again with the
# machine to itself: a fault fails there, too, and what only wanted time is named by the line above and below.
ALONE = { echo "What failed beside others, alone:"; $(BIN)/pytest --last-failed --last-failed-no-failures none -x -rfEp; }

# The real bot against a stand-in for Discord that loses answers and kills it. `make test` runs some of these cells.
loopback: $(VENV)/installed-dev
	$(BIN)/python -m tests.loopback

hooks:
	@printf '#!/bin/sh\nexec make quick\n' > "$$(git rev-parse --git-path hooks)/pre-commit"
	@chmod +x "$$(git rev-parse --git-path hooks)/pre-commit"
	@echo "git now runs make quick before each commit; git commit --no-verify does without"

format: $(VENV)/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

hostile: $(VENV)/installed-dev
	$(BIN)/python -m tests.hostile $(if $(MUTANTS),--mutants $(MUTANTS))

quotas: $(VENV)/installed-dev
	$(BIN)/python -m tests.bot.requests.test_quotas $(or $(SEQUENCES),10000)
	TABLES=all $(BIN)/pytest $(SHARED) tests/bot/requests/test_quota_ways.py

tables: $(VENV)/installed-dev
	TABLES=all $(BIN)/pytest $(SHARED) -m 'table and not slow'

recordings: $(VENV)/installed-dev
	$(BIN)/python -m tests.hearing

# What `make test` leaves out: it needs 12 GB of memory, and 7 GB of disk for as long as it runs.
true-size: $(VENV)/installed-dev
	$(BIN)/pytest -m slow

# The versions that are installed, whatever is in $(VENV). Strict: what could not be looked up is an error, not a pass.
audit: $(VENV)/installed
	@$(PIP) --editable '.[audit]'
	$(BIN)/pip-audit --strict --no-deps --disable-pip --requirement constraints.txt

clean:
	rm -rf $(VENV) demo .mypy_cache .pytest_cache .ruff_cache *.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "imagine-sound needs Python 3.11 or newer; set PYTHON=python3.12, say."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "Python's venv module is missing; on Debian: apt install python3-venv"; exit 1; }

# MediaPipe is linked against these system libraries, though it needs no screen and no GPU.
LIBRARIES := libegl1 libgles2
$(VENV)/libraries: $(BIN)/python
	@if $(BIN)/python -c 'import ctypes; [ctypes.CDLL(n) for n in ("libEGL.so.1", "libGLESv2.so.2")]' 2>/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -q && apt-get install -y -q $(LIBRARIES); \
	elif command -v apt-get >/dev/null && sudo -n true 2>/dev/null; then sudo apt-get update -q && sudo apt-get install -y -q $(LIBRARIES); \
	else echo "MediaPipe needs two small system libraries; on Debian: sudo apt install $(LIBRARIES)"; exit 1; fi
	@touch $@

PIP = $(BIN)/pip install --disable-pip-version-check --quiet --constraint constraints.txt

# PyTorch comes before everything else, and alone: its build for the processor counts as newer than PyPI's, so pip takes
# it, be it from this index or by a configuration of your own. An index out of reach costs this one look-up only.
TORCH_PINNED = $(shell grep ^torch== constraints.txt)
FIND_TORCH   = $(BIN)/pip install --no-deps --constraint constraints.txt --retries 0 --timeout 5 \
  --extra-index-url $(TORCH_CPU_INDEX) $(TORCH_PINNED) --disable-pip-version-check --quiet --dry-run --report -

torch: $(VENV)/torch-$(CHOSEN)

# The stamp names the choice, so that another one installs anew.
$(VENV)/torch-$(CHOSEN): $(BIN)/python constraints.txt
	@if ls $(VENV)/torch-* 2>/dev/null | grep -qv -- '-$(CHOSEN)$$'; then \
	  rm -f $(VENV)/torch-* && $(BIN)/python deploy/torch_build.py forget; fi
ifeq ($(CHOSEN) $(shell uname -sm),cpu Linux x86_64)
	@$(FIND_TORCH) | $(BIN)/python deploy/torch_build.py take $(TORCH_PINNED) $(TORCH_CPU_INDEX)
else
	@$(BIN)/python deploy/torch_build.py tell $(CHOSEN)
endif
	@touch $@

$(VENV)/installed: $(BIN)/python $(VENV)/libraries $(VENV)/torch-$(CHOSEN) pyproject.toml constraints.txt
	@$(PIP) --no-deps deploy/without-opencv
	@$(PIP) --editable .
	@touch $@

# Editable as all else, so that a newer checkout is what runs. torchvision has to be of torch's build.
speech: $(VENV)/installed
	@$(PIP) --editable '.[speech]'

cluster: $(VENV)/installed
	@$(PIP) --editable '.[cluster]'

# Two nodes of Ray on this machine, whose replicas and nodes are killed; a few minutes, and 0.1 GB to download.
cluster-tests: $(VENV)/installed-dev cluster
	$(BIN)/pytest -m cluster

upscale: $(VENV)/installed
	@$(PIP) $(if $(filter cpu,$(CHOSEN)),--extra-index-url $(TORCH_CPU_INDEX)) --editable '.[upscale]'

$(VENV)/installed-dev: $(VENV)/installed
	@$(PIP) --editable '.[dev]'
	@$(PIP) --no-deps spandrel
	@touch $@
