# Two commands: `make demo` shows the whole system on real sales, `make test` proves it. Both set everything up first.
.DEFAULT_GOAL := help
SHELL := /bin/sh
BIN := .venv/bin
# Parallel test processes, each with a PostgreSQL of its own: one a core, at most four; 0 runs all in one process.
WORKERS ?= logical

.PHONY: help demo test torture check serve lock clean

help:
	@echo "make demo    set up, then replay one month of a real retailer through the whole system"
	@echo "make test    set up, then run every test against a real PostgreSQL"
	@echo "make torture set up, then kill the gateway and its PostgreSQL a hundred times under posting tills"
	@echo "make check   set up, then lint, type-check and check the architecture"
	@echo "make serve   set up, then start the system on http://127.0.0.1:8000"

.venv/ready: requirements.lock pyproject.toml bootstrap.sh $(wildcard */*.pyx */*.pxd)
	@sh bootstrap.sh

demo: .venv/ready
	@$(BIN)/barimt demo $(DEMO)

serve: .venv/ready
	@$(BIN)/barimt serve $(SERVE)

test: .venv/ready
	$(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 4 --dist worksteal $(TEST)

# A hundred kills (TORTURE='--kills 40 --workers 2 --seed 7' asks for others), a minute of two workers in which no
# deadlock may happen, a till killed two hundred times, a month of twenty tills in virtual time, and a disk that is full for real.
torture: .venv/ready
	$(BIN)/python -m tests.crash.torture $(TORTURE)
	$(BIN)/python -m tests.crash.torture --kills 0 --seconds 60 --workers 2
	$(BIN)/python -m tests.crash.till_kills
	BARIMT_MONTH=20x30 $(BIN)/python -m pytest -q -s --timeout=3600 tests/journeys/test_month_of_tills.py
	@if [ "$$(id -u)" = 0 ]; then $(BIN)/python -m tests.crash.full_disk; \
	else echo "python -m tests.crash.full_disk needs root: it mounts a small tmpfs"; fi

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# One universal lock for every supported Python, with hashes and without host names.
lock:
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-annotate --no-header -o requirements.lock

clean:
	rm -rf .venv build *.egg-info */_speedups*.c */_speedups*.so
