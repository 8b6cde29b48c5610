#!/bin/sh
# Installs what the project needs into .venv, node_modules and .local, from lock files; does nothing for what is there.
# With the argument `checkov`, its own virtual environment too: it pins other versions of the same packages.
set -eu
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

set_up_python() {
  if [ -x .venv/bin/uv ] && is_new_enough .venv/bin/python && done_before python requirements.lock pyproject.toml .venv/pyvenv.cfg; then
    return
  fi
  if ! is_new_enough .venv/bin/python; then
    python=$(find_python) || exit 1
    echo "Creating .venv with $("$python" --version)"
    rm -rf .venv
    "$python" -m venv .venv || fail "$python cannot make virtual environments. On Debian and Ubuntu, install python3-venv."
  fi
  if ! [ -x .venv/bin/uv ]; then
    echo "Installing uv, the installer"
    awk '/^[^ ]/ { wanted = /^uv==/ } wanted' requirements.lock >.local/uv.txt
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --requirement .local/uv.txt
  fi
  echo "Installing the Python packages of requirements.lock"
  sync_packages .venv requirements.lock
  # After the packages: the line above removes everything that is not in the lock file, this project included.
  .venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --editable .
  mark_done python requirements.lock pyproject.toml .venv/pyvenv.cfg
}

# sync_packages VENV LOCK: uv's progress bars where a person is looking, its list of packages nowhere.
sync_packages() {
  quiet=--quiet
  if [ -t 2 ]; then quiet=; fi
  .venv/bin/uv pip sync $quiet --python "$1/bin/python" --require-hashes "$2"
}

set_up_checkov() {
  if [ -x .local/checkov/bin/checkov ] && done_before checkov requirements-checkov.lock .venv/pyvenv.cfg; then
    return
  fi
  echo "Installing checkov"
  rm -rf .local/checkov
  .venv/bin/uv venv --quiet --python .venv/bin/python .local/checkov
  sync_packages .local/checkov requirements-checkov.lock
  mark_done checkov requirements-checkov.lock .venv/pyvenv.cfg
}

# Before anything slow: what is missing should be known at once.
check_node() {
  command -v node >/dev/null || fail "Node.js is not on the PATH. Install version 20 or later: https://nodejs.org"
  major=$(node --version | sed 's/^v\([0-9]*\).*/\1/')
  [ "$major" -ge 20 ] || fail "Node.js $(node --version) is too old. Install version 20 or later: https://nodejs.org"
}

set_up_cdk() {
  if [ -x node_modules/.bin/cdk ] && done_before cdk package-lock.json; then
    return
  fi
  command -v npm >/dev/null || fail "npm is not on the PATH. It comes with Node.js: https://nodejs.org"
  echo "Installing the CDK CLI of package-lock.json"
  npm ci --silent --no-progress || npm ci --no-progress
  mark_done cdk package-lock.json
}

check_node
set_up_python
set_up_cdk
.venv/bin/python -m tools.build_layer >/dev/null
if [ "${1:-}" = checkov ]; then set_up_checkov; fi
