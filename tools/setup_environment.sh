#!/bin/sh
# Make .venv hold nogap (editable, at the versions of constraints.txt) and the named extras.
#
#     tools/setup_environment.sh EXTRA[,EXTRA...]
#
# Does nothing when that was done before and neither pyproject.toml nor constraints.txt has
# changed since. PYTHON names the interpreter to start from (python3 unless told otherwise).
set -eu

cd "$(dirname "$0")/.."
extras=$1
python=${PYTHON:-python3}
venv_python=.venv/bin/python
stamp=.venv/installed-$extras

fail() {
    echo "nogap: $1" >&2
    exit 1
}

is_recent() { # is $1 a Python that runs and is recent enough?
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

recipe() { # everything an installation depends on
    pwd -P
    cat pyproject.toml constraints.txt
}

if is_recent "$venv_python" && [ -f "$stamp" ] && recipe | cmp -s - "$stamp"; then
    exit 0
fi

if ! is_recent "$venv_python"; then
    is_recent "$python" ||
        fail "Python 3.11 or newer is needed and '$python' is not: install it (on Debian: apt-get install python3 python3-pip), or name one with PYTHON=/path/to/python3."
    rm -rf .venv
    if ! "$python" -m venv .venv >/dev/null 2>&1; then
        # Debian ships ensurepip apart, in python3-venv; the interpreter's own pip will do.
        rm -rf .venv
        "$python" -m venv --without-pip .venv
    fi
fi

if "$venv_python" -m pip --version >/dev/null 2>&1; then
    pip() { "$venv_python" -m pip "$@"; }
elif "$python" -m pip --python "$venv_python" --version >/dev/null 2>&1; then
    pip() { "$python" -m pip --python "$venv_python" "$@"; }
else
    fail "pip 22.3 or newer is needed and '$python' has none: install it (on Debian: apt-get install python3-pip)."
fi

echo "Installing nogap[$extras] into .venv ..." >&2
rm -f "$stamp"
recipe >.venv/recipe.tmp # taken before, so that a change made meanwhile is not missed
pip install --quiet --disable-pip-version-check --no-input \
    --constraint constraints.txt --editable ".[$extras]"
mv .venv/recipe.tmp "$stamp"
