#!/bin/bash
# Every test, as continuous integration runs them. The last line is "N passed, N failed"; the exit
# code is 1 when something failed or when a stage ran nothing.
#
#   scripts/test.sh [asan] [release] [tsan] [deploy]      default: all four
#
#   asan     AddressSanitizer + UBSan: unit tests, fuzz replay, tree checks; integration suite
#   release  the program as it is shipped: integration suite
#   tsan     ThreadSanitizer: stress programs; integration suite with 4 workers
#   deploy   the release program as users get it: packages, unit, images, manifests (root)
#
# Criterion cannot run under ThreadSanitizer, hence the stress programs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

stages=("$@")
((${#stages[@]})) || stages=(asan release tsan deploy)
results=build/test-results
jobs=$(nproc)
rm -rf $results
mkdir -p $results

export PATH=$PATH:/usr/sbin # nginx; Debian leaves it out for ordinary users
export ASAN_OPTIONS=abort_on_error=1:detect_leaks=1:strict_string_checks=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS=halt_on_error=0:exitcode=66:second_deadlock_stack=1:suppressions=$PWD/scripts/tsan.supp

# gcc 12's sanitizers need their shadow where a kernel with 32 random bits may put the program.
without_aslr=()
if (($(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 0) > 28)) &&
    setarch "$(uname -m)" -R true 2>/dev/null; then
    without_aslr=(setarch "$(uname -m)" -R)
fi

heading() {
    printf '\n=== %s  (%d min %02d s so far)\n' "$1" $((SECONDS / 60)) $((SECONDS % 60))
}

# build PRESET: a build that fails ends everything, but still with the summary's line.
build() {
    heading "build $1"
    cmake --preset "$1" >/dev/null && cmake --build --preset "$1" -- -j"$jobs" --quiet
}

# run_ctest STAGE DIRECTORY LABELS
run_ctest() {
    heading "$1: $3 tests"
    "${without_aslr[@]}" ctest --test-dir "$2" -L "$3" -j "$jobs" --timeout 300 --no-tests=error \
        --output-on-failure --test-output-size-passed 1000000 --test-output-size-failed 1000000 \
        --output-junit "$PWD/$results/$1-ctest.xml" || true
}

# run_integration STAGE BINARY
run_integration() {
    heading "$1: integration tests"
    JOBS=${JOBS:-$((jobs * 2))} EVERGATE=$PWD/$2 "${without_aslr[@]}" timeout -k 10 1500 \
        tests/integration/run.sh \
        --junitxml="$PWD/$results/$1-integration.xml" </dev/null || true
}

run_deploy() {
    heading "deploy: deploy tests"
    EVERGATE=$PWD/build/evergate timeout -k 10 900 tests/deploy/run.sh \
        --junitxml="$PWD/$results/deploy.xml" </dev/null || true
}

run_stage() {
    case $1 in
    asan)
        build asan
        run_ctest asan build/asan 'unit|fuzz|tree'
        EVERGATE_TEST_PATIENCE=3 run_integration asan build/asan/evergate
        ;;
    release)
        build release
        run_integration release build/evergate
        ;;
    tsan)
        build tsan
        run_ctest tsan build/tsan stress
        EVERGATE_TEST_PATIENCE=5 EVERGATE_WORKERS=4 run_integration tsan build/tsan/evergate
        ;;
    deploy)
        build release
        run_deploy
        ;;
    *)
        echo "unknown stage $1: asan, release, tsan, deploy" >&2
        return 2
        ;;
    esac
}

expected=()
for stage in "${stages[@]}"; do
    case $stage in
    asan | tsan) expected+=("$results/$stage-ctest.xml" "$results/$stage-integration.xml") ;;
    release) expected+=("$results/release-integration.xml") ;;
    *) expected+=("$results/$stage.xml") ;;
    esac
    # Not "if run_stage": bash would ignore -e inside, and a broken build would go on.
    set +e
    (set -e; run_stage "$stage")
    set -e
done

heading summary
exec python3 scripts/count_results.py "${expected[@]}"
