# The two commands of the README are `make demo` and `make test`; each makes its own environment first.
PYTHON ?= python3
LAKE ?= file
BIN := .venv/bin
INSTALLED := .venv/.installed
PINNED := constraints.txt deploy/requirements.txt deploy/requirements-build.txt adce_assets_tests/lake/ministack-constraints.txt

.DEFAULT_GOAL := help

# Where Python may keep no byte code, as in many containers, each of the many processes would compile all it imports.
export PYTHONDONTWRITEBYTECODE =

.PHONY: help demo ui test check bench bench-more audit lock clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1 /p' $(MAKEFILE_LIST) | while read -r name what; do printf '  make %-10s %s\n' "$$name" "$$what"; done

demo: $(INSTALLED) ## make a lake with known holes, find them, collect them, show that they are gone (LAKE=file or s3)
	@$(BIN)/adce demo run --lake $(LAKE)

ui: $(INSTALLED) ## open the Dagster UI on the demo's lake
	@$(BIN)/adce demo ui

test: check bench ## run every check, the benchmark and every test
	$(BIN)/python -m pytest -p adce_assets_tests.ci_plugin -n 3 --dist loadgroup --junitxml=.pytest_cache/results.xml

check: $(INSTALLED) ## run only the checks that need no test: style, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyrefly check
	$(BIN)/lint-imports

bench: $(INSTALLED) ## measure at a small size what is promised; with FOLDER=... of real schedules and games, try those too
	@# What waits goes beside what counts CPU time alone; what goes by the clock goes alone.
	@# Both are waited for, whichever fails, so that none goes on after the end.
	$(BIN)/python benchmarks/politeness.py & polite=$$!; failed=0; \
	  { $(BIN)/python benchmarks/listing.py --small && $(BIN)/python benchmarks/collecting.py --small; } & pid=$$!; \
	  for counting in job_overhead.py scale.py; do $(BIN)/python benchmarks/$$counting --small || failed=1; done; \
	  wait $$polite || failed=1; wait $$pid && exit $$failed
	$(if $(FOLDER),$(BIN)/python benchmarks/recorded_answers.py $(FOLDER)/recorded)
	$(if $(FOLDER),$(BIN)/python benchmarks/real_games.py $(FOLDER)/schedule)
	$(if $(FOLDER),$(BIN)/python benchmarks/recorded_schedules.py $(FOLDER)/recorded)

bench-more: $(INSTALLED) ## measure what takes longer, or wants the machine alone: ledger, records, health
	$(BIN)/python benchmarks/ledger.py --small
	$(BIN)/python benchmarks/difference.py --small
	$(BIN)/python benchmarks/soak.py --small
	$(BIN)/python benchmarks/health.py

audit: ## ask a service of advisories about every pinned package (SERVICE=pypi or osv)
	@$(PYTHON) -m venv .venv-audit
	@.venv-audit/bin/python -m pip install --quiet --disable-pip-version-check 'pip-audit>=2.10,<3'
	@.venv-audit/bin/python deploy/audit.py .venv-audit/bin/pip-audit $(or $(SERVICE),pypi) $(PINNED)

lock: ## write constraints.txt anew, and what images have of it in deploy/ (needs uv)
	uv pip compile pyproject.toml --all-extras --universal --no-header --no-annotate --generate-hashes --upgrade -o constraints.txt
	uv pip compile pyproject.toml deploy/requirements.in --universal --no-header --no-annotate --generate-hashes \
	  -c constraints.txt -o deploy/requirements.txt
	awk '/^[a-z]/ {own = /^setuptools==/} own' constraints.txt > deploy/requirements-build.txt

clean: ## remove the environment, the demo and what tools keep
	rm -rf .venv .venv-audit demo build *.egg-info .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# `--no-deps` is right: constraints.txt names everything, with hashes, and pip would otherwise resolve it all again.
# Byte code is made of what is imported, when it is.
$(INSTALLED): constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo 'error: ADCE needs Python 3.11 or newer; say which with `make $(or $(MAKECMDGOALS),demo) PYTHON=python3.12`' >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes -r constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
