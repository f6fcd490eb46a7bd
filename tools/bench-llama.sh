#!/bin/sh
# Times llama.cpp, by npm's node-llama-cpp, on its CPU and Vulkan back ends, and Pumice: a GGUF file of SmolLM2-135M's shape with random weights in fp16, for
# Pumice in bf16, too, reads 32 tokens and writes 32. Vulkan runs on the driver that VK_DRIVER_FILES names; on a software driver llama.cpp's first prompt
# takes minutes.
# usage: bench-llama.sh [BUILD]      default build: the folder that has pumice, libpumice.so and tests/make_model
# Needs nodejs 20 with npm, and a C compiler. Prints ms of a prompt and of a token, of the second of two rounds.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
build=$(realpath "${1:-$here/build}")
version=3.21.1
say() { echo "bench-llama: $*" >&2; }
if ! [ -x "$build/pumice" ] || ! [ -x "$build/tests/make_model" ] || ! [ -e "$build/libpumice.so" ]; then
    say "no pumice, libpumice.so and tests/make_model in $build: build them, or name their folder"
    exit 1
fi
command -v npm > /dev/null || { say "install nodejs and npm"; exit 1; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

(cd "$dir" && npm install --silent --no-audit --no-fund --ignore-scripts --omit=optional "node-llama-cpp@$version" \
    "@node-llama-cpp/linux-x64@$version" "@node-llama-cpp/linux-x64-vulkan@$version" > npm.log 2>&1) || { say "npm cannot install: $(tail -n 1 "$dir/npm.log")"; exit 1; }
"$build/tests/make_model" smollm2-135m "$dir/model"
"$build/pumice" convert --from "$dir/model" --to gguf --type f16 --out "$dir/model.gguf" > /dev/null

# BACKEND FILE: the second of two rounds, so that compilation does not count.
cat > "$dir/time.mjs" << 'END'
import { getLlama, LlamaLogLevel } from 'node-llama-cpp'
const [backend, path] = process.argv.slice(2), vulkan = backend === 'vulkan', prompt = 32, count = 32
const llama = await getLlama({ gpu: vulkan ? 'vulkan' : false, build: 'never', logLevel: LlamaLogLevel.error })
const model = await llama.loadModel({ modelPath: path, gpuLayers: vulkan ? 'max' : 0 })
const context = await model.createContext({ contextSize: 1024, batchSize: prompt, threads: 2, flashAttention: false })
const sequence = context.getSequence(), ids = Array.from({ length: prompt }, (_, i) => 3 + i % 200)
let read, each
for (let round = 0; round < 2; round++) {
  await sequence.clearHistory()
  let start = performance.now(), n = 0
  await sequence.evaluateWithoutGeneratingNewTokens(ids)
  read = performance.now() - start
  for await (const _ of sequence.evaluate([5], { temperature: 0, yieldEogToken: true })) {
    if (n === 0) start = performance.now()
    if (n++ === count) break
  }
  each = (performance.now() - start) / count
}
console.log(`llama.cpp ${backend}: ${read.toFixed(1)} ms for ${prompt} tokens, ${each.toFixed(1)} ms for one`)
process.exit(0)
END
cat > "$dir/time.c" << 'END'
#define _POSIX_C_SOURCE 199309L
#include <stdio.h>
#include <time.h>

#include <pumice/pumice.h>

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
    enum { PROMPT = 32, COUNT = 32 };
    const pm_model_params weights = {.weights = PM_WEIGHTS_FILE};
    const pm_session_params room = {.ctx = 1024};
    pm_device *device = NULL;
    pm_model *model = NULL;
    pm_session *session = NULL;
    uint32_t ids[PROMPT], token = 5;
    double read = 0, each = 0;
    for (uint32_t i = 0; i < PROMPT; i++) ids[i] = 3 + i % 200;
    pm_status status = argc == 3 ? pm_device_open(&(pm_device_params){0}, &device) : PM_INVALID;
    if (status == PM_OK) status = pm_model_load_as(device, argv[2], &weights, &model);
    if (status == PM_OK) status = pm_session_create_as(model, &room, &session);
    for (int round = 0; round < 2 && status == PM_OK; round++) {
        pm_session_reset(session);
        double start = now_ms();
        status = pm_session_feed(session, ids, PROMPT);
        read = now_ms() - start;
        for (int i = 0; i <= COUNT && status == PM_OK; i++) {
            if (i == 1) start = now_ms();
            status = pm_session_feed(session, &token, 1);
            if (status == PM_OK) status = pm_session_sample(session, &(pm_sampling){0}, &token);
        }
        each = (now_ms() - start) / COUNT;
    }
    if (status == PM_OK) printf("pumice, %s: %.1f ms for %d tokens, %.1f ms for one\n", argv[1], read, PROMPT, each);
    pm_session_destroy(&session);
    pm_model_destroy(&model);
    pm_device_close(&device);
    return status != PM_OK;
}
END
cc -std=c11 -O2 -I"$here/include" "$dir/time.c" -L"$build" -lpumice -Wl,-rpath,"$build" -o "$dir/time" || { say "the program that times Pumice is not built"; exit 1; }
(cd "$dir" && node time.mjs cpu model.gguf && GGML_VK_VISIBLE_DEVICES=0 node time.mjs vulkan model.gguf)
"$build/pumice" convert --from "$dir/model" --to gguf --type bf16 --out "$dir/model-bf16.gguf" > /dev/null
"$dir/time" fp16 "$dir/model.gguf"
"$dir/time" bf16 "$dir/model-bf16.gguf"
