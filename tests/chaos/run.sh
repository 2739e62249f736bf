#!/bin/sh
# Failover against real servers; see chaos.py. Options are passed on.
#
#   tests/chaos/run.sh [--scenarios kill,stop] [--workers 1,4] [--only bars] [--markdown FILE]
#
# EVERGATE=path      the binary (default build/evergate)
# CHAOS_LOAD=path    the load generator (default build/chaos/chaos_load, which "make chaos" builds)
set -eu
PATH=$PATH:/usr/sbin:/sbin
export PATH PYTHONDONTWRITEBYTECODE=1
exec /usr/bin/python3 "$(dirname "$0")/chaos.py" "$@"
