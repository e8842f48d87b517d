# Everything a person or CI does with this repository. Needs Python 3.11 or later, git and make; the rest it installs into .venv.

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
READY := .venv/.ready

# No test, bench or try-out may fall through to the ECS metadata address.
export ALIBABA_CLOUD_ECS_METADATA_DISABLED = true

.DEFAULT_GOAL := help
.PHONY: help demo test check others format lint types contracts coverage soak mutants dockerfile golden bench bench-quick picture pictures peers lock clean

help:           ## this list
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "dlc-watcher needs Python 3.11 or later; none was found. Install it, or say: make PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY)  ## simulated DLC jobs, watched and told on this terminal; ARGS="--duration 20s" ends by itself
	@$(BIN)/dlc-watcher demo $(ARGS)

test: $(READY)  ## all tests; ARGS goes to pytest
	$(BIN)/python -m pytest -q $(ARGS)

check: format lint types contracts dockerfile others coverage  ## all that CI demands, each test once

others: $(READY)
	$(BIN)/python -m pytest -q --ignore=tests/core

format: $(READY)  ## is the code formatted? (mend with: .venv/bin/ruff format .)
	$(BIN)/ruff format --check .

lint: $(READY)  ## ruff
	$(BIN)/ruff check .

types: $(READY)  ## mypy --strict
	$(BIN)/mypy

contracts: $(READY)  ## who may import whom
	$(BIN)/lint-imports

coverage: $(READY)  ## every core module: 100 % of its branches, by tests/core alone
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q tests/core
	$(BIN)/coverage report --fail-under=100

soak: $(READY)  ## 10,000 jobs for a virtual day (SOAK_JOBS, SOAK_HOURS, SOAK_SEED); 100,000 made-up lives of jobs (SOAK_LIVES, LIFE_SEED); a replayed week of 2,000
	SOAK_JOBS=$${SOAK_JOBS:-10000} SOAK_HOURS=$${SOAK_HOURS:-24} $(BIN)/python -m pytest -q -s tests/soak
	SOAK_LIVES=$${SOAK_LIVES:-100000} $(BIN)/python -m pytest -q tests/core/test_hidden_truth.py
	WEEK_JOBS=$${WEEK_JOBS:-2000} $(BIN)/python -m pytest -q tests/shell/test_replay_week.py

golden: $(READY)  ## write all golden files anew: messages as each notifier shows them, stories of every scenario; then read the difference
	UPDATE_GOLDEN=1 $(BIN)/python -m pytest -q tests/shell/test_notifier_goldens.py tests/shell/test_golden_stories.py

mutants: $(READY)  ## would a test notice a fault in the history or the diff? writes docs/mutants.md; takes an hour
	SOAK_LIVES=60 $(BIN)/mutmut run
	$(BIN)/python -m bench.mutants

dockerfile: $(READY)  ## hadolint
	$(BIN)/hadolint Dockerfile

bench: $(READY)  ## polls, lists, detection, real time, memory, starts, commits, sending, large answers, beside the official SDK; ARGS="--only memory"
	$(BIN)/python -m bench $(ARGS)

bench-quick: $(READY)  ## the same in little: does it work, and sees everybody what is there? nothing timed is asserted
	$(BIN)/python -m bench --quick $(ARGS)

pictures: $(READY)  ## docs/screenshots anew: mails of every kind, drawn by Chromium where it is installed
	$(BIN)/python docs/mail_pictures.py

picture: $(READY)  ## docs/demo.svg anew, from a real run of the demo
	$(BIN)/python docs/demo_picture.py

peers: $(READY)  ## what the tests of real peers need: Slack emulator, maildev, HAProxy; best effort, into .peers/
	@.ci/peers

lock: $(READY)  ## write the lock files anew from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade --all-extras --group dev pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --all-extras -c requirements.lock pyproject.toml -o requirements-run.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -c requirements.lock --group pyproject.toml:build -o requirements-build.lock

clean:          ## remove what make made
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage mutants
