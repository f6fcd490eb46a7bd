#!/bin/sh
# Each public header compiles alone, as C11 and as C++17, with every compiler that is installed.
# usage: check_headers.sh [C-COMPILER], from the project's root
set -eu
file=$(mktemp -d)
trap 'rm -rf "$file"' EXIT
flags="-Wall -Wextra -Wpedantic -Wshadow -Werror -fsyntax-only -Iinclude"
# The given compiler may be one of the others.
c_compilers=$(for one in "${1:-cc}" gcc clang; do command -v "$one"; done | sort -u)
for header in include/pumice/*.h; do
    name=pumice/$(basename "$header")
    # Included twice, which also tests the guard.
    printf '#include <%s>\n#include <%s>\nint header_alone;\n' "$name" "$name" | tee "$file/x.c" > "$file/x.cpp"
    for compiler in $c_compilers; do
        # shellcheck disable=SC2086
        "$compiler" -std=c11 $flags "$file/x.c" || { echo "$header: not C11 for $compiler"; exit 1; }
    done
    for compiler in g++ clang++; do
        command -v "$compiler" > /dev/null || continue
        # shellcheck disable=SC2086
        "$compiler" -std=c++17 $flags "$file/x.cpp" || { echo "$header: not C++17 for $compiler"; exit 1; }
    done
done
