#!/bin/sh
# Times llama.cpp, by npm's node-llama-cpp, on its CPU and Vulkan back ends, and Pumice: a model of SmolLM2-135M's shape with random weights in fp16 reads
# 32 tokens and writes some. Vulkan runs on the driver that VK_DRIVER_FILES names; on a software driver its first prompt takes minutes.
# usage: bench-llama.sh [BUILD]      default build: the folder that has pumice and tests/make_model
# Pumice's model has as many heads of keys as of queries, nine, not three. Needs nodejs 20 with npm. Prints ms of a prompt and of a token.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
build=$(realpath "${1:-$here/build}")
version=3.21.1
say() { echo "bench-llama: $*" >&2; }
if ! [ -x "$build/pumice" ] || ! [ -x "$build/tests/make_model" ]; then
    say "no pumice and tests/make_model in $build: build them, or name their folder"
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
(cd "$dir" && node time.mjs cpu model.gguf && GGML_VK_VISIBLE_DEVICES=0 node time.mjs vulkan model.gguf)
for weights in f16 bf16; do
    for op in prefill decode; do
        ms=$("$build/pumice" bench $op --arch llama --weights $weights --shape 30x9x576x32x1x49152 --quick --json | sed 's/.*"ms":\([0-9.]*\).*/\1/')
        echo "pumice $op, weights in $weights: $ms ms"
    done
done
