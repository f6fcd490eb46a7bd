#!/bin/sh
# Decoders at their released sizes with random weights, in bindings of the driver's own size (llvmpipe: 128 MiB): the smaller two train a step, the larger two
# write with weights in bf16 from a GGUF file. Device memory must be within 5 % of what --plan said.
# usage: decoder-sizes.sh [BUILD [MODEL ...]]      default build, which has pumice and tests/make_model, and all four models
# Takes up to 20 GB of memory and of disk, and half an hour on two cores of a software driver, so that it is no test.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
build=$(realpath "${1:-$here/build}")
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- smollm2-135m qwen3-0.6b llama-3.2-1b qwen3-1.7b
say() { echo "decoder-sizes: $*" >&2; }
if ! [ -x "$build/pumice" ] || ! [ -x "$build/tests/make_model" ]; then
    say "no pumice and tests/make_model in $build"
    exit 1
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export PUMICE_DISABLE=bda # buffers are bound, not addressed
head -c 3000 "$here/README.md" > "$dir/text"

# compare NAME OPTION…: the plan, the run, and both totals.
compare() {
    name=$1
    shift
    planned=$("$build/pumice" "$@" --plan | sed -n 's/^total *\([0-9.]*\) MiB.*/\1/p')
    "$build/pumice" "$@" --verbose > "$dir/log" 2>&1 || { tail -n 3 "$dir/log" >&2; say "$name failed"; exit 1; }
    taken=$(sed -n 's/.*at most \([0-9.]*\) MiB of device memory.*/\1/p' "$dir/log")
    awk -v name="$name" -v p="$planned" -v t="$taken" 'BEGIN {
        printf "%-32s planned %9.2f MiB, taken %9.2f MiB, %+.1f %%\n", name, p, t, 100 * (t / p - 1); exit t > 1.05 * p || t < 0.95 * p }' || {
        say "$name: more than 5 % from the plan"
        exit 1
    }
}

for model in "$@"; do
    "$build/tests/make_model" "$model" "$dir/model"
    case $model in
    smollm2-135m | qwen3-0.6b)
        compare "$model: a step of 128 tokens" train --init "$dir/model" --data "$dir/text" --out "$dir/out" --ctx 128 --batch 1 --steps 1 --eval-every 0 \
            --eval-batches 1 --precision f32
        ;;
    *)
        "$build/pumice" convert --from "$dir/model" --to gguf --type bf16 --out "$dir/model.gguf" > /dev/null
        rm -r "$dir/model"
        compare "$model: writes 8 tokens" generate --model "$dir/model.gguf" --prompt "Once upon a time there" --tokens 8 --ctx 2048 --temperature 0
        ;;
    esac
    rm -rf "$dir/model" "$dir/model.gguf" "$dir/out"
done
