# The commands of the house. `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PY := .venv/bin/python
CODE := adapters dispatch ingest normalize sandbox store tests bench scripts

.PHONY: help setup run test check format lint types contracts bench soak faults fuzz bundle bundle-test lock clean

help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make .venv from the lock; the command lands at .venv/bin/xinqiao
	@sh scripts/setup.sh

run: setup ## the daemon with stand-ins and sample data: cases flow from four doors into an OA inbox in the browser
	@.venv/bin/xinqiao sandbox --run -c config.yaml

test: setup ## set everything up (as root also the servers the tests need) and run all tests
	@sh scripts/servers.sh
	@$(PY) -m pytest -n 4 --dist loadfile --no-loadscope-reorder

check: format lint types contracts test ## the whole ritual: format, lint, types, import contracts, tests

format: setup ## format the code (in CI: only look)
	@if [ -n "$$CI" ]; then $(PY) -m ruff format --check $(CODE); else $(PY) -m ruff format $(CODE); fi

lint: setup ## find mistakes and departures from the style
	@$(PY) -m ruff check $(CODE)

types: setup ## check the types, strictly
	@$(PY) -m mypy

contracts: setup ## check who imports whom
	@.venv/bin/lint-imports

bench: setup ## measure, a few minutes each: the whole way, delivery, cases, latency, isolation, idleness, store, move, understanding, recognition (on $$XINQIAO_DATA)
	@$(PY) -m bench.way --mails 2000 --watch
	@$(PY) -m bench.delivery --events 2000
	@$(PY) -m bench.cases --cases 1000 --rounds 1
	@$(PY) -m bench.latency --seconds 20
	@$(PY) -m bench.isolation --rounds 3 --events 200
	@$(PY) -m bench.idle --stored 10000 --settle 45 --minutes 1
	@$(PY) -m bench.store
	@$(PY) -m bench.move
	@$(PY) -m bench.understanding
	@$(PY) -m bench.ocr "$${XINQIAO_DATA:-../shared/data}/letters"

faults: setup ## strike real daemons well over a thousand times (an hour or two) and count what is lost: nothing may be
	@sh scripts/servers.sh
	@$(PY) -m pytest -n 2 --every-call tests/faults/test_every_call.py tests/faults/test_every_call_postgresql.py
	@$(PY) -m tests.faults $$FAULTS

fuzz: setup ## a hundred thousand odd inputs for every reader of foreign bytes (an hour): none may raise what it should not
	@$(PY) -m tests.fuzz $$FUZZ

bundle: setup ## one archive for servers without internet: dist/xinqiao-RELEASE.tar, of the last commit
	@$(PY) -m scripts.bundle

bundle-test: setup ## as root: install, upgrade and roll back bundles on a Debian made for it, without network; ten minutes
	@sh scripts/servers.sh bundle
	@$(PY) -m pytest -m bundle tests/deploy

soak: setup ## an hour at twenty petitions a second: does the daemon grow? (MINUTES=60)
	@$(PY) -m bench.soak --minutes $${MINUTES:-60}

lock: ## resolve the dependencies anew (needs uv)
	@sh scripts/lock.sh

clean: ## remove what the other commands made, except your data
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist fuzz-findings sandbox-data
