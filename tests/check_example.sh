#!/bin/sh
# The C example of the README compiles against the public headers and the library, runs, and writes something.
# usage: check_example.sh C-COMPILER LIBRARY [FURTHER-LIBRARY ...], from the project's root
set -eu
compiler=$1
shift
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
awk '/^```c$/ { on = 1; next } /^```/ { if (on) exit } on' README.md > "$folder/example.c"
if [ ! -s "$folder/example.c" ]; then
    echo "README.md: no \`\`\`c block"
    exit 1
fi
"$compiler" -std=c11 -Wall -Wextra -Wpedantic -Werror -Iinclude "$folder/example.c" "$@" -lm -ldl -lpthread -o "$folder/example"
"$folder/example" > "$folder/out"
cat "$folder/out"
[ "$(wc -c < "$folder/out")" -gt 20 ] || { echo "the example wrote next to nothing"; exit 1; }
