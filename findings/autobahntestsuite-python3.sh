#!/usr/bin/env bash
# autobahntestsuite 25.10.1, the newest release of the test suite for WebSocket implementations: pip installs it on
# Python 3, since only a classifier says Python 2, and its program `wstest` can't start there. The code is Python 2 (it
# imports a file of its package as if that were a top-level module), and the metadata names no dependency, though the
# code needs autobahn and twisted. So a CI step that only installs it seems to have the suite.
#
# Seen on 2026-12-02 with Python 3.11.7 and pip 23.2.1:
#
#   requires python: nothing; dependencies: 0
#   wstest --help: ModuleNotFoundError: No module named '_version'
#
# Needs python3 with venv. Exits with 0 if that still holds, with 1 if it has changed.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps autobahntestsuite==25.10.1

metadata="$(echo venv/lib/python3*/site-packages/autobahntestsuite-25.10.1.dist-info/METADATA)"
requires="$(sed -n 's/^Requires-Python: //p' "$metadata")"
dependencies="$(grep -c '^Requires-Dist: ' "$metadata" || true)"
seen="requires python: ${requires:-nothing}; dependencies: $dependencies
wstest --help: $( (venv/bin/wstest --help 2>&1 || true) | tail -n 1)"
expected="requires python: nothing; dependencies: 0
wstest --help: ModuleNotFoundError: No module named '_version'"
echo "$seen"
if [[ "$seen" != "$expected" ]]; then
    echo "changed: expected" >&2
    echo "$expected" >&2
    exit 1
fi
