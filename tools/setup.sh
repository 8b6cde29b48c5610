#!/bin/sh
# Installs what the project needs into .venv, node_modules and .local, from lock files; does nothing for what is there.
# Further arguments: `catalog` adds sagemaker-core to .venv; `console` adds what checks the creators' page, and `browser`
# also Playwright; `checkov`, which pins other versions of the same packages, gets a virtual environment in .local;
# `clients`, the published clients that the API is tried with, get one there as well, and a node_modules with their tests;
# and so does `inference`, our own model server with PyTorch.
set -eu
# These variables of a shell or of a machine change what is installed, or where. Those that name a registry stay.
unset CDPATH NODE_ENV NPM_CONFIG_OMIT npm_config_omit NPM_CONFIG_PRODUCTION npm_config_production
unset NPM_CONFIG_GLOBAL npm_config_global NPM_CONFIG_PREFIX npm_config_prefix NPM_CONFIG_IGNORE_SCRIPTS npm_config_ignore_scripts
unset PYTHONPATH PYTHONHOME PYTHONSTARTUP PIP_USER PIP_TARGET PIP_PREFIX PIP_REQUIRE_VIRTUALENV PIP_DRY_RUN
unset UV_PYTHON UV_TARGET UV_PREFIX UV_SYSTEM_PYTHON UV_CONSTRAINT UV_OVERRIDE UV_EXCLUDE_NEWER UV_DRY_RUN
cd "$(dirname "$0")/.."
mkdir -p .local

fail() {
  echo "error: $*" >&2
  exit 1
}

# done_before NAME FILE...: whether step NAME finished for exactly these files. mark_done repeats the sum afterwards, so
# that an interrupted step is done again.
sum_of() { cat "$@" | cksum; }
done_before() { name=$1; shift; [ "$(cat ".local/setup-$name.sum" 2>/dev/null)" = "$(sum_of "$@")" ]; }
mark_done() { name=$1; shift; sum_of "$@" >".local/setup-$name.sum"; }

# A step that a signal or a full disk ended leaves its note: what it had made so far is not used.
begin() { : >".local/setup-$1.unfinished"; }
was_cut_off() { [ -e ".local/setup-$1.unfinished" ]; }
finish() { rm -f ".local/setup-$1.unfinished"; }

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
  if [ -n "${PYTHON:-}" ]; then
    is_new_enough "$PYTHON" || fail "PYTHON=$PYTHON is not a Python of version 3.11 or later."
    echo "$PYTHON"
    return
  fi
  for candidate in python3.13 python3.12 python3.11 python3; do
    if is_new_enough "$candidate"; then
      echo "$candidate"
      return
    fi
  done
  fail "Python 3.11 or later is needed; python3 is $(python3 --version 2>/dev/null || echo missing). Install it, or name another: make setup PYTHON=/path/to/python3.13"
}

# A virtual environment has the path of its folder in it: after a move, and in a copy, it is another folder's.
belongs_here() { grep '^command = ' .venv/pyvenv.cfg 2>/dev/null | grep -qF " $(pwd -P)/.venv"; }

set_up_python() {
  if ! was_cut_off python && [ -x .venv/bin/uv ] && is_new_enough .venv/bin/python && belongs_here &&
    done_before python requirements.txt pyproject.toml .venv/pyvenv.cfg; then
    return
  fi
  if was_cut_off python || ! is_new_enough .venv/bin/python || ! belongs_here; then
    python=$(find_python) || exit 1
    begin python
    echo "Creating .venv with $("$python" --version)"
    rm -rf .venv
    "$python" -m venv .venv || fail "$python cannot make virtual environments. On Debian and Ubuntu, install python3-venv."
  fi
  begin python
  if ! [ -x .venv/bin/uv ]; then
    echo "Installing uv, the installer"
    awk '/^[^ ]/ { wanted = /^uv==/ } wanted' requirements.txt >.local/uv.txt
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --requirement .local/uv.txt
  fi
  echo "Installing the Python packages of requirements.txt"
  # It removes what the file does not name, so the tests' additions are no longer there.
  rm -f .local/setup-catalog.sum .local/setup-browser.sum
  sync_packages .venv requirements.txt
  # After the packages: the line above removes this project too.
  .venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --editable .
  mark_done python requirements.txt pyproject.toml .venv/pyvenv.cfg
  finish python
}

# sync_packages VENV LOCK: quiet, because uv without --quiet lists every package.
sync_packages() {
  .venv/bin/uv pip sync --quiet --python "$1/bin/python" --require-hashes "$2"
}

set_up_catalog() {
  if done_before catalog requirements/catalog.txt .venv/pyvenv.cfg; then
    return
  fi
  echo "Installing sagemaker-core, which confirms the catalog"
  .venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --require-hashes --requirement requirements/catalog.txt
  mark_done catalog requirements/catalog.txt .venv/pyvenv.cfg
}

set_up_checkov() {
  if [ -x .local/checkov/bin/checkov ] && done_before checkov requirements/checkov.txt .venv/pyvenv.cfg; then
    return
  fi
  echo "Installing checkov"
  rm -rf .local/checkov
  .venv/bin/uv venv --quiet --python .venv/bin/python .local/checkov
  sync_packages .local/checkov requirements/checkov.txt
  mark_done checkov requirements/checkov.txt .venv/pyvenv.cfg
}

set_up_clients() {
  if [ -x .local/clients/bin/python ] && [ -d tests/clients/node_modules ] &&
    done_before clients requirements/clients.txt tests/clients/package-lock.json .venv/pyvenv.cfg; then
    return
  fi
  echo "Installing the published clients"
  rm -rf .local/clients
  .venv/bin/uv venv --quiet --python .venv/bin/python .local/clients
  sync_packages .local/clients requirements/clients.txt
  npm --prefix tests/clients ci --silent --no-progress || npm --prefix tests/clients ci --no-progress
  mark_done clients requirements/clients.txt tests/clients/package-lock.json .venv/pyvenv.cfg
}

set_up_inference() {
  if ! was_cut_off inference && [ -x .local/inference/bin/python ] &&
    done_before inference requirements/inference.txt pyproject.toml .venv/pyvenv.cfg; then
    return
  fi
  echo "Installing PyTorch and diffusers, which our own model server runs on (1.2 GB)"
  begin inference
  if ! .local/inference/bin/python -c '' 2>/dev/null; then
    rm -rf .local/inference
    .venv/bin/uv venv --quiet --python .venv/bin/python .local/inference
  fi
  # It removes torch, which the file does not name.
  sync_packages .local/inference requirements/inference.txt
  install_torch
  mark_done inference requirements/inference.txt pyproject.toml .venv/pyvenv.cfg
  finish inference
}

# A build of torch for CPUs has 0.2 GB. It has the same version, with "+cpu" on Linux, and pip prefers it where it sees
# one: in PIP_FIND_LINKS or PIP_EXTRA_INDEX_URL. The build for Linux on PyPI needs NVIDIA's libraries to be imported.
install_torch() {
  torch=$(sed -n 's/^  "\(torch==[^"]*\)".*/\1/p' pyproject.toml)
  pip_install="python -m pip --python .local/inference/bin/python install --quiet --disable-pip-version-check"
  .venv/bin/$pip_install --no-deps "$torch"
  if .local/inference/bin/python -c 'import torch' 2>/dev/null; then
    return
  fi
  echo "pip finds no build of $torch for CPUs: installing NVIDIA's libraries for the one it found (3 GB)."
  echo "An index with builds for CPUs, which PyTorch's own documentation names, can be given in PIP_EXTRA_INDEX_URL."
  .venv/bin/$pip_install "$torch"
}

# Before anything slow: what is missing should be known at once. npm needs Node.js to install the pinned Node.js.
check_node() {
  command -v node >/dev/null || fail "Node.js is not on the PATH. Install version 20 or later: https://nodejs.org"
  command -v npm >/dev/null || fail "npm is not on the PATH. It comes with Node.js: https://nodejs.org"
  major=$(major_of node)
  [ "${major:-0}" -ge 20 ] || fail "Node.js $(node --version) is too old. Install version 20 or later: https://nodejs.org"
}

major_of() { "$1" --version 2>/dev/null | sed -n 's/^v\([0-9]*\).*/\1/p'; }

# The CDK runs on the Node.js of package-lock.json. Platforms without one there use the Node.js of the PATH.
check_pinned_node() {
  node=node
  if [ -e node_modules/.bin/node ]; then node=node_modules/.bin/node; fi
  major=$(major_of "$node")
  [ "${major:-0}" -ge 22 ] || fail "The CDK needs Node.js 22 or later, and $node is $("$node" --version 2>&1 | head -n 1). Install it: https://nodejs.org"
}

set_up_cdk() {
  if [ -x node_modules/.bin/cdk ] && done_before cdk package-lock.json; then
    return
  fi
  echo "Installing the CDK CLI and Node.js of package-lock.json"
  # The CDK CLI is a development dependency, and Node.js an optional one: a user's .npmrc may leave out both.
  npm ci --include=dev --include=optional --silent --no-progress || npm ci --include=dev --include=optional --no-progress
  check_pinned_node
  mark_done cdk package-lock.json
}

# The creators' page, built into the functions' package. What the build needs is less than what its checks need.
set_up_console() {
  if [ -e lambda/image_api/console/index.html ] && done_before console console/package-lock.json console/*.* console/src/*; then
    return
  fi
  echo "Building the creators' page"
  install_console --omit=dev
  node console/build.mjs
  mark_done console console/package-lock.json console/*.* console/src/*
}

# install_console FLAG: what console/package-lock.json names; with --include=dev also what `make lint` and the browser
# tests need. Installed once for each lock file.
install_console() {
  if done_before "console$1" console/package-lock.json || done_before console--include=dev console/package-lock.json; then
    return
  fi
  npm --prefix console ci --silent --no-progress "$1" || npm --prefix console ci --no-progress "$1"
  mark_done "console$1" console/package-lock.json
}

set_up_browser() {
  install_console --include=dev
  if done_before browser requirements/browser.txt .venv/pyvenv.cfg; then
    return
  fi
  echo "Installing Playwright, which drives a browser in tests"
  .venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --require-hashes --requirement requirements/browser.txt
  mark_done browser requirements/browser.txt .venv/pyvenv.cfg
}

check_node
set_up_python
set_up_cdk
set_up_console
.venv/bin/python -m tools.build_layer >/dev/null
for extra in "$@"; do
  case $extra in
    catalog) set_up_catalog ;;
    checkov) set_up_checkov ;;
    console) install_console --include=dev ;;
    browser) set_up_browser ;;
    clients) set_up_clients ;;
    inference) set_up_inference ;;
    *) fail "there is nothing named $extra to set up: catalog, checkov, clients, console, inference or browser." ;;
  esac
done
