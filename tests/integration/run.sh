#!/bin/sh
# Runs the integration suite against the real binary.
#
#   tests/integration/run.sh [pytest arguments]
#
# EVERGATE=path          the binary (default build/evergate)
# EVERGATE_WORKERS=4     worker threads in the generated configurations (default 2)
# JOBS=4                 tests at a time
# JUNIT=path             leave a JUnit report there
# EVERGATE_STREAM_MB     how much the heavy streaming tests move (default 300)
# EVERGATE_TEST_PATIENCE factor on every deadline, for sanitizers and busy machines (default 1)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
export PYTHONDONTWRITEBYTECODE=1
EVERGATE="${EVERGATE:-$root/build/evergate}"
case $EVERGATE in
/*) ;;
*) EVERGATE=$(pwd)/$EVERGATE ;;
esac
export EVERGATE

if [ ! -x "$EVERGATE" ]; then
    echo "run.sh: no binary at $EVERGATE; build it first (make build) or set EVERGATE" >&2
    exit 2
fi
if [ -n "${JUNIT:-}" ]; then
    case $JUNIT in
    /*) report=$JUNIT ;;
    *) report=$(pwd)/$JUNIT ;;
    esac
    set -- --junit-xml "$report" "$@"
fi

cd "$here"
exec /usr/bin/python3 -m pytest -p no:cacheprovider -n "${JOBS:-4}" -q "$@"
