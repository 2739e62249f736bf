#!/bin/bash
# Runs the fuzz targets (all, or those named) for FUZZ_SECONDS each, from seeds and old crashers.
#
#   FUZZ_SECONDS=600 scripts/fuzz.sh [request_head ...]
#
# What a target finds interesting is kept in build/fuzz/corpus/<name>; what makes it fail is written
# to tests/fuzz/regression/<name>, to be committed beside its fix and replayed by "make test".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${FUZZ_SECONDS:-60}
export ASAN_OPTIONS=abort_on_error=1:detect_leaks=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1

cmake --preset fuzz >/dev/null
cmake --build --preset fuzz

names=("$@")
if ((!${#names[@]})); then
    for source in tests/fuzz/fuzz_*.c; do
        name=${source##*/fuzz_}
        names+=("${name%.c}")
    done
fi

failures=0
for name in "${names[@]}"; do
    target=build/fuzz/tests/fuzz_$name
    corpus=build/fuzz/corpus/$name
    regression=tests/fuzz/regression/$name
    inputs=("$corpus")
    mkdir -p "$corpus"
    for directory in "tests/fuzz/seeds/$name" "$regression"; do
        [[ -d $directory ]] && inputs+=("$directory")
    done
    made_here=
    [[ -d $regression ]] || { mkdir -p "$regression" && made_here=yes; }
    printf '\n=== %s, %d s\n' "$name" "$seconds"
    log=build/fuzz/$name.log
    if "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="$regression/" "${inputs[@]}" >"$log" 2>&1; then
        grep -E 'number_of_executed_units|peak_rss_mb' "$log"
        grep -E ' cov: ' "$log" | tail -n 1
    else
        failures=$((failures + 1))
        tail -n 60 "$log"
    fi
    [[ -z $made_here ]] || rmdir --ignore-fail-on-non-empty "$regression"
done

printf '\n%d targets, %d failed\n' ${#names[@]} $failures
((failures == 0))
