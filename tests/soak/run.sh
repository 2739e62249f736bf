#!/bin/sh
# Changes under load; see soak.py. Options are passed on.
#
#   tests/soak/run.sh [--only reloads|upgrades|discovery] [--reloads 1000] [--upgrades 20] [--markdown FILE]
#
# EVERGATE=path      the binary (default build/evergate)
# CHAOS_LOAD=path    the load generator (default build/chaos/chaos_load, which "make soak" builds)
set -eu
PATH=$PATH:/usr/sbin:/sbin
export PATH PYTHONDONTWRITEBYTECODE=1
exec /usr/bin/python3 "$(dirname "$0")/soak.py" "$@"
