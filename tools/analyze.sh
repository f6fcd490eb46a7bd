#!/bin/sh
# Clang's static analyzer and clang-tidy's checks for bugs (.clang-tidy) over engine/ and apps/: about 2 minutes on 2 cores.
# usage: analyze.sh [FILE.c ...]      default all of them
# Ends with 1 where there is any warning. Answer a false warning with clearer code, or with NOLINTNEXTLINE and the reason.
set -eu
cd "$(dirname "$0")/.."
say() { echo "analyze: $*" >&2; }

tool=""
for one in clang-tidy-14 clang-tidy; do # other versions give other warnings
    if [ -z "$tool" ] && command -v $one > /dev/null; then tool=$one; fi
done
[ -n "$tool" ] || { say "no clang-tidy: install the package clang-tidy"; exit 1; }

build="build-analyze"
if [ -e $build/CMakeCache.txt ]; then generator=""; else generator="-G Ninja"; fi
# shellcheck disable=SC2086
cmake -S . -B $build $generator -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER=clang > /dev/null # for compile_commands.json
cmake --build $build --target pumice_kernels > /dev/null                                          # for the headers that are made from them
[ $# != 0 ] || set -- engine/*/*.c apps/pumice/*.c
if printf '%s\n' "$@" | xargs -P "$(nproc)" -n 4 "$tool" -p $build --quiet 2> /dev/null; then say "$# files, no warning"; else exit 1; fi
