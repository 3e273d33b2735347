# Each target sets up all that it needs in .venv; nothing else is touched.
PYTHON ?= python3
BIN := .venv/bin
LOCK := requirements.lock
DEV_LOCK := tests/requirements.lock
MUTATION_LOCK := tests/mutation.lock
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: run test lint types bench simulate plant chaos fuzz mutate lock clean

run: .venv/.runtime
	@$(BIN)/redress up

test: .venv/.dev .venv/.promtool .venv/.chromium
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: .venv/.dev
	$(BIN)/mypy

bench: .venv/.dev
	$(BIN)/python -m tests.bench $(ARGS)

simulate: .venv/.dev
	$(BIN)/python -m tests.simulation --seeds 10000 $(ARGS)

plant: .venv/.dev
	$(BIN)/python -m tests.simulation.plant --all --jobs 2 $(ARGS)

chaos: .venv/.dev
	$(BIN)/python -m tests.processes.chaos $(ARGS)

fuzz: .venv/.dev
	$(BIN)/python -m tests.fuzz receiver --seconds 600 $(ARGS)
	$(BIN)/python -m tests.fuzz signatures --runs 1000000 $(ARGS)
	$(BIN)/python -m tests.fuzz command-line --runs 5000 $(ARGS)
	$(BIN)/python -m tests.fuzz terms --seconds 120 $(ARGS)

mutate: .venv-mutation/.ready
	.venv-mutation/bin/mutmut run $(ARGS)

lock: .venv/.dev
	$(BIN)/uv pip compile --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 --quiet pyproject.toml -o $(LOCK)
	$(BIN)/uv pip compile --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 --quiet --extra dev pyproject.toml -o $(DEV_LOCK)
	$(BIN)/uv pip compile --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 --quiet --extra dev --extra mutation pyproject.toml -o $(MUTATION_LOCK)

clean:
	rm -rf .venv .venv-mutation

.venv/bin/python:
	@echo "setting up .venv"
	@$(PYTHON) -m venv .venv

.venv/.runtime: .venv/bin/python $(LOCK) pyproject.toml
	@echo "installing the locked packages (once)"
	@$(PIP) install --require-hashes --only-binary :all: -r $(LOCK)
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.dev: .venv/bin/python $(DEV_LOCK) pyproject.toml
	@echo "installing the locked packages and the tools (once)"
	@$(PIP) install --require-hashes --only-binary :all: -r $(DEV_LOCK)
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@ .venv/.runtime

# Prometheus' own checker of alert rules: no wheel has it, Debian's package does. Only unpacked, nothing is installed.
.venv/.promtool: .venv/bin/python
	@if command -v promtool >/dev/null; then ln -sf "$$(command -v promtool)" .venv/promtool; else $(MAKE) --no-print-directory .venv/promtool; fi
	@touch $@

.venv/promtool:
	@echo "unpacking promtool from Debian's package prometheus (once)"
	@rm -rf .venv/prometheus && mkdir .venv/prometheus
	@cd .venv/prometheus && (apt-get download -qq prometheus 2>/dev/null || (apt-get update -qq && apt-get download -qq prometheus))
	@cd .venv/prometheus && dpkg -x prometheus_*.deb . && mv usr/bin/promtool ..
	@rm -rf .venv/prometheus

# The browser of the tests: no wheel has one, Debian's package does. It has too many libraries to be only unpacked.
.venv/.chromium: .venv/bin/python
	@command -v chromium >/dev/null || (echo "installing Debian's package chromium (once)" && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null) || (echo "install chromium, as root: apt-get install chromium" >&2; exit 1)
	@touch $@

.venv-mutation/.ready: $(MUTATION_LOCK) pyproject.toml
	@echo "installing the locked packages for mutation (once)"
	@$(PYTHON) -m venv .venv-mutation
	@.venv-mutation/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes --only-binary :all: -r $(MUTATION_LOCK)
	@.venv-mutation/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation --editable .
	@touch $@
