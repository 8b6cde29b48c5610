# What people type. Each target is a line or two; the work is in tools/ and in the `sdxl` command.
.DEFAULT_GOAL := help
.PHONY: help setup setup-catalog setup-checkov setup-inference up down test test-browser test-deployments test-changes test-clients test-exiftool test-inference screenshots fuzz load lint snapshots bench bench-inference lock layer clean

BIN := .venv/bin
INFERENCE := .local/inference/bin/python
ENV ?= dev
SECONDS ?= 60
PYTHON ?=
# Extra arguments for pytest or the benchmarks: make test ARGS="-k presets". That may select nothing, pytest's status 5.
ARGS ?=
# They take as long as all other deploy tests together.
LONG_DEPLOYMENTS := $(addprefix tests/deploy/,test_account_access.py test_endpoint_modes.py test_rollout.py)
LOCK := $(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make lock"
EVERYWHERE := --universal --python-version 3.11
# Where the functions run; tools/build_layer.py installs for the same.
LAMBDA := --python-version 3.13 --python-platform aarch64-manylinux_2_28

export PYTHON
# The pinned Node.js, for the CDK's engine, which Python starts from the PATH.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

# Without bytecode every start of the CDK compiles it anew, for three seconds. It goes to ignored folders only.
unexport PYTHONDONTWRITEBYTECODE
# Packages of other places would come before those of .venv.
unexport PYTHONPATH PYTHONHOME

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install everything into .venv, node_modules and .local (quick when done)
	@sh tools/setup.sh

setup-catalog: ## The same as setup, and sagemaker-core for `sdxl catalog verify` (0.5 GB)
	@sh tools/setup.sh catalog

setup-checkov: ## The same as setup, and checkov for the tests
	@sh tools/setup.sh checkov

setup-inference: ## The same as setup, and what our own model server runs on: PyTorch and diffusers (1.2 GB)
	@sh tools/setup.sh inference

up: setup ## Deploy to an emulator of AWS on this machine and generate an image (ENV=dev, SDXL_LOCAL_PORT=4580)
	@$(BIN)/sdxl local up --env $(ENV)

down: ## Stop what `make up` started
	@if [ -x $(BIN)/sdxl ]; then $(BIN)/sdxl local down; else echo "Nothing was running."; fi

test: ## Run the tests; those that take minutes have targets of their own
	@sh tools/setup.sh catalog checkov
	@$(BIN)/pytest tests emulator/tests --ignore=tests/browser --ignore=tests/changes/test_changed_and_back.py --ignore=tests/clients --ignore=tests/deploy --ignore=tests/exiftool --ignore=tests/fuzz --ignore=tests/load --numprocesses=auto --dist=loadfile $(ARGS) || [ $$? -eq 5 ]
	@$(BIN)/pytest tests/deploy $(LONG_DEPLOYMENTS:%=--ignore=%) --numprocesses=auto --dist=loadfile --no-loadscope-reorder $(ARGS) || [ $$? -eq 5 ]

test-browser: ## Test the creators' page in Chromium, which has to be installed
	@sh tools/setup.sh browser
	@$(BIN)/pytest tests/browser $(ARGS)

test-deployments: setup ## Test long deployments: rollouts over accounts, access stacks, endpoints that wake (minutes)
	@$(BIN)/pytest $(LONG_DEPLOYMENTS) --numprocesses=auto --dist=loadfile $(ARGS)

test-changes: setup ## Change every setting of a deployed environment, and back (minutes)
	@$(BIN)/pytest tests/changes --numprocesses=auto --dist=loadgroup $(ARGS)

test-clients: ## Call an API in the emulator with published clients: openai, ai, stability-ai, LiteLLM (a minute)
	@sh tools/setup.sh clients
	@$(BIN)/pytest tests/clients $(ARGS)

test-exiftool: setup ## Read what images say of themselves with exiftool, which has to be installed
	@$(BIN)/pytest tests/exiftool $(ARGS)

test-inference: ## Test our own model server with a tiny model on the CPU (minutes)
	@sh tools/setup.sh inference
	@$(INFERENCE) -m pytest -c inference/pytest.ini inference/tests $(ARGS) || [ $$? -eq 5 ]

screenshots: ## Renew the pictures of the creators' page in docs/images
	@sh tools/setup.sh browser
	@SDXL_SCREENSHOTS=docs/images $(BIN)/pytest tests/browser/test_screenshots.py

fuzz: setup ## Send thousands of generated requests to an API in the emulator, by its OpenAPI document (minutes)
	@$(BIN)/pytest tests/fuzz $(ARGS)

load: setup ## Send ten times as much as the model can draw to an API in the emulator (SECONDS=60)
	@SDXL_LOAD_SECONDS=$(SECONDS) $(BIN)/pytest tests/load $(ARGS)

lint: ## Check style, types and which part imports which
	@sh tools/setup.sh console
	@npm --prefix console run --silent check
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports --cache-dir .local/import-linter

snapshots: setup ## Renew the templates that the infrastructure tests compare with; read the diff before you commit it
	@$(BIN)/pytest tests/infrastructure --snapshot-update $(ARGS)

bench: setup ## Measure synthesis and the function, each as a ratio with its goal
	@$(BIN)/python -m benchmarks $(ARGS)

bench-inference: ## Measure our own model server beside plain diffusers with a tiny model (ARGS=--help)
	@sh tools/setup.sh inference
	@$(INFERENCE) -m benchmarks.inference $(ARGS)

lock: setup ## Renew the lock files from pyproject.toml and package.json: the newest versions that these allow
	@$(LOCK) $(EVERYWHERE) pyproject.toml --extra cli --group dev --output-file requirements.txt >/dev/null
	@$(LOCK) $(EVERYWHERE) --constraint requirements.txt --group catalog --output-file requirements/catalog.txt >/dev/null
	@$(LOCK) $(EVERYWHERE) --constraint requirements.txt --group browser --output-file requirements/browser.txt >/dev/null
	@$(LOCK) $(EVERYWHERE) --group checkov --output-file requirements/checkov.txt >/dev/null
	@$(LOCK) $(EVERYWHERE) --group clients --output-file requirements/clients.txt >/dev/null
	@$(LOCK) $(EVERYWHERE) --no-emit-package torch --group inference --output-file requirements/inference.txt >/dev/null
	@$(LOCK) $(LAMBDA) --constraint requirements.txt --group function --output-file lambda/requirements.txt >/dev/null
	@$(LOCK) $(LAMBDA) --no-deps --constraint requirements.txt --group signing --output-file lambda/signing-requirements.txt >/dev/null
	@npm update --package-lock-only --silent
	@npm --prefix console update --package-lock-only --silent
	@npm --prefix tests/clients update --package-lock-only --silent

layer: setup ## Build the functions' Lambda layer (part of setup)
	@$(BIN)/python -m tools.build_layer

clean: down ## Stop what runs and remove everything installed and built; images in out/ stay
	@rm -rf .venv node_modules console/node_modules tests/clients/node_modules lambda/image_api/console .local cdk.out .pytest_cache .ruff_cache .mypy_cache *.egg-info
