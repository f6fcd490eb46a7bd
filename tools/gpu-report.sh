#!/bin/sh
# Reports on a GPU in one table: the operations' tests, then Pumice's speed compared with PyTorch on the same GPU and with the GPU's own peaks.
# usage: gpu-report.sh [BUILD [WORD ...]]
#
# BUILD: a folder that has been built, such as one brought from another machine; by default build/, which is built. WORDs: only the lines
# whose titles contain one of them; "tests" is the tests' title.
# Environment: TORCH (cuda), PyTorch's name of the GPU, or a number of CPU threads to try the script without one; PYTHON (python3), one that
# has PyTorch, if any; DEVICE (auto), Pumice's. Nothing else should use the GPU meanwhile. Some minutes.
set -eu

say() { echo "gpu-report: $*" >&2; }

here=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-}
[ $# = 0 ] || shift
wanted=$*
torch=${TORCH:-cuda}
python=${PYTHON:-python3}
device=${DEVICE:-auto}
if [ -z "$build" ]; then
    sh "$here/tools/setup.sh" tests
    build=$here/build
    if [ -e "$build/CMakeCache.txt" ]; then generator=""; else generator="-G Ninja -DCMAKE_BUILD_TYPE=Release"; fi
    # shellcheck disable=SC2086
    { cmake -S "$here" -B "$build" $generator && cmake --build "$build" --target pumice_cli test_ops; } > "$here/build.log" 2>&1 || {
        say "the build failed; build.log tells why"
        exit 1
    }
    rm -f "$here/build.log"
fi
pumice=$build/pumice
[ -x "$pumice" ] || { say "no program $pumice: name a folder that has been built"; exit 1; }
. "$here/tools/bench-lines.sh"

"$pumice" devices --device "$device" | head -n 4
if command -v nvidia-smi > /dev/null; then nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,power.limit --format=csv,noheader || true; fi
reference about
echo
show work Pumice yardstick fraction target ""

# Each operation against its twin in double precision, in two configurations: all features, and fp16 activations.
title="tests of every operation"
if asked "$title"; then
    # shellcheck disable=SC2153
    if [ ! -x "$build/tests/test_ops" ]; then
        show "$title" - - - "all" "not built"
    elif (cd "$here" && "$build/tests/test_ops" "*(all features)" "*(fp16)") > "$dir/tests" 2>&1; then
        show "$title" "$(grep -c '  OK ' "$dir/tests")" - - "all" "met"
    else
        grep -E "FAILED|ERROR" "$dir/tests" | head -n 5 >&2
        show "$title" - - - "all" "MISSED"
        bad=1
    fi
fi

bench_options="--device $device"
line "matmul 4096^3 fp32, GFLOP/s" matmul 4096x4096x4096 gflops of 0.8 gemm 4096 4096 4096
bench_options="--device $device --dtype f16"
line "matmul 4096^3 fp16, GFLOP/s" matmul 4096x4096x4096 gflops of 0.5 gemm 4096 4096 4096 f16
line "attention 16 x 12 x 64 fp16, GFLOP/s" attention 16x12x1024x64 gflops of 0.4 attention 16 12 1024 64 f16
line "its gradient, fp16, GFLOP/s" attention-bwd 16x12x1024x64 gflops of 0.4 attention-bwd 16 12 1024 64 f16
bench_options="--device $device"
line "attention 4 x 12 x 64 fp32, GFLOP/s" attention 4x12x1024x64 gflops of 0.4 attention 4 12 1024 64
line "layernorm 16384x768, GB/s" layernorm 16384x768 gbps peak 0.7
line "adamw 124M, GB/s" adamw 124439808 gbps peak 0.7
bench_options="--device $device --dtype f16"
line "step GPT-2 124M fp16, T 1024, B 16, tokens/s" train-step 12x12x768x1024x16x50257 tokens_per_s of 0.4 train-step 12 12 768 1024 16 50257 bf16
bench_options="--device $device"
line "decode GPT-2 124M, T 1024, GB/s" decode 12x12x768x1024x1x50257 gbps peak 0.6
exit $bad
