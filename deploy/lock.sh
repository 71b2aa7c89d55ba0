#!/usr/bin/env bash
# Solves pyproject.toml to exact versions with hashes and no index addresses, for every supported Python.
set -euo pipefail
command -v uv >/dev/null 2>&1 || { echo "make lock needs uv: pip install uv" >&2; exit 3; }
how=(--quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate)
uv pip compile "${how[@]}" pyproject.toml --group test --group build --output-file requirements/product.lock
uv pip compile "${how[@]}" --group pyproject.toml:tools --output-file requirements/tools.lock
