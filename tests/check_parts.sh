#!/bin/sh
# The parts of test_ops together have all of its tests, each once.
# usage: check_parts.sh TEST_OPS ARGUMENTS ...      the arguments of each part, as one word
set -euf
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
program=$1
shift
"$program" --list | sort > "$dir/whole"
# shellcheck disable=SC2086 # words of a part
for part in "$@"; do "$program" --list $part; done | sort > "$dir/parts"
[ -s "$dir/whole" ] || { echo "$program lists no tests"; exit 1; }
diff "$dir/whole" "$dir/parts" || { echo "the parts (>) are not the whole (<)"; exit 1; }
echo "$(wc -l < "$dir/whole") tests in $# parts"
