# What people type. Each target is a line or two; the work is in tools/ and in the `sdxl` command.
.DEFAULT_GOAL := help
.PHONY: help setup setup-checkov up down test fuzz lint snapshots bench lock layer clean

BIN := .venv/bin
ENV ?= dev
PYTHON ?=
# Extra arguments for pytest or the benchmarks: make test ARGS="-k presets". That may select nothing, pytest's status 5.
ARGS ?=
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make lock"

export PYTHON
# The CDK's engine announces the end of support of Node.js 20 at every start.
export JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION := 1
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20

# Without bytecode every start of the CDK compiles it anew, for three seconds. It goes to ignored folders only.
unexport PYTHONDONTWRITEBYTECODE

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install everything into .venv, node_modules and .local (quick when done)
	@sh tools/setup.sh

setup-checkov: ## The same, and checkov for the tests
	@sh tools/setup.sh checkov

up: setup ## Deploy to an emulator of AWS on this machine and generate an image (ENV=dev, SDXL_LOCAL_PORT=4580)
	@$(BIN)/sdxl local up --env $(ENV)

down: ## Stop what `make up` started
	@if [ -x $(BIN)/sdxl ]; then $(BIN)/sdxl local down; else echo "Nothing was running."; fi

test: setup-checkov ## Run all tests but the fuzzing
	@$(BIN)/pytest tests --ignore=tests/deploy --ignore=tests/fuzz --numprocesses=auto --dist=loadfile $(ARGS) || [ $$? -eq 5 ]
	@$(BIN)/pytest tests/deploy --numprocesses=auto --dist=loadgroup --no-loadscope-reorder $(ARGS) || [ $$? -eq 5 ]

fuzz: setup ## Send thousands of generated requests to an API in the emulator, by its OpenAPI document (minutes)
	@$(BIN)/pytest tests/fuzz $(ARGS)

lint: setup ## Check style and types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

snapshots: setup ## Renew the templates that the infrastructure tests compare with; read the diff before you commit it
	@$(BIN)/pytest tests/infrastructure --snapshot-update $(ARGS)

bench: setup ## Measure synthesis and the function, each as a ratio with its goal
	@$(BIN)/python -m benchmarks $(ARGS)

lock: setup ## Renew the lock files from requirements*.txt and package.json
	@$(LOCK) requirements.txt --output-file requirements.lock >/dev/null
	@$(LOCK) requirements-checkov.txt --output-file requirements-checkov.lock >/dev/null
	@npm install --package-lock-only --silent

layer: setup ## Build the functions' Lambda layer (part of setup)
	@$(BIN)/python -m tools.build_layer

clean: down ## Stop what runs and remove everything installed and built; images in out/ stay
	@rm -rf .venv node_modules .local cdk.out .pytest_cache .ruff_cache .mypy_cache *.egg-info
