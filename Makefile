# Everything a newcomer needs: make demo, make test, make run. Each sets up what it needs by itself.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: help demo test run check quick lint format types walls dead covered hooks hostile loopback quotas recordings audit clean

help:
	@echo "make demo              hear and paint three sample sounds (SOUND=path takes your own)"
	@echo "make test              run the tests"
	@echo "make run               start the bot with the token from .env"
	@echo "make check             lint, format check, types, walls, dead code and tests with coverage, as CI does"
	@echo "make quick             the same without tests, in half a minute; make hooks lets git run it before a commit"
	@echo "make loopback          what becomes of requests under each fault, into docs/answered.md; most of an hour"
	@echo "make format            put the code into its usual form"
	@echo "make hostile           shoot attacks and mutants at what reads recordings (MUTANTS=10000)"
	@echo "make audit             look up known weaknesses of the packages in constraints.txt; needs the network"
	@echo "make quotas            try thousands of orders in which people may ask for more than the limits (SEQUENCES=10000)"
	@echo "make recordings        hear 700 recordings of every kind and compare them with what ffmpeg plays"

demo: $(VENV)/installed
	@$(BIN)/imagine-sound demo $(if $(SOUND),--sound "$(SOUND)")

test: $(VENV)/installed-dev
	$(BIN)/pytest $(SHARED)

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

covered: $(VENV)/installed-dev
	$(BIN)/pytest $(SHARED) --cov --cov-report=term:skip-covered

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
	QUOTA_PAIRS=all $(BIN)/pytest $(SHARED) tests/bot/requests/test_quota_ways.py

recordings: $(VENV)/installed-dev
	$(BIN)/python -m tests.hearing

# The versions that are installed, whatever is in $(VENV). Strict: what could not be looked up is an error, not a pass.
audit: $(VENV)/installed
	@$(BIN)/pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable '.[audit]'
	$(BIN)/pip-audit --strict --no-deps --disable-pip --requirement constraints.txt

clean:
	rm -rf $(VENV) demo .mypy_cache .pytest_cache .ruff_cache *.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "imagine-sound needs Python 3.11 or newer; set PYTHON=python3.12, say."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "Python's venv module is missing; on Debian: apt install python3-venv"; exit 1; }

# MediaPipe is linked against these system libraries, though it needs no screen and no GPU.
LIBRARIES := libegl1 libgles2 libgl1 libglib2.0-0
$(VENV)/libraries: $(BIN)/python
	@if $(BIN)/python -c 'import ctypes; [ctypes.CDLL(n) for n in ("libEGL.so.1", "libGLESv2.so.2", "libGL.so.1", "libgthread-2.0.so.0")]' 2>/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -q && apt-get install -y -q $(LIBRARIES); \
	elif command -v apt-get >/dev/null && sudo -n true 2>/dev/null; then sudo apt-get update -q && sudo apt-get install -y -q $(LIBRARIES); \
	else echo "MediaPipe needs four small system libraries; on Debian: sudo apt install $(LIBRARIES)"; exit 1; fi
	@touch $@

$(VENV)/installed: $(BIN)/python $(VENV)/libraries pyproject.toml constraints.txt
	@echo "Installing imagine-sound into $(VENV); this takes a few minutes the first time."
	@$(BIN)/pip install --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	@$(BIN)/pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable '.[dev]'
	@$(BIN)/pip install --disable-pip-version-check --quiet --constraint constraints.txt --no-deps spandrel
	@touch $@
