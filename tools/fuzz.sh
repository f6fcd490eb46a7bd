#!/bin/sh
# Builds the fuzzers of tests/fuzz and runs them, one after the other, until the first finding.
# usage: fuzz.sh [--in BUILD] [SECONDS] [NAME ...]      default 600 seconds each, all of them
# --in: runs the programs of that build folder without building. Prints a line for each: executions, seconds, edges of the code that were reached,
# findings.
# A finding's input and its report stay in BUILD/fuzz; so do the inputs that reached something new, for the next run.
set -eu
cd "$(dirname "$0")/.."
say() { echo "fuzz: $*" >&2; }

build=""
if [ "${1:-}" = --in ]; then
    build=${2:?"--in needs a build folder"}
    shift 2
fi
seconds=600
case ${1:-} in
'' | *[!0-9]*) ;;
*) seconds=$1; shift ;;
esac

if [ -z "$build" ]; then
    command -v clang > /dev/null || { say "no clang: sh tools/setup.sh tests"; exit 1; }
    build="build-fuzz"
    if [ -e $build/CMakeCache.txt ]; then generator=""; else generator="-G Ninja"; fi
    # shellcheck disable=SC2086
    cmake -S . -B $build $generator -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_C_COMPILER=clang -DPUMICE_FUZZ=ON > /dev/null
    cmake --build $build --target fuzzers > /dev/null
fi

if [ $# = 0 ]; then
    for source in tests/fuzz/fuzz_*.c; do
        name=${source##*/fuzz_}
        set -- "$@" "${name%.c}"
    done
fi
for name in "$@"; do
    program=$build/tests/fuzz/fuzz_$name
    [ -x "$program" ] || { say "no fuzzer $name in $build: they are the fuzz_NAME.c of tests/fuzz"; exit 2; }
    corpus=$build/fuzz/$name
    log=$build/fuzz/$name.log
    mkdir -p "$corpus"
    set -- "$corpus"
    for seeds in "tests/fuzz/seeds/$name" "$build/tests/fuzz/seeds/$name"; do
        [ ! -d "$seeds" ] || set -- "$@" "$seeds"
    done
    start=$(date +%s)
    findings=0
    words=tests/fuzz/$name.dict
    [ -e "$words" ] || words=tests/fuzz/json.dict
    "$program" -dict="$words" -artifact_prefix="$build/fuzz/$name-" -max_total_time="$seconds" -timeout=10 -malloc_limit_mb=1024 \
        -print_final_stats=1 "$@" > "$log" 2>&1 || findings=1
    runs=$(sed -n 's/^stat::number_of_executed_units: //p' "$log")
    edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    printf '%-12s %9s executions %5d s %6s edges %2d findings\n' "$name" "${runs:-?}" $(($(date +%s) - start)) "${edges:-0}" $findings
    if [ $findings = 1 ]; then
        say "$name: what it found: $log, and $(sed -n 's/.*Test unit written to //p' "$log")"
        exit 1
    fi
done
