#!/bin/sh
# Runs each subcommand on GPT-1 and the smallest GPT-2 at their released sizes, with random weights, and measures time and memory:
#     sh tools/real-sizes.sh [FOLDER] (out/real-sizes by default; 3 GB, removed at the end). It takes some minutes on a software driver, so it is not
#     a test. Needs what the tests need, and GNU time (Debian's package `time`).
#
# Prints a line for each: seconds from start to end, peak resident memory of the process in MiB. On a software driver the weights are part of
# that memory: 445 MiB (GPT-1) and 475 MiB (GPT-2).
set -eu

say() { echo "real-sizes: $*" >&2; }

dir=${1:-out/real-sizes}
case $dir in /*) ;; *) dir=$PWD/$dir ;; esac
cd "$(dirname "$0")/.."
if ! [ -x /usr/bin/time ]; then
    say "needs GNU time: apt-get install time"
    exit 1
fi
if [ -e "$dir" ]; then
    say "$dir is there already; give a folder that is not"
    exit 2
fi
mkdir -p "$dir"
trap 'rm -rf "$dir"' EXIT

if [ -e build/CMakeCache.txt ]; then generator=""; else generator="-G Ninja -DCMAKE_BUILD_TYPE=Release"; fi
# shellcheck disable=SC2086
if ! { cmake -S . -B build $generator && cmake --build build --target pumice_cli make_model; } > "$dir/build.log" 2>&1; then
    cat "$dir/build.log" >&2
    say "the build failed"
    exit 1
fi

# measure WHAT COMMAND…: prints its line; its output goes to $dir/log.
measure() {
    what=$1
    shift
    if ! /usr/bin/time -o "$dir/time" -f '%e %M' "$@" > "$dir/log" 2>&1; then
        cat "$dir/log" >&2
        say "$what failed"
        exit 1
    fi
    awk -v what="$what" '{ printf "%-28s %8.1f s %8.0f MiB\n", what, $1, $2 / 1024 }' "$dir/time"
}

# A byte is a token for these models; 1,025 of them are one window of GPT-2, and two of GPT-1.
head -c 1025 README.md > "$dir/text"
prompt=$(head -c 200 README.md)
for i in 1 2 3 4; do
    echo "{\"premise\": \"a stone that floats, number $i\", \"hypothesis\": \"pumice\", \"label\": $((i % 2))}"
done > "$dir/pairs"
for model in gpt1:116534784 gpt2:124439808; do
    name=${model%:*}
    count=${model#*:}
    measure "$name: create and save" build/tests/make_model "$name" "$dir/$name"
    measure "$name: plan of training" build/pumice train --plan --json --init "$dir/$name" --data "$dir/text" --ctx 16
    if ! grep -q "\"parameters\":[[:space:]]*$count," "$dir/log"; then
        cat "$dir/log" >&2
        say "$name should have $count parameters"
        exit 1
    fi
    measure "$name: convert" build/pumice convert --from "$dir/$name" --out "$dir/copy"
    cmp "$dir/$name/model.safetensors" "$dir/copy/model.safetensors"
    rm -r "$dir/copy"
    measure "$name: evaluate 1,024 tokens" build/pumice eval --model "$dir/$name" --data "$dir/text"
    measure "$name: read 200, write 1" build/pumice generate --model "$dir/$name" --prompt "$prompt" --tokens 1
    measure "$name: read 200, write 17" build/pumice generate --model "$dir/$name" --prompt "$prompt" --tokens 17
    measure "$name: fine-tune, 2 steps of 4" build/pumice finetune --task entail --model "$dir/$name" --train "$dir/pairs" --epochs 2 \
        --batch 4 --out "$dir/tuned"
    measure "$name: 4 predictions" build/pumice predict --model "$dir/tuned" --input "$dir/pairs"
    rm -r "${dir:?}/$name" "$dir/tuned"
done
