#!/bin/sh
# The `app` of cdk.json: synthesizes with the project's own Python and Node.js, whatever the shell has on its PATH or in
# PYTHONPATH.
cd "$(dirname "$0")/.." || exit 1
if ! [ -x .venv/bin/python ]; then
  echo "error: $(pwd) is not set up. Run \`make setup\` there, then this command again." >&2
  exit 1
fi
export PATH="$(pwd)/node_modules/.bin:$PATH"
unset PYTHONPATH PYTHONHOME
exec .venv/bin/python app.py
