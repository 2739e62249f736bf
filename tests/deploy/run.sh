#!/bin/sh
# Runs the deploy tests: packages, units, images and manifests, with the release binary.
#
#   tests/deploy/run.sh [pytest arguments]
#
# EVERGATE=path            the binary (default build/evergate); its build tree is what is packed
# EVERGATE_DEPLOY_DIR=path what is kept between runs (default build/deploy)
# JOBS=2                   files at a time
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
export PYTHONDONTWRITEBYTECODE=1 PATH="$PATH:/usr/sbin:/sbin"
EVERGATE=$(realpath "${EVERGATE:-$root/build/evergate}")
export EVERGATE

if [ ! -x "$EVERGATE" ]; then
    echo "run.sh: no binary at $EVERGATE; build it first (make build) or set EVERGATE" >&2
    exit 2
fi
cd "$here"
exec /usr/bin/python3 -m pytest -p no:cacheprovider -n "${JOBS:-2}" --dist loadfile -q \
    -rs --durations=8 "$@"
