# Every command of the project. `make run` and `make test` set up all that they need.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
CHROMIUM := $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)
SOURCES := app.py settings.py command_line.py errors.py api cog components model_registry predictions workers bench examples tests

# Three files of tests at a time, since many wait for a browser or an app; each holds torch. In their
# order: those of fewest tests, which come last otherwise, are the longest.
SIDE_BY_SIDE := -n 3 --dist loadfile --no-loadscope-reorder

.PHONY: run test test-all check fix types browser clients wheels bench starters evaluate clean

run: .venv/ready
	$(BIN)/python app.py $(ARGS)

test: .venv/tested browser clients wheels
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy app.py api components predictions workers model_registry cog
	$(BIN)/python -m pytest -q $(SIDE_BY_SIDE) -m "not heavy" $(ARGS)

# Besides `test`: what takes long, such as every model of the catalogue.
test-all: test
	$(BIN)/python -m pytest -q $(SIDE_BY_SIDE) -m heavy $(ARGS)

# What must pass before a commit: all of `test` but what starts the whole app or a browser.
check: .venv/tested
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy app.py api components predictions workers model_registry cog
	$(BIN)/python -m pytest -q $(SIDE_BY_SIDE) -m "not slow and not heavy" $(ARGS)

fix: .venv/tested
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

bench: .venv/tested
	for each in overhead stream start page_load describe starters llm_batching; do $(BIN)/python -m bench.$$each || exit 1; done

# From nothing, one thread each: `make -j4 starters` trains four at once. A stopped run goes on.
STARTERS := shapes story listen enlarge cutout caption melody solid

starters: $(addprefix train-,$(STARTERS)) train-motion

train-%: .venv/tested
	$(BIN)/python -m model_registry.starter.train.$*

train-motion: train-shapes

evaluate: .venv/ready
	$(BIN)/python -m model_registry.starter.train.table

.venv/ready: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Atelier needs Python 3.10 or newer; set PYTHON=/path/to/python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/tested: .venv/ready requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

# The official clients that cannot live in the environment of the tests.
NODE_CLIENT := tests/clients/node_modules/replicate/package.json

clients: .venv/replicate-2/ready $(NODE_CLIENT)

.venv/replicate-2/ready: .venv/tested tests/clients/replicate-2.txt
	$(PYTHON) -m venv .venv/replicate-2
	.venv/replicate-2/bin/python -m pip install --quiet --disable-pip-version-check -r tests/clients/replicate-2.txt
	touch $@

$(NODE_CLIENT): tests/clients/package.json
	@command -v npm >/dev/null || { echo "No Node.js found: the tests of its client need it. Install it: apt-get install nodejs npm"; exit 1; }
	cd tests/clients && npm install --no-package-lock --no-fund --no-audit --silent
	touch $@

# What the example with packages of its own installs, so that its test needs no network.
wheels: .venv/wheels/ready

.venv/wheels/ready: .venv/tested examples/qr-code/requirements.txt
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps -d .venv/wheels "$$(grep segno examples/qr-code/requirements.txt)"
	touch $@

# The browser tests drive a real Chromium. Where Debian's package may be installed, it is.
browser:
ifeq ($(CHROMIUM),)
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	else \
		echo "No Chromium found: the browser tests need it. Install it: apt-get install chromium"; \
		test -z "$$CI"; \
	fi
endif

clean:
	rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache
