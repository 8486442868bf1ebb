# Everything needs only Python 3.10+ and the package index; `make test` also fetches real servers if it can.
#
#   make demo PYTHON=python3.13      another interpreter (for a fresh .venv)
#   make test TEST_OPTIONS="-x -k leases"

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV ?= .venv
BIN := $(VENV)/bin
WORKERS ?= 2
comma := ,
PLANNER := plan board queues shares gangs singles terms turns
# Parts in which no line of ours may go untested.
CRITICAL := pytest_autorl/state/*,pytest_autorl/resilience/classify.py,pytest_autorl/privacy/redactor.py,$(subst $() $(),$(comma),$(PLANNER:%=pytest_autorl/dispatch/%.py))

DEMO_OPTIONS ?= -n 4 --autorl-farm device_farm.yml \
	--junitxml=reports/junit.xml --alluredir=reports/allure-results --clean-alluredir
TEST_OPTIONS ?= -n $(WORKERS)
# The suite starts thousands of short runs. Where an image switches bytecode off, each of them would compile pytest
# and the plugin anew, which takes longer than the run; an empty value is Python's own default.
export PYTHONDONTWRITEBYTECODE :=
# One season after the other: each has eight processes.
CHAOS_SEEDS ?= 30
CHAOS_KILLS ?= 200
CHAOS_OPTIONS ?= -v

# A version manager's shim may exist and still refuse to run: ask each candidate, take the first that answers.
define FIND_PYTHON
for candidate in $(PYTHON) python3.14 python3.13 python3.12 python3.11 python3.10 python3 python; do \
	if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; \
	then echo "$$candidate"; exit 0; fi; \
done; \
echo "No Python 3.10 or newer with venv was found. Install one, or say where: make PYTHON=/path/to/python" >&2; \
exit 1
endef

.PHONY: help
help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 12

.PHONY: demo
demo: $(VENV)/.ready-demo ## Run the examples in parallel on the virtual farm, reports into reports/
	@mkdir -p reports
	$(BIN)/python -m pytest examples $(DEMO_OPTIONS)
	@echo
	@echo "Where to look:"
	@echo "  reports/farm.html       who ran what on which device, open it in a browser"
	@echo "  reports/artefacts       what failures and attempts tried again left: screenshot, page source, device log"
	@echo "  reports/junit.xml       for the CI server"
	@echo "  reports/allure-results  for Allure: allure serve reports/allure-results"
	@echo "  reports/trace.jsonl     one row for each attempt on a device"

.PHONY: test
test: $(VENV)/.ready-test real-parts rerun-plugins ## Run the whole suite with coverage, against real servers where there are some
	@$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest -p no:cov $(TEST_OPTIONS)
	@$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report
	@echo "critical paths:"
	@$(BIN)/python -m coverage report --fail-under=100 --include='$(CRITICAL)'

.PHONY: chaos
chaos: $(VENV)/.ready-test ## Kill and stop holders of leases in 30 seeded seasons, and judge what became of the devices
	CHAOS_SEEDS=$(CHAOS_SEEDS) $(BIN)/python -m pytest -p no:cov tests/state/test_chaos.py $(CHAOS_OPTIONS)
	KILLS=$(CHAOS_KILLS) $(BIN)/python -m pytest -p no:cov tests/test_kill_season.py $(CHAOS_OPTIONS)

.PHONY: real-parts
real-parts: $(VENV)/.ready-test ## Fetch what tests/real/ runs against: Appium into .tools/, a browser and adb
	@$(BIN)/python tests/support/real_parts.py

.PHONY: rerun-plugins
rerun-plugins: .tools/reruns/.ready ## Fetch other plugins that run failed tests again, for the tests beside them

.tools/reruns/.ready: pyproject.toml | $(VENV)/.ready-test
	@echo "fetching other rerun plugins into .tools/reruns"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target .tools/reruns --group reruns
	@touch $@

.PHONY: lint
lint: $(VENV)/.ready-lint ## Check style, types and workflows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/zizmor --offline --quiet .github/workflows

.PHONY: bench
bench: $(VENV)/.ready-bench real-parts ## Measure every figure that the README claims
	@missed=0; for script in benchmarks/[!_]*.py; do echo "== $$script"; $(BIN)/python "$$script" || missed=1; done; exit $$missed

.PHONY: clean
clean: ## Remove what runs left behind; .venv and .tools stay
	find reports -mindepth 1 ! -name .gitkeep -delete
	find . -name __pycache__ -not -path './.venv/*' -not -path './.tools/*' -prune -exec rm -rf {} +
	rm -rf .autorl .coverage .coverage.* .hypothesis .pytest_cache .mypy_cache .ruff_cache build dist

# A stamp is newer than pyproject.toml once everything it stands for is installed: a second call takes no time.
# pip 25.1 is the first that installs dependency groups.
$(VENV)/.python: pyproject.toml
	@python="$$($(FIND_PYTHON))"; \
	test -x $(BIN)/python || { echo "creating $(VENV) with $$("$$python" --version)"; "$$python" -m venv $(VENV); }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "pip>=25.1"
	@touch $@

$(VENV)/.ready-demo: $(VENV)/.python
	@echo "installing pytest-autorl and what the examples need into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[xdist,asyncio,allure]" --group examples
	@touch $@

$(VENV)/.ready-test: $(VENV)/.ready-demo
	@echo "installing what the tests need into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[otel,privacy,crypto]" --group test
	@touch $@

$(VENV)/.ready-bench: $(VENV)/.ready-test
	@echo "installing what the benchmarks compare with into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group bench
	@touch $@

$(VENV)/.ready-lint: $(VENV)/.ready-demo
	@echo "installing what the checks need into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group lint
	@touch $@
