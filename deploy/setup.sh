#!/usr/bin/env bash
# Makes a virtual environment from a lock: setup.sh FOLDER LOCK [--tools]. Uses uv where it is installed, else venv and pip.
set -euo pipefail
folder=$1 lock=$2 kind=${3:-product}
python=${PYTHON:-python3}
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
case "$version" in
  3.11 | 3.12 | 3.13) ;;
  *) echo "Aurora needs Python 3.11, 3.12 or 3.13; $python is $version. Name another one: make setup PYTHON=python3.12" >&2; exit 3 ;;
esac
echo "Setting up $folder with Python $version; the first time this takes a few minutes ..."
if command -v uv >/dev/null 2>&1; then
  uv venv --quiet --allow-existing --python "$(command -v "$python")" "$folder"
  uv pip sync --quiet --python "$folder/bin/python" --require-hashes "$lock"
  if [ "$kind" = product ]; then uv pip install --quiet --python "$folder/bin/python" --no-deps --no-build-isolation --editable .; fi
else
  if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "Python's venv module is missing: apt-get install python$version-venv (or install uv), then run make setup again." >&2
    exit 3
  fi
  "$python" -m venv "$folder"
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --requirement "$lock"
  if [ "$kind" = product ]; then
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
  fi
fi
