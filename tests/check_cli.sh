#!/bin/sh
# The command line end to end on a small model: its answers, files and exit codes, and one clear line for bad input.
# usage: check_cli.sh PUMICE
set -u
. "$(dirname "$0")/helper_cli.sh"
start "$1"

# A text with some pattern to it, made here: 12 kB of sentences.
awk 'BEGIN {
    split("the cat|a dog|my aunt|one bird|some fish", who, "|"); split("sees|hears|likes|finds", does, "|")
    for (i = 0; i < 500; i++) print who[1 + i * 7 % 5] " " does[1 + i * 3 % 4] " " who[1 + i * i % 5] "."
}' > "$dir/text"
: > "$dir/empty"
printf 'too short' > "$dir/short"
tiny="--layers 2 --heads 2 --embd 16 --ctx 16 --batch 4 --eval-batches 2 --dropout 0.1"
train="train --data $dir/text $tiny"

# ---- usage ----
refused 2 'subcommand'
refused 2 "'paint'" paint
for command in devices train finetune eval predict generate convert tokenize tokenizer bench tune doctor; do
    run 0 $command --help
    has "^usage: pumice $command"
    [ ! -s "$dir/err" ] || fail "$command --help wrote on stderr"
    refused 2 '\-\-colour' $command --colour
    refused 2 "'stray'" $command stray
done
run 0 --version
run 0 --help
refused 2 '\-\-data' train --out "$dir/o"
refused 2 '\-\-out' train --data "$dir/text"
refused 2 '\-\-out' train --data "$dir/text" --out
refused 2 '\-\-out' train --out --data "$dir/text"
refused 2 '\-\-batch none' $train --out "$dir/o" --batch none
refused 2 '\-\-batch 0' $train --out "$dir/o" --batch=0
refused 2 '\-\-steps -5' $train --out "$dir/o" --steps -5
refused 2 '\-\-lr nan' $train --out "$dir/o" --lr nan
refused 2 '\-\-dropout 1' $train --out "$dir/o" --dropout 1
refused 2 '\-\-arch bert' $train --out "$dir/o" --arch bert
refused 2 '\-\-precision bf16' $train --out "$dir/o" --precision bf16
refused 2 '\-\-submit-ms 0' $train --out "$dir/o" --submit-ms 0
refused 2 '\-\-json' devices --json=1
refused 2 '\-\-model' eval --data "$dir/text"
refused 2 '\-\-top-p nan' generate --model "$dir/o" --top-p nan
refused 2 '\-\-top-p -0.1' generate --model "$dir/o" --top-p=-0.1
refused 2 '\-\-top-p 2' generate --model "$dir/o" --top-p 2
refused 2 '\-\-out' convert --from "$dir/o"
refused 2 '\-\-heads 0' convert --from "$dir/o" --out "$dir/p" --heads 0
refused 2 '\-\-to onnx' convert --from "$dir/o" --out "$dir/p" --to onnx
refused 2 '\-\-type q4_0' convert --from "$dir/o" --out "$dir/p.gguf" --type q4_0
refused 2 '\-\-type f16' convert --from "$dir/o" --out "$dir/p" --type f16
refused 2 '\-\-overwrite' convert --from "$dir/o" --out "$dir/p.gguf" --overwrite
refused 2 '\-\-heads' convert --from "$dir/o" --out "$dir/p" --to gguf --heads 2

refused 2 '\-\-tokenizer' tokenize
refused 2 'train' tokenizer
refused 2 '\-\-vocab-size' tokenizer train --data "$dir/text" --out "$dir/o"
refused 2 '\-\-vocab-size 256' tokenizer train --data "$dir/text" --out "$dir/o" --vocab-size 256
refused 2 "'stray'" tokenizer train stray

# ---- devices ----
run 0 devices
has 'takes'
run 0 devices --json
has '"choice"'
refused 1 'nosuch' devices --device nosuch
PUMICE_DISABLE=nosuch
export PUMICE_DISABLE
refused 2 'nosuch.*videocore' devices
refused 2 'nosuch' doctor
PUMICE_DISABLE=videocore,bda
run 0 devices
has '8 storage buffers a stage'
unset PUMICE_DISABLE
refused 1 'nosuch' doctor --device nosuch
run 0 doctor --json
has '"findings":\[\],"fit":true'

# ---- bad input to train ----
refused 1 "$dir/none" train --data "$dir/none" --out "$dir/o"
refused 1 "$dir/empty" train --data "$dir/empty" --out "$dir/o"
refused 2 '\-\-ctx 16.*9 tokens' train --data "$dir/short" $tiny --out "$dir/o"
refused 2 '\-\-ctx 100000' $train --out "$dir/o" --ctx 100000
large="--layers 12 --heads 12 --embd 768 --ctx 512 --batch 4096"
long=$dir/long
awk 'BEGIN { for (i = 0; i < 90000; i++) print "a line of text" }' > "$long"
refused 1 'MiB are free.*\-\-recompute \-\-batch [0-9]* \-\-accum [0-9]* would take' train --data "$long" $large --out "$dir/o"
run 1 train --plan --data "$long" $large
grep -q 'would take' "$dir/err" || fail "--plan gives no advice"
run 0 $train --plan
has '^workspace'
refused 2 'heads' $train --out "$dir/o" --heads 3
refused 1 'nosuch' $train --out "$dir/o" --device nosuch
refused 1 "$dir/none" $train --out "$dir/o" --init "$dir/none"
refused 1 "$dir/text" $train --out "$dir/text/o" --steps 2
[ ! -e "$dir/o" ] || fail "a refused run made its folder"

# ---- the plan ----
run 0 $train --plan
has 'workspace'
run 0 $train --plan --json
has '"step_flops"'

# ---- a run ----
run 0 $train --out "$dir/a" --steps 12 --eval-every 6 --save-every 5
for file in config.json model.safetensors vocab.json tokenizer_config.json checkpoint.safetensors metrics.jsonl loss.png; do
    [ -s "$dir/a/$file" ] || fail "no $file"
done
[ ! -s "$dir/out" ] || fail "train wrote on stdout without --json"
[ "$(wc -l < "$dir/a/metrics.jsonl")" = 12 ] || fail "metrics.jsonl has not a line for each of 12 steps"
[ "$(grep -c '"val_loss"' "$dir/a/metrics.jsonl")" = 2 ] || fail "metrics.jsonl has not 2 evaluations"
[ "$(grep -c '"step".*"loss".*"lr".*"grad_norm".*"tokens_per_s"' "$dir/a/metrics.jsonl")" = 12 ] || fail "a line lacks a key"
[ "$(head -c 4 "$dir/a/loss.png" | tail -c 3)" = PNG ] || fail "loss.png is no PNG"
refused 1 '\-\-resume' $train --out "$dir/a" --steps 12
run 0 $train --out "$dir/a" --steps 12 --resume
run 0 $train --out "$dir/b" --steps 12 --json
[ "$(grep -c '^{"step"' "$dir/out")" = 12 ] || fail "train --json printed not 12 lines"
same "$dir/out" "$dir/b/metrics.jsonl"
# Evaluating and saving at other times must not change the weights.
same "$dir/a/model.safetensors" "$dir/b/model.safetensors"

# ---- going on ----
run 0 $train --out "$dir/c" --steps 40
run 0 $train --out "$dir/d" --steps 20 --resume
grep -q 'holds no run yet: a new one begins' "$dir/err" || fail "a resume without a checkpoint did not say so"
run 0 $train --out "$dir/d" --steps 40 --resume
same "$dir/c/model.safetensors" "$dir/d/model.safetensors"
[ "$(wc -l < "$dir/d/metrics.jsonl")" = 40 ] || fail "metrics.jsonl of a resumed run has not 40 lines"
refused 2 "--embd 32: .*$dir/d" $train --out "$dir/d" --steps 50 --resume --embd 32
sed 's/a dog/dog a/' "$dir/text" > "$dir/other" # the same characters
refused 1 'the run in it was started on another text' train --data "$dir/other" $tiny --out "$dir/d" --steps 50 --resume
refused 2 '\-\-tokenizer byte' $train --out "$dir/d" --steps 50 --resume --tokenizer byte
run 0 $train --out "$dir/e" --steps 3 --init "$dir/c"
refused 2 '\-\-layers 3' $train --out "$dir/f" --steps 3 --init "$dir/c" --layers 3
head -c 300 "$dir/text" > "$dir/short" # longer than the model's context, shorter than --ctx's default asks for
run 0 train --data "$dir/short" --out "$dir/s" --steps 1 --init "$dir/c"

# ---- interrupted ----
"$pumice" $train --out "$dir/g" --steps 1000000 --save-every 0 > "$dir/out" 2> "$dir/err" < /dev/null &
child=$!
tries=0
while [ "$(cat "$dir/g/metrics.jsonl" 2> /dev/null | wc -l)" -lt 5 ] && [ $tries -lt 300 ]; do
    sleep 0.2
    tries=$((tries + 1))
done
interrupt $child
code=0
wait $child || code=$?
[ $code = 130 ] || fail "an interrupted run ended with $code instead of 130"
grep -q -- '--resume' "$dir/err" || fail "an interrupted run did not say how to go on"
[ -s "$dir/g/checkpoint.safetensors" ] || fail "an interrupted run left no checkpoint"
steps=$(wc -l < "$dir/g/metrics.jsonl")
printf '{"step": 999999, "loss": 1}\n{"step": 1000' >> "$dir/g/metrics.jsonl"
run 0 $train --out "$dir/g" --steps $((steps + 3)) --resume
[ "$(wc -l < "$dir/g/metrics.jsonl")" = $((steps + 3)) ] || fail "a resume did not cut metrics.jsonl back to the checkpoint"

# ---- a terminal of 40 columns, and one that cannot draw ----
# on_terminal TERM COLUMNS ARGS…: everything that a run writes there.
on_terminal() {
    TERM=$1 script -qec "stty cols $2; '$pumice' $3" /dev/null < /dev/null > "$dir/typed" 2>&1 || fail "a run on a terminal failed"
}
if ! on_windows && command -v script > /dev/null && command -v stty > /dev/null; then
    on_terminal xterm 40 "$train --steps 12 --eval-every 4 --out $dir/narrow"
    awk 'BEGIN { RS = "[\r\n]+" } /^\033\[Kstep [0-9]/ { sub(/^\033\[K/, ""); if (length($0) > 39) exit 1; bars++ } END { if (!bars) exit 1 }' \
        "$dir/typed" || fail "a bar passes 39 columns, or there is none"
    on_terminal dumb 40 "$train --steps 12 --out $dir/dumb"
    tr -d '\n' < "$dir/typed" | grep -q "$(printf '\033')" && fail "TERM=dumb gets escape sequences"
    grep -q '^step 12/12 ' "$dir/typed" || fail "TERM=dumb gets no line of progress"
    on_terminal xterm 40 "devices --help"
    awk 'length($0) > 41 { exit 1 }' "$dir/typed" || fail "help passes the terminal's width"
fi

# ---- eval and generate ----
run 0 eval --model "$dir/c" --data "$dir/text"
! "$pumice" devices | grep -q 'type cpu' || grep -q 'is a software driver' "$dir/err" || fail "eval does not say that it runs on a software driver"
has '^perplexity'
run 0 eval --model "$dir/c" --data "$dir/text" --json
has '^{"loss":[0-9.]*,"perplexity":[0-9.]*,"tokens":[0-9]*}$'
targets=$(sed 's/.*"tokens":\([0-9]*\)}/\1/' "$dir/out")
[ "$targets" = $(($(wc -c < "$dir/text") - 1)) ] || fail "eval counted $targets targets"
refused 1 "$dir/none" eval --model "$dir/c" --data "$dir/none"
refused 1 "$dir/none" eval --model "$dir/none" --data "$dir/text"
run 0 generate --model "$dir/c" --plan
has '^cache .* of [1-9][0-9]* tokens in f32'
# a config.json alone, whose dtype counts, of a model that fits no device here
mkdir "$dir/planned"
cat > "$dir/planned/config.json" << 'END'
{"model_type": "llama", "vocab_size": 32000, "hidden_size": 8192, "intermediate_size": 28672, "num_hidden_layers": 800, "num_attention_heads": 64,
 "num_key_value_heads": 8, "max_position_embeddings": 4096, "torch_dtype": "bfloat16"}
END
run 1 generate --model "$dir/planned" --plan --weights f16
has '^weights .* in f16$'
grep -q 'this needs [0-9]* MiB, and .*a smaller model$' "$dir/err" || fail "a model that is too large gets no advice"
run 1 generate --model "$dir/planned" --plan --ctx 5000
has '^weights .* in bf16, as config.json says$'
grep -q "^--ctx 5000: the model's context is 4096$" "$dir/err" || fail "a context above the model's is lowered without a word"
run 0 generate --model "$dir/c" --prompt 'the cat' --special --tokens 1
grep -q 'warning: --special: --prompt spells no special token' "$dir/err" || fail "--special that spells none gets no warning"
# Each layer's cache would be larger than an allocation, on a device with 16-bit storage and without. config.json names no type that is kept.
mkdir "$dir/far"
cat > "$dir/far/config.json" << 'END'
{"model_type": "llama", "vocab_size": 320, "hidden_size": 1024, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 16,
 "max_position_embeddings": 1000000, "dtype": "float8", "torch_dtype": "bfloat16"}
END
most=$("$pumice" devices --json | tr ',' '\n' | sed -n 's/.*"max_allocation":[[:space:]]*\([0-9]*\).*/\1/p' | head -n 1)
if [ "${most:-0}" -lt 8192000000 ]; then
    run 1 generate --model "$dir/far" --plan
    grep -q 'than any allocation.*--weights f16 .*--ctx [0-9]* would take' "$dir/err" || fail "a cache that is too large gets no advice: $(cat "$dir/err")"
    export PUMICE_DISABLE=storage16
    run 1 generate --model "$dir/far" --plan
    unset PUMICE_DISABLE
    grep -q ' --weights f16 --ctx [0-9]* would take' "$dir/err" || fail "the advice is a cache that the device cannot have: $(cat "$dir/err")"
fi
run 0 generate --model "$dir/far" --plan --ctx 1000
has '^weights .* in f32; config.json names no other$'
refused 2 '^pumice: --model: the path is empty$' generate --model ''
refused 2 '^pumice: --data: the path is empty$' eval --model "$dir/c" --data ''
refused 1 "there is no model.safetensors" generate --model "$dir/planned"
run 0 generate --model "$dir/c" --prompt 'the cat ' --tokens 40
has '^the cat '
[ "$(wc -c < "$dir/out")" -ge 48 ] || fail "generate wrote too little"
cp "$dir/out" "$dir/first"
run 0 generate --model "$dir/c" --prompt 'the cat ' --tokens 40
same "$dir/out" "$dir/first"
run 0 generate --model "$dir/c" --prompt 'the cat ' --tokens 40 --temperature 0
cp "$dir/out" "$dir/first"
run 0 generate --model "$dir/c" --prompt 'the cat ' --tokens 40 --top-k 1 --seed 5
same "$dir/out" "$dir/first"
for p in 0 1e-60 0.000000001; do # the most likely token alone
    run 0 generate --model "$dir/c" --prompt 'the cat ' --tokens 40 --top-k 0 --temperature 1 --top-p $p --seed 5
    same "$dir/out" "$dir/first"
done
run 0 generate --model "$dir/c" --tokens 5 --json
has '^{"prompt":"","text":".*","tokens":5,"tokens_per_s":[0-9.e+]*}$'
refused 1 '\-\-prompt' generate --model "$dir/c" --prompt 'QQ'
if [ -e /dev/full ]; then
    "$pumice" generate --model "$dir/c" > /dev/full 2> "$dir/err"
    [ $? = 1 ] || fail "a full stdout was not noticed"
fi

# ---- fp16 ----
# Where a device has no 16-bit storage (as with PUMICE_DISABLE=all), f16 is refused and nothing is written.
if "$pumice" devices | grep -q 'storage16 *yes'; then
    run 0 $train --out "$dir/h" --steps 6 --precision f16
    grep -q ', f16, ' "$dir/err" || fail "train does not say that it is f16"
    [ "$(grep -c '"loss_scale": 65536' "$dir/h/metrics.jsonl")" = 6 ] || fail "not 6 lines with the loss scale"
    refused 1 'made with precision f16, this run has f32' $train --out "$dir/h" --steps 8 --precision f32 --resume
    run 0 $train --out "$dir/h" --steps 8 --precision f16 --resume
fi
export PUMICE_DISABLE=storage16
refused 1 '16-bit storage' $train --out "$dir/o" --precision f16
[ ! -e "$dir/o" ] || fail "a refused run made its folder"
unset PUMICE_DISABLE

# ---- tuning ----
export PUMICE_CACHE_DIR="$dir/cache"
run 0 tune --model "$dir/c" --batch 2 --quick --json
has '"product":"matmul f32 .*"usual_ms":[0-9].*"kept":'
[ "$(ls "$dir/cache" | grep -c '^tuning-')" = 1 ] || fail "tune kept no file"
run 0 tune --forget
refused 2 '\-\-ctx 999' tune --model "$dir/c" --ctx 999
refused 1 "$dir/none" tune --model "$dir/none"
export PUMICE_CACHE_DIR=
refused 2 'cache folder' tune --model "$dir/c" --batch 2 --quick
unset PUMICE_CACHE_DIR

# ---- tokenizers with merges ----
# said CODE INPUT ARGS…: as run, with an input.
said() {
    input=$2
    want=$1
    shift 2
    code=0
    printf '%s' "$input" | "$pumice" "$@" > "$dir/out" 2> "$dir/err" || code=$?
    [ $code = "$want" ] || fail "pumice $*: exit code $code instead of $want"
}
printed() { [ "$(cat "$dir/out")" = "$1" ] || fail "printed $(cat "$dir/out") instead of $1"; }

run 0 tokenizer train --data "$dir/text" --vocab-size 280 --out "$dir/bpe"
[ ! -s "$dir/out" ] || fail "tokenizer train wrote on stdout"
for file in vocab.json merges.txt tokenizer_config.json; do [ -s "$dir/bpe/$file" ] || fail "tokenizer train made no $file"; done
run 0 tokenizer train --data "$dir/text" --vocab-size 280 --out "$dir/bpe2"
same "$dir/bpe/merges.txt" "$dir/bpe2/merges.txt"
same "$dir/bpe/vocab.json" "$dir/bpe2/vocab.json"
refused 1 "$dir/text.*at most [0-9]* tokens" tokenizer train --data "$dir/text" --vocab-size 100000 --out "$dir/bpe3"
refused 1 "$dir/none" tokenizer train --data "$dir/none" --vocab-size 280 --out "$dir/bpe3"
[ ! -e "$dir/bpe3" ] || fail "a refused tokenizer train made its folder"
"$pumice" tokenize --tokenizer "$dir/bpe" < "$dir/text" > "$dir/ids" || fail "tokenize failed"
[ "$(wc -l < "$dir/ids")" = 1 ] || fail "tokenize printed not one line"
[ "$(wc -w < "$dir/ids")" -lt $(($(wc -c < "$dir/text") / 2)) ] || fail "a learnt tokenizer saved less than half of the tokens"
"$pumice" tokenize --tokenizer "$dir/bpe" --decode < "$dir/ids" > "$dir/back" || fail "tokenize --decode failed"
same "$dir/text" "$dir/back"
said 0 '!"#' tokenize --tokenizer "$dir/bpe"
printed '0 1 2'
said 0 '!"
#' tokenize --tokenizer "$dir/bpe" --lines
printed '0 1
2'
said 0 '!"' tokenize --tokenizer "$dir/bpe" --json
printed '{"ids":[0,1],"pieces":["!","\""]}'
said 0 '0 187
2' tokenize --tokenizer "$dir/bpe" --decode --json
printed '{"ids":[0,187,2],"pieces":["!","�","#"],"text":"!�#"}'
said 0 '' tokenize --tokenizer "$dir/bpe"
printf 'a\000b\000c\000d\000' | "$pumice" tokenize --tokenizer "$dir/bpe" > "$dir/out" 2> "$dir/err" || fail "tokenize refuses UTF-16"
grep -q 'stdin: is UTF-16; save it as UTF-8, or its bytes' "$dir/err" || fail "tokenize is silent about UTF-16: $(cat "$dir/err")"
[ "$(wc -w < "$dir/out")" -gt 4 ] || fail "tokenize printed no ids of UTF-16"
gzip -c "$dir/text" > "$dir/text.gz"
"$pumice" tokenize --tokenizer "$dir/bpe" --lines < "$dir/text.gz" > "$dir/out" 2> "$dir/err" || fail "tokenize refuses gzip"
grep -q 'stdin: is a gzip file; unpack it' "$dir/err" || fail "tokenize is silent about gzip: $(cat "$dir/err")"
refused 1 "$dir/text.gz: is a gzip file; unpack it" tokenizer train --data "$dir/text.gz" --vocab-size 257 --out "$dir/o"
refused 1 "$dir/text.gz: is a gzip file; unpack it" train --data "$dir/text.gz" $tiny --out "$dir/o"
printed ''
for ids in '280' '-1' '1,2' 'x' '99999999999999999999' '1x'; do
    said 1 "$ids" tokenize --tokenizer "$dir/bpe" --decode
    grep -q '^pumice: stdin: no token id at byte 0' "$dir/err" || fail "no line about the id $ids"
    [ ! -s "$dir/out" ] || fail "tokenize --decode $ids wrote on stdout"
done
refused 1 "$dir/none" tokenize --tokenizer "$dir/none"
refused 1 "$dir/bpe/vocab.json: is a file; give " tokenize --tokenizer "$dir/bpe/vocab.json"
# --decode takes what --json prints, and arrays; a special token is read as one only with --special.
said 0 'a<|endoftext|>' tokenize --tokenizer "$dir/bpe" --special --json
printed '{"ids":[64,279],"pieces":["a","<|endoftext|>"]}'
cp "$dir/out" "$dir/json"
said 0 "$(cat "$dir/json")" tokenize --tokenizer "$dir/bpe" --decode
printed 'a<|endoftext|>'
said 0 ' [0,187] {"ids":[2]}' tokenize --tokenizer "$dir/bpe" --decode --json
printed '{"ids":[0,187,2],"pieces":["!","�","#"],"text":"!�#"}'
said 0 'a<|endoftext|>
!' tokenize --tokenizer "$dir/bpe" --lines --json
cp "$dir/out" "$dir/json"
said 0 "$(cat "$dir/json")" tokenize --tokenizer "$dir/bpe" --decode --lines
printed 'a<|endoftext|>
!'
for ids in '{"ids":[1],"ids":[2]}' '[280]' '[-1]' '[0.5]' '["a"]' '{}' '{"ids":0}' '[1' '[1] x'; do
    said 1 "$ids" tokenize --tokenizer "$dir/bpe" --decode
    grep -q '^pumice: stdin: ' "$dir/err" || fail "no line about the ids $ids"
    [ ! -s "$dir/out" ] || fail "tokenize --decode $ids wrote on stdout"
done

# A folder's files are documents, each with the end-of-text token behind it, in training and in eval alike.
mkdir "$dir/docs"
for i in 1 2 3; do cp "$dir/text" "$dir/docs/$i.txt"; done
tokens=$(($(wc -w < "$dir/ids") * 3))
run 0 $train --data "$dir/docs" --out "$dir/x" --steps 2 --tokenizer "$dir/bpe"
grep -q '"eos_token_id":[^0-9]*279' "$dir/x/config.json" || fail "the model does not say what ends a text"
grep -q "$dir/docs: 3 documents, each with an end-of-text token" "$dir/err" || fail "train told nothing of documents"
run 0 eval --model "$dir/x" --data "$dir/docs" --json
has "\"tokens\":$((tokens + 2))}"
run 0 eval --model "$dir/x" --data "$dir/docs" --documents off --json
run 0 eval --model "$dir/x" --data "$dir/text" --documents on --json
has "\"tokens\":$((tokens / 3))}"
refused 2 "has no token that ends a document" eval --model "$dir/c" --data "$dir/text" --documents on
# generate ends at the model's end-of-text token, and starts behind its begin token.
run 0 generate --model "$dir/x" --prompt 'the cat' --tokens 5 --special --temperature 0
cp "$dir/out" "$dir/greedy"
first=$("$pumice" generate --model "$dir/x" --prompt 'the cat' --tokens 1 --temperature 0 --json | sed 's/.*"text":"\(.*\)","tokens":1.*/\1/')
id=$(printf %s "$first" | "$pumice" tokenize --tokenizer "$dir/x" | cut -d ' ' -f 1)
echo "{\"eos_token_id\": [$id, 279], \"bos_token_id\": 999}" > "$dir/x/generation_config.json"
run 0 generate --model "$dir/x" --prompt 'the cat' --tokens 5 --temperature 0 --json
has '"text":"","tokens":0,"tokens_per_s":[0-9.e+]*,"ended":true}'
run 0 generate --model "$dir/x" --prompt 'the cat' --tokens 5 --temperature 0 --ignore-eos
same "$dir/greedy" "$dir/out"
run 0 generate --model "$dir/x" --tokens 2

# A model names only tokens that it was trained on, or that the model it began with names.
ids() { tr -d ' \t\n' < "$1/config.json" | sed 's/.*"bos_token_id":\([^,]*\),"eos_token_id":\([^,]*\),.*/\1 \2/'; }
run 0 $train --out "$dir/w" --steps 3 --tokenizer "$dir/bpe"
[ "$(ids "$dir/w")" = 'null null' ] || fail "a model names tokens that its text never had: $(ids "$dir/w")"
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do cat "$dir/text"; printf '<|endoftext|>'; done > "$dir/big"
run 0 $train --data "$dir/big" --out "$dir/w2" --steps 2 --tokenizer "$dir/bpe" --special
[ "$(ids "$dir/w2")" = '279 279' ] || fail "a text with special tokens: $(ids "$dir/w2")"
run 0 $train --out "$dir/w3" --steps 2 --init "$dir/w2"
[ "$(ids "$dir/w3")" = '279 279' ] || fail "--init loses its model's tokens: $(ids "$dir/w3")"
run 0 $train --out "$dir/w4" --steps 2 --init "$dir/w"
run 0 convert --from "$dir/w4" --out "$dir/w5"
[ "$(ids "$dir/w5")" = 'null null' ] || fail "convert names tokens that the model has not: $(ids "$dir/w5")"
printf '{"text": "the cat", "label": 0}\n{"text": "a dog", "label": 1}\n' > "$dir/two"
tune="finetune --task classify --train $dir/two --epochs 1 --batch 2"
run 0 $tune --out "$dir/t1" --tokenizer "$dir/bpe" --layers 1 --heads 1 --embd 8 --ctx 16
[ "$(ids "$dir/t1")" = 'null null' ] || fail "finetune names tokens that no example has: $(ids "$dir/t1")"
grep -q '"pad_token_id":[^0-9]*279' "$dir/t1/config.json" || fail "a classifier has no padding token"
run 0 $tune --out "$dir/t2" --model "$dir/w2"
[ "$(ids "$dir/t2")" = '279 279' ] || fail "finetune loses its model's tokens: $(ids "$dir/t2")"
same "$dir/bpe/merges.txt" "$dir/w/merges.txt"
same "$dir/bpe/vocab.json" "$dir/w/vocab.json"
run 0 $train --out "$dir/w" --steps 5 --resume --tokenizer "$dir/bpe"
run 0 generate --model "$dir/w" --prompt 'the cat' --tokens 20
has '^the cat'
run 0 eval --model "$dir/w" --data "$dir/text" --json
targets=$(sed 's/.*"tokens":\([0-9]*\)}/\1/' "$dir/out")
[ "$targets" = $(($(wc -w < "$dir/ids") - 1)) ] || fail "eval counted $targets targets with merges"
# A model may have more tokens than its tokenizer; these print nothing. It may not have fewer.
run 0 tokenizer train --data "$dir/text" --vocab-size 270 --out "$dir/bpe3"
cp "$dir/bpe3/"* "$dir/w/"
run 0 generate --model "$dir/w" --prompt 'the cat' --tokens 20
run 0 tokenizer train --data "$dir/text" --vocab-size 290 --out "$dir/bpe4"
cp "$dir/bpe4/"* "$dir/w/"
refused 1 "$dir/w: the tokenizer has 290 tokens, the model only 280" generate --model "$dir/w" --prompt 'the cat'

# GPT-1's kind: a token that ends a word contains the blank behind it.
mkdir "$dir/gpt1"
printf '{"<unk>":0,"a":1,"b":2,"a</w>":3,"b</w>":4,"ab</w>":5,"\\n</w>":6}' > "$dir/gpt1/vocab.json"
printf '#version: 0.2\na b</w>\n' > "$dir/gpt1/merges.txt"
said 0 'AB b-ba
x' tokenize --tokenizer "$dir/gpt1"
printed '5 4 0 2 3 6 0'
run 0 train --data "$dir/text" $tiny --out "$dir/v" --steps 2 --arch gpt1 --tokenizer "$dir/gpt1"
run 0 generate --model "$dir/v" --prompt 'ab' --tokens 5
has '^ab '
run 0 generate --model "$dir/v" --prompt '  ' --tokens 5

# ---- damaged models ----
# damaged: a copy of the model with $dir/broken as its weights must be refused.
damaged() {
    rm -rf "$dir/h"
    cp -r "$dir/c" "$dir/h"
    cp "$dir/broken" "$dir/h/model.safetensors"
    refused 1 "$dir/h/model.safetensors" eval --model "$dir/h" --data "$dir/text"
}
head -c 5000 "$dir/c/model.safetensors" > "$dir/broken"
damaged
head -c 4 "$dir/c/model.safetensors" > "$dir/broken"
damaged
printf '\377\377\377\377\377\377\377\177{}' > "$dir/broken"
damaged
printf '' > "$dir/broken"
damaged
sed 's/"F32"/"I64"/' "$dir/c/model.safetensors" > "$dir/broken"
damaged
rm -rf "$dir/h"
cp -r "$dir/c" "$dir/h"
head -c 3000 "$dir/c/checkpoint.safetensors" > "$dir/h/checkpoint.safetensors"
rm "$dir/h/checkpoint.previous.safetensors"
refused 1 "$dir/h/checkpoint.safetensors" $train --out "$dir/h" --steps 60 --resume
echo '{"model_type": "gpt2", "n_layer": 1e30}' > "$dir/h/config.json"
refused 1 "$dir/h/config.json" eval --model "$dir/h" --data "$dir/text"

# ---- convert ----
run 0 convert --from "$dir/c" --out "$dir/p"
for file in model.safetensors config.json vocab.json tokenizer_config.json; do same "$dir/c/$file" "$dir/p/$file"; done
[ ! -s "$dir/out" ] || fail "convert wrote on stdout"
run 0 eval --model "$dir/p" --data "$dir/text"
if ! on_windows; then # Wine shows no link that leads nowhere
    ln -s nowhere "$dir/c/special_tokens_map.json"
    refused 1 "$dir/c/special_tokens_map.json: cannot be read" convert --from "$dir/c" --out "$dir/dangling"
    rm "$dir/c/special_tokens_map.json"
fi
refused 1 "$dir/p.*already" convert --from "$dir/c" --out "$dir/p"
refused 1 "$dir/c.*another" convert --from "$dir/c" --out "$dir/c"
refused 1 "$dir/none: there is no such folder" convert --from "$dir/none" --out "$dir/q"
refused 2 "heads" convert --from "$dir/c" --out "$dir/q" --heads 2
refused 1 "$dir/text" convert --from "$dir/c" --out "$dir/text/q"
[ ! -e "$dir/q" ] || fail "a refused conversion made its folder"

# GGUF: a model's file stands in place of its folder, and in fp32 it is the same model.
run 0 convert --from "$dir/w2" --out "$dir/w2.gguf" --type f32
run 0 eval --model "$dir/w2" --data "$dir/text" --json
cp "$dir/out" "$dir/said"
run 0 eval --model "$dir/w2.gguf" --data "$dir/text" --json
same "$dir/said" "$dir/out"
run 0 convert --from "$dir/w2.gguf" --out "$dir/w2-back" --to hf
[ "$(ids "$dir/w2-back")" = '279 279' ] || fail "a GGUF file loses its model's tokens: $(ids "$dir/w2-back")"
grep -q '"eos_token_id":[^0-9]*279' "$dir/w2-back/generation_config.json" || fail "no generation_config.json of a GGUF file"
run 0 eval --model "$dir/w2-back" --data "$dir/text" --json
same "$dir/said" "$dir/out"
run 0 tokenize --tokenizer "$dir/w2.gguf" < "$dir/text"
"$pumice" tokenize --tokenizer "$dir/w2.gguf" < "$dir/text" > "$dir/ours"
"$pumice" tokenize --tokenizer "$dir/bpe" < "$dir/text" | cmp -s - "$dir/ours" || fail "a GGUF file has another tokenizer"
run 0 convert --from "$dir/w2.gguf" --out "$dir/small" --to gguf --type q8_0
[ "$(wc -c < "$dir/small")" -lt "$(wc -c < "$dir/w2.gguf")" ] || fail "q8_0 is not smaller than f32"
run 0 generate --model "$dir/small" --prompt 'the cat' --tokens 3
run 0 $train --out "$dir/w6" --steps 2 --init "$dir/w2.gguf"
[ "$(ids "$dir/w6")" = '279 279' ] || fail "--init loses a GGUF file's tokens: $(ids "$dir/w6")"
run 0 $tune --out "$dir/t3" --model "$dir/w2.gguf"
refused 1 "$dir/w2.gguf.*already" convert --from "$dir/w" --out "$dir/w2.gguf"
refused 2 'no tokenizers of kind "char"' convert --from "$dir/c" --out "$dir/c.gguf"
refused 2 "task's head" convert --from "$dir/t2" --out "$dir/c.gguf"
refused 1 "$dir/small.*has no task" predict --model "$dir/small" --input "$dir/two"
head -c 3000 "$dir/w2.gguf" > "$dir/cut.gguf"
refused 1 "$dir/cut.gguf" generate --model "$dir/cut.gguf"
refused 1 "$dir/cut.gguf" convert --from "$dir/cut.gguf" --out "$dir/q"
[ ! -e "$dir/q" ] && [ ! -e "$dir/c.gguf" ] || fail "a refused conversion made its folder or file"
none_left "$dir"

# OpenAI's release of GPT-1, with zeros for weights: then all tokens are equally likely.
# npy COUNT: a NumPy file of so many zeros.
npy() {
    printf '\223NUMPY\001\000\166\000%-117s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': ($1,), }"
    head -c $((4 * $1)) /dev/zero
}
mkdir "$dir/release"
echo '[[16, 8], [64, 8], [1, 8, 24], [24], [1, 8, 8], [8], [8], [8], [1, 8, 32], [32], [1, 32, 8], [8], [8], [8]]' \
    > "$dir/release/params_shapes.json"
npy 1000 > "$dir/release/params_0.npy"
refused 1 'params_1.npy' convert --from "$dir/release" --out "$dir/q" --heads 2
npy 512 > "$dir/release/params_1.npy"
refused 1 'heads: 12' convert --from "$dir/release" --out "$dir/q"
echo '{"a": 0}' > "$dir/release/encoder_bpe_40000.json"
run 0 convert --from "$dir/release" --out "$dir/q" --heads 2
same "$dir/release/encoder_bpe_40000.json" "$dir/q/encoder_bpe_40000.json"
cp "$dir/c/vocab.json" "$dir/c/tokenizer_config.json" "$dir/q"
run 0 eval --model "$dir/q" --data "$dir/text"
has '^perplexity 6[34]\.[09][09]'
head -c 600 "$dir/release/params_1.npy" > "$dir/broken"
cp "$dir/broken" "$dir/release/params_1.npy"
refused 1 "$dir/release/params_1.npy" convert --from "$dir/release" --out "$dir/r" --heads 2

[ $bad = 0 ] && echo "all as it should be"
exit $bad
