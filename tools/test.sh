#!/bin/sh
# Installs what is missing, builds, and runs every test: sh tools/test.sh [quick] [CTEST-OPTION ...]
# One ctest run does everything: each driver, the validation layer, the sanitizers, clang, and the checks of the sources.
# quick: for a change in progress. The test programs run once each, those of operations in one configuration, and the checks of the sources, the
# command line and the docs.
set -eu

say() { echo "test: $*" >&2; }

quick=false
if [ "${1:-}" = quick ]; then
    quick=true
    shift
fi

cd "$(dirname "$0")/.."
sh tools/setup.sh demo tests

# Cooperative matrices, where the packages can be had.
newer=$(sh tools/newer.sh) && set_newer="-DPUMICE_NEWER=$newer -DGLSLC_COOPMAT=$newer/glslc" || set_newer=""

say "building in build-test/"
if [ -e build-test/CMakeCache.txt ]; then generator=""; else generator="-G Ninja"; fi
# shellcheck disable=SC2086
cmake -S . -B build-test $generator -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER=gcc -DPUMICE_WERROR=ON -DPUMICE_ALL_CHECKS=ON $set_newer
cmake --build build-test

if $quick; then
    set -- -L '^quick$' "$@"
    export PUMICE_TEST_QUICK=1
fi
say "running the tests"
exec ctest --test-dir build-test --output-on-failure --no-tests=error --parallel "$(nproc)" "$@"
