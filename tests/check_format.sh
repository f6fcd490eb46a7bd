#!/bin/sh
# The sources have clang-format 14's layout (other versions differ in details): see .clang-format.
# usage: check_format.sh, from the project's root
set -eu
tool=""
for one in clang-format-14 clang-format; do
    if command -v $one > /dev/null && $one --version | grep -q 'version 14\.'; then tool=$one; break; fi
done
if [ -z "$tool" ]; then
    echo "skipped: no clang-format 14"
    exit 77
fi
find engine include apps tests examples -type f \( -name '*.c' -o -name '*.h' -o -name '*.cpp' \) -exec "$tool" --dry-run --Werror {} +
