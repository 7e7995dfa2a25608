# Everything that a fresh machine with Python needs: `make run` and `make test` make the environment themselves.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXTRAS := dev,viz,embedded,tuning,notebooks,download,finetuning,cluster
# Nothing is asked for and nothing is reported while a run is under way.
export KEDRO_DISABLE_TELEMETRY := 1

.PHONY: help run test test-lowest faults lint audit format kaggle kaggle-test cluster-demo cluster-test viz clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# The stamp is older than pyproject.toml whenever the dependencies may have changed: then the environment is made anew.
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$(EXTRAS)]"
	touch $@

run: $(VENV)/.installed ## Run everything on the demo battles: training, report and submission.csv
	$(BIN)/kedro run

test: $(VENV)/.installed ## Run the tests
	$(BIN)/python -m pytest --numprocesses=2 --dist=worksteal --cov --cov-report=term $(ARGS)

test-lowest: ## Run the tests with the lowest versions that pyproject.toml allows, in .venv-lowest (half an hour)
	$(PYTHON) -m venv --clear .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check uv
	.venv-lowest/bin/uv pip install --quiet --python .venv-lowest/bin/python --resolution lowest-direct --editable ".[$(EXTRAS)]"
	PATH="$(CURDIR)/.venv-lowest/bin:$$PATH" .venv-lowest/bin/python -m pytest --numprocesses=2 --dist=worksteal $(ARGS)

faults: $(VENV)/.installed ## Stop runs at 30 random instants and fill their disk in each stage (half an hour)
	FAULTS=30 $(BIN)/python -m pytest -m faults $(ARGS)

lint: $(VENV)/.installed ## Check style, types and the rules between the rooms
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory audit

audit: $(VENV)/.installed ## Look for known vulnerabilities in the installed packages
	$(BIN)/python .ci/audit.py

format: $(VENV)/.installed ## Put the code into the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

kaggle: $(VENV)/.installed ## Make dist/kaggle: what an offline notebook on Kaggle needs to predict with the newest training
	$(BIN)/kedro kaggle bundle $(ARGS)

kaggle-test: $(VENV)/.installed ## Predict 25,000 battles with the bundle as Kaggle does: offline, in another environment (half an hour)
	KAGGLE_BATTLES=25000 $(BIN)/python -m pytest tests/e2e/test_kaggle.py $(ARGS)

# Dask holds the libraries of its workers to one thread each unless it is told otherwise; with as many as elsewhere, sums
# have the same last bits.
cluster-demo: THREADS := $(shell $(PYTHON) -c "import os; print(os.cpu_count())")
cluster-demo: $(VENV)/.installed ## As run, on a Dask cluster: a scheduler and two workers, each a process, over TCP
	export DASK_LOGGING__DISTRIBUTED=warning; \
	export OMP_NUM_THREADS=$(THREADS) OPENBLAS_NUM_THREADS=$(THREADS) MKL_NUM_THREADS=$(THREADS); \
	trap 'kill $$started' EXIT; trap 'exit 130' INT TERM; \
	$(BIN)/dask scheduler --host 127.0.0.1 --port 8786 & started=$$!; \
	for worker in 1 2; do \
		$(BIN)/dask worker tcp://127.0.0.1:8786 --nthreads 1 --resources GPU=1 > /dev/null & started="$$started $$!"; \
	done; \
	$(BIN)/kedro run --env=cluster --runner=arena_preference.runners.DaskRunner \
		--runner-params=address=tcp://127.0.0.1:8786; \
	exit $$?

cluster-test: $(VENV)/.installed ## Ingest, describe and join 200,000 battles on two Dask workers of 2 GB (five minutes)
	CLUSTER_BATTLES=200000 $(BIN)/python -m pytest tests/e2e/test_cluster.py -k many $(ARGS)

viz: $(VENV)/.installed ## Show the pipelines and their figures in the browser
	$(BIN)/kedro viz run

clean: ## Remove the environment and what tools left behind; data stays
	rm -rf $(VENV) .venv-lowest .viz build dist src/*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage*
