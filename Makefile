# Everything that a fresh machine with Python needs: `make run` and `make test` make the environment themselves.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ALL_EXTRAS := dev,viz,embedded,tuning,notebooks,download,finetuning,cluster,serve
# pip takes the versions that CI tested; `make lock` refreshes them.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock
PYTEST := $(BIN)/python -m pytest --numprocesses=auto --dist=worksteal
# No prompt and no report to Kedro during a run.
export KEDRO_DISABLE_TELEMETRY := 1

.PHONY: help run test test-slow test-all test-lowest coverage faults lint audit format lock kaggle kaggle-test \
	cluster-test viz clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# The stamps are older than these files whenever the dependencies may have changed.
$(VENV)/.run: pyproject.toml requirements.lock
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP_INSTALL) --editable ".[embedded]"
	touch $@

$(VENV)/.all: $(VENV)/.run
	$(PIP_INSTALL) --editable ".[$(ALL_EXTRAS)]"
	touch $@

run: $(VENV)/.run ## Run everything on the demo battles: training, report and submission.csv
	$(BIN)/kedro run

test: $(VENV)/.all ## Run the fast tests, which cover every package
	$(PYTEST) -m "not slow" $(ARGS)

test-slow: $(VENV)/.all ## Run the slow tests: whole processes, kills and many faults
	$(PYTEST) -m slow $(ARGS)

test-all: test test-slow ## Run all tests

coverage: $(VENV)/.all ## Run all tests and report the lines that none of them reaches
	$(PYTEST) --cov --cov-report=term $(ARGS)

test-lowest: ## Run all tests with the lowest versions that pyproject.toml allows, in .venv-lowest
	$(PYTHON) -m venv --clear .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check uv
	.venv-lowest/bin/uv pip install --quiet --python .venv-lowest/bin/python --resolution lowest-direct \
		--editable ".[$(ALL_EXTRAS)]"
	PATH="$(CURDIR)/.venv-lowest/bin:$$PATH" .venv-lowest/bin/python -m pytest --numprocesses=auto --dist=worksteal $(ARGS)

faults: $(VENV)/.all ## Stop runs at 30 random instants and fill their disk in each stage (half an hour)
	FAULTS=30 $(BIN)/python -m pytest -m faults $(ARGS)

lint: $(VENV)/.all ## Check style, types, imports between packages and known vulnerabilities
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory audit

audit: $(VENV)/.all ## Look for known vulnerabilities in the installed packages
	$(BIN)/python .ci/audit.py

format: $(VENV)/.all ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: ## Write requirements.lock: the newest versions that pyproject.toml allows
	$(PYTHON) -m venv --clear .venv-lock
	.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[$(ALL_EXTRAS)]"
	.venv-lock/bin/python -m pip list --disable-pip-version-check --format=freeze --exclude-editable \
		--exclude pip --exclude setuptools | sed 's/+.*//' > requirements.lock
	rm -rf .venv-lock

kaggle: $(VENV)/.all ## Make dist/kaggle: what an offline notebook on Kaggle needs to predict with the newest training
	$(BIN)/kedro kaggle bundle $(ARGS)

kaggle-test: $(VENV)/.all ## Predict 25,000 battles with the bundle as on Kaggle: offline, in another environment (half an hour)
	KAGGLE_BATTLES=25000 $(BIN)/python -m pytest tests/e2e/test_kaggle.py $(ARGS)

cluster-test: $(VENV)/.all ## Compute the features of 200,000 battles on two Dask workers of 2 GB (five minutes)
	CLUSTER_BATTLES=200000 $(BIN)/python -m pytest tests/e2e/test_cluster.py -k many $(ARGS)

viz: $(VENV)/.all ## Show the pipelines and their figures in the browser
	$(BIN)/kedro viz run

clean: ## Remove the environments and what tools left behind; data stays
	rm -rf $(VENV) .venv-lowest .venv-lock .viz build dist src/*.egg-info .mypy_cache .pytest_cache .ruff_cache \
		.hypothesis .coverage*
