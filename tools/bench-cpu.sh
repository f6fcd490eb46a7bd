#!/bin/sh
# Compares Pumice on a software driver with the CPU's own libraries, each pair in the same minute: products with OpenBLAS; rows, attention and
# training steps with PyTorch. sh tools/bench-cpu.sh [PUMICE] [WORD ...]
#
# PUMICE: a program, or the folder it was built in; by default build/pumice, which is built.
# WORDs: only the lines whose titles contain one of them, such as matmul.
# Environment: THREADS (2), for all three; VK_DRIVER_FILES, to choose the driver.
# Prints a line for each: Pumice's value, the yardstick, the fraction, the target and whether it is met. Nothing else should run on the machine
# meanwhile. Some minutes; a line whose yardstick is missing has "-" for it.
set -eu

say() { echo "bench-cpu: $*" >&2; }

here=$(cd "$(dirname "$0")/.." && pwd)
pumice=${1:-}
[ $# = 0 ] || shift
wanted=$*
threads=${THREADS:-2}
python=/usr/bin/python3 # Debian's modules belong to Debian's Python
LP_NUM_THREADS=$threads
export LP_NUM_THREADS

sh "$here/tools/setup.sh" bench
# OpenBLAS knows processors by their numbers. A processor newer than OpenBLAS gets kernels of 2004, a worthless yardstick. Then the script chooses by
# features.
if [ -z "${OPENBLAS_CORETYPE:-}" ] && OPENBLAS_VERBOSE=2 "$python" -c "import numpy" 2>&1 | grep -q "Core: Prescott"; then
    case $(grep -m 1 "^flags" /proc/cpuinfo) in
    *avx512vl*) OPENBLAS_CORETYPE=SkylakeX ;;
    *avx2*) OPENBLAS_CORETYPE=Haswell ;;
    esac
    [ -z "${OPENBLAS_CORETYPE:-}" ] || export OPENBLAS_CORETYPE
fi
if [ -z "$pumice" ]; then
    pumice=$here/build/pumice
    if [ -e "$here/build/CMakeCache.txt" ]; then generator=""; else generator="-G Ninja -DCMAKE_BUILD_TYPE=Release"; fi
    # shellcheck disable=SC2086
    { cmake -S "$here" -B "$here/build" $generator && cmake --build "$here/build" --target pumice_cli; } > "$here/build.log" 2>&1 || {
        say "the build failed; build.log tells why"
        exit 1
    }
    rm -f "$here/build.log"
fi
[ ! -d "$pumice" ] || pumice=$pumice/pumice
[ -x "$pumice" ] || { say "no program $pumice: build it, or name it"; exit 1; }

torch=$threads
. "$here/tools/bench-lines.sh"

"$pumice" devices | head -n 1
reference about
echo "$(uname -m), $(nproc) cores, load $(cut -d ' ' -f 1 /proc/loadavg) at the start"
echo
show work Pumice yardstick fraction target ""

unit="GFLOP/s"
# Shapes of the titles are M x K x N, as papers write them; those of pumice bench are MxNxK.
line "matmul 512x512x512, GFLOP/s" matmul 512x512x512 gflops of 0.13 gemm 512 512 512
line "matmul 1024x1024x1024, GFLOP/s" matmul 1024x1024x1024 gflops of 0.13 gemm 1024 1024 1024
line "matmul 256x768x3072, GFLOP/s" matmul 256x3072x768 gflops of 0.13 gemm 256 3072 768
line "matmul 256x3072x768, GFLOP/s" matmul 256x768x3072 gflops of 0.13 gemm 256 768 3072
line "matmul-dw 768x256x3072, GFLOP/s" matmul-dw 768x3072x256 gflops of 0.10 gemm 768 3072 256 a
line "attention 12 x 64, T 1024, GFLOP/s" attention 1x12x1024x64 gflops least 20 attention 1 12 1024 64
line "attention backward, GFLOP/s" attention-bwd 1x12x1024x64 gflops least 15 attention-bwd 1 12 1024 64
unit="GB/s"
line "layernorm 1024x768, GB/s" layernorm 1024x768 gbps least 6 layernorm 1024 768
line "softmax 1024x1024, GB/s" softmax 1024x1024 gbps least 6 softmax 1024 1024
line "gelu 256x3072, GB/s" gelu 256x3072 gbps least 6 gelu 256 3072

# Every pipeline of a GPT-2 training step; two layers have the same ones as twelve. The time is that of the first run minus a later one.
title="pipelines of a GPT-2 step, cold, s"
if asked "$title"; then
    "$pumice" bench train-step --shape 2x12x768x64x1x50257 --quick --json > "$dir/row"
    cold=$(awk -v first="$(field first_ms)" -v later="$(field ms)" 'BEGIN { printf "%.2f", (first - later) / 1000 }')
    show "$title" "$cold" - - "5 s at most" "$(awk -v s="$cold" 'BEGIN { print s <= 5 ? "met" : "MISSED" }')"
fi

line "step 4x4x128, T 64, B 12, tokens/s" train-step 4x4x128x64x12x65 tokens_per_s of 0.5 train-step 4 4 128 64 12 65
line "step GPT-2 124M, T 64, B 4, tokens/s" train-step 12x12x768x64x4x50257 tokens_per_s of 0.3 train-step 12 12 768 64 4 50257
echo
echo "load $(cut -d ' ' -f 1 /proc/loadavg) at the end"
exit $bad
