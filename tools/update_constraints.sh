#!/bin/sh
# Write constraints.txt anew: the newest versions that pip finds today, apart from torch, which
# keeps its version (edit it in constraints.txt by hand). Run as `make constraints`.
set -eu

cd "$(dirname "$0")/.."
torch=$(grep '^torch==' constraints.txt)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"${PYTHON:-python3}" -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --editable ".[bench,dask,docs,lint,test]" "$torch"
{
    echo "# The exact versions that nogap is developed and tested with, every extra included."
    echo "# Regenerate with \`make constraints\` (tools/update_constraints.sh): it installs all extras"
    echo "# into a fresh environment and freezes that. The package's own bounds are in pyproject.toml."
    # Local version labels, as in 2.13.0+cpu, name a build and not a version.
    "$scratch/venv/bin/python" -m pip freeze --all --exclude-editable |
        sed -e '/^pip==/d' -e 's/+[a-z0-9.]*$//'
} >"$scratch/constraints.txt"
cp "$scratch/constraints.txt" constraints.txt
