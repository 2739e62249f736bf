#!/bin/bash
# evergate, nginx and HAProxy side by side. See bench.py for what it measures and its options.
#
#   ROUNDS=5 SECONDS_PER_RUN=3 SCENARIOS="get_1k https" tests/bench/run.sh [--markdown FILE]
export PATH=$PATH:/usr/sbin # nginx and haproxy; Debian leaves it out for ordinary users
exec python3 "$(dirname "${BASH_SOURCE[0]}")/bench.py" "$@"
