#!/bin/sh
# Folders and settings of runs. No command replaces files that are not its own. --resume alone continues with all of the run's settings. A setting
# that is given again is taken and reported, or refused.
# usage: check_runs.sh PUMICE
set -u
. "$(dirname "$0")/helper_cli.sh"
start "$1"

awk -v dir="$dir" 'BEGIN {
    split("red blue green", c, " ")
    for (i = 0; i < 300; i++) print c[1 + i * 7 % 3] " or " c[1 + i * i % 3] "." > (dir "/text")
    for (i = 0; i < 12; i++) print "{\"text\": \"" c[1 + i % 3] " " i * i "\", \"label\": " i % 3 "}" > (dir "/examples")
}'
small="--layers 1 --heads 1 --embd 8 --eval-batches 1"
train="train --data $dir/text $small --ctx 8 --batch 2"
finetune="finetune --task classify --train $dir/examples --layers 1 --heads 1 --embd 8 --ctx 16 --batch 4 --epochs 1"

# kept FOLDER: it has all files that it had, and no others.
kept() { diff -r "$1" "$dir/before" > "$dir/diff" || fail "$1 is not what it was: $(cat "$dir/diff")"; }
# foreign FILE TEXT: a folder with somebody's file.
foreign() {
    rm -rf "$dir/theirs" "$dir/before"
    mkdir "$dir/theirs"
    echo "$2" > "$dir/theirs/$1"
    cp -r "$dir/theirs" "$dir/before"
}

# ---- folders: files of others stay ----
theirs='--out .*/theirs: .*/theirs/.* is there already.*--overwrite'
for file in config.json vocab.json merges.txt tokenizer.json encoder.json metrics.jsonl loss.png; do
    foreign $file '{"step": 1, "loss": 2.5, "note": "of another program"}'
    refused 1 "$theirs" $train --out "$dir/theirs" --steps 2
    kept "$dir/theirs"
done
refused 1 "$theirs" $train --out "$dir/theirs" --steps 2 --resume
refused 1 "$theirs" $finetune --out "$dir/theirs"
foreign model.safetensors 'weights'
for more in '' --resume --overwrite '--resume --overwrite'; do
    refused 1 '--out .*/theirs: there is a model in it' $train --out "$dir/theirs" --steps 2 $more
    refused 1 '--out .*/theirs: there is a model in it' $finetune --out "$dir/theirs" $more
done
kept "$dir/theirs"
for file in model.safetensors.index.json pytorch_model.bin pytorch_model.bin.index.json tf_model.h5 flax_model.msgpack params_shapes.json; do
    foreign $file 'weights'
    refused 1 '--out .*/theirs: there is a model in it' $train --out "$dir/theirs" --steps 2
    refused 1 '--out .*/theirs: there is a model in it' $train --out "$dir/theirs" --steps 2 --overwrite
    refused 1 '--out .*/theirs: there is a model in it' $finetune --out "$dir/theirs" --overwrite
    refused 1 '--out .*/theirs: there is a model in it' convert --from "$dir" --out "$dir/theirs" --overwrite
    kept "$dir/theirs"
done
foreign model.safetensors 'weights'
printf '{"metrics": "one line without an end"}' > "$dir/theirs/metrics.jsonl"
mv "$dir/theirs/model.safetensors" "$dir/theirs/config.json"
refused 1 "$theirs" $train --out "$dir/theirs" --steps 2

# A tokenizer's folder is refused for a run, and for another tokenizer.
run 0 tokenizer train --data "$dir/text" --vocab-size 260 --out "$dir/theirs/bpe"
rm -rf "$dir/before"
cp -r "$dir/theirs/bpe" "$dir/before"
refused 1 '--out .*/theirs/bpe: .*vocab.json is there' $train --out "$dir/theirs/bpe" --steps 2
refused 1 '--out .*/theirs/bpe: .*vocab.json is there' $train --out "$dir/theirs/bpe" --tokenizer "$dir/theirs/bpe" --steps 2
refused 1 '--out .*/theirs/bpe: .*vocab.json is there' tokenizer train --data "$dir/text" --vocab-size 262 --out "$dir/theirs/bpe"
kept "$dir/theirs/bpe"
run 0 tokenizer train --data "$dir/text" --vocab-size 262 --out "$dir/theirs/bpe" --overwrite
cmp -s "$dir/theirs/bpe/vocab.json" "$dir/before/vocab.json" && fail "--overwrite replaced nothing"

# --overwrite: the run's files replace the others, and no file of the old tokenizer stays.
cp "$dir/theirs/bpe/"* "$dir/theirs/"
echo '{"eos_token_id": 1}' > "$dir/theirs/generation_config.json"
run 0 $train --out "$dir/theirs" --steps 3 --overwrite
[ ! -e "$dir/theirs/generation_config.json" ] || fail "another model's generation_config.json stays"
[ ! -e "$dir/theirs/merges.txt" ] || fail "merges.txt stays beside another vocabulary"
[ "$(wc -l < "$dir/theirs/metrics.jsonl")" = 3 ] || fail "metrics.jsonl has not the run's 3 lines"
run 0 generate --model "$dir/theirs" --prompt red --tokens 3

# Files with other names do not matter. A run's folder is refused, also without its checkpoint.
mkdir "$dir/a"
echo notes > "$dir/a/README"
echo '*' > "$dir/a/.gitignore"
run 0 $train --out "$dir/a" --steps 8 --lr 2e-3 --warmup 3 --min-lr 1e-4 --beta2 0.95 --clip 0.5 --weight-decay 0.2 --dropout 0.1 --seed 5 --eval-every 4
[ "$(cat "$dir/a/README")" = notes ] || fail "a file of another name was replaced"
for more in '' --overwrite; do refused 1 'there is a run in it already; add --resume' $train --out "$dir/a" --steps 2 $more; done
cp -r "$dir/a" "$dir/b"
rm "$dir/b/checkpoint.safetensors"
[ ! -e "$dir/b/checkpoint.previous.safetensors" ] || rm "$dir/b/checkpoint.previous.safetensors"
refused 1 'there is a run in it already' $train --out "$dir/b" --steps 2
refused 1 'its checkpoint is gone, and beginning again would replace its model' $train --out "$dir/b" --steps 2 --resume
same "$dir/a/model.safetensors" "$dir/b/model.safetensors"
rm "$dir/b/loss.png"
refused 1 'its checkpoint is gone' $train --out "$dir/b" --steps 2 --resume
: > "$dir/b/metrics.jsonl"
run 0 $train --out "$dir/b" --steps 2 --resume # killed before its first checkpoint: from the beginning
rm "$dir/b/model.safetensors" "$dir"/b/checkpoint*
refused 1 '--out .*/b: .* is there already' $train --out "$dir/b" --steps 2
# A run that was killed while it wrote its first files.
mkdir "$dir/begun"
: > "$dir/begun/metrics.jsonl"
cp "$dir/a/vocab.json" "$dir/a/config.json" "$dir/a/loss.png" "$dir/begun"
refused 1 '\-\-out .*/begun: .* is there already' $train --out "$dir/begun" --steps 2 # no run draws before its first step
rm "$dir/begun/loss.png"
run 0 $train --out "$dir/begun" --steps 2

# A conversion, and a profile.
foreign vocab.json '{}'
refused 1 "$theirs" convert --from "$dir/a" --out "$dir/theirs"
kept "$dir/theirs"
echo '{"eos_token_id": 1}' > "$dir/theirs/generation_config.json"
cp "$dir/before/vocab.json" "$dir/theirs/tokenizer.json"
run 0 convert --from "$dir/a" --out "$dir/theirs" --overwrite
for file in generation_config.json tokenizer.json; do [ ! -e "$dir/theirs/$file" ] || fail "another model's $file stays beside a converted one"; done
for file in trace.json kernels.csv kernels.json roofline.png; do
    foreign $file 'of another program'
    refused 1 "--profile .*/theirs: .*/theirs/$file exists and is not a profile's" eval --model "$dir/a" --data "$dir/text" --profile "$dir/theirs"
    kept "$dir/theirs"
done
run 0 eval --model "$dir/a" --data "$dir/text" --profile "$dir/profile"
run 0 eval --model "$dir/a" --data "$dir/text" --profile "$dir/profile"

# ---- --resume alone ----
options="--lr 2e-3 --warmup 3 --min-lr 1e-4 --beta2 0.95 --clip 0.5 --weight-decay 0.2 --dropout 0.1 --seed 5 --eval-every 4"
run 0 $train --out "$dir/whole" --steps 16 $options
cp -r "$dir/a" "$dir/c"
run 0 train --out "$dir/c" --resume
grep -q 'nothing to do: step 8 is done already, and --steps is 8' "$dir/err" || fail "the run's own --steps were not taken"
grep -q 'warning' "$dir/err" && fail "a resume warns of settings that it did not change"
run 0 train --out "$dir/c" --resume --steps 16
[ "$(grep -c 'warning: .*settings: steps 16 (was 8)$' "$dir/err")" = 1 ] || fail "other --steps are not told in one line"
grep -q '"val_loss"' "$dir/c/metrics.jsonl" || fail "the run's own --eval-every was not taken"
# A run of 16 steps is stopped after 8. Continued with --resume alone, it has the bits of an undisturbed one; in other micro batches, its losses to
# rounding.
"$pumice" $train --out "$dir/d" --steps 16 $options --save-every 8 --json 2> "$dir/err" < /dev/null | head -n 8 > "$dir/out"
cp -r "$dir/d" "$dir/e"
run 0 train --out "$dir/d" --resume
same "$dir/d/model.safetensors" "$dir/whole/model.safetensors"
run 0 train --out "$dir/e" --resume --batch 1 --accum 2
grep -q 'warning: .*settings: batch 1 (was 2), accum 2 (was 1)$' "$dir/err" || fail "another --batch is not told"
last() { tail -n 1 "$1/metrics.jsonl" | sed 's/.*"loss": \([0-9.]*\), "lr.*/\1/'; }
awk -v x="$(last "$dir/e")" -v y="$(last "$dir/whole")" 'BEGIN { exit !(x > 0 && (x - y) * (x - y) < 1e-8) }' || fail "batch 1 x 2 ends with another loss than batch 2"

# ---- settings that are given again ----
refused 1 'made with batch 2, this run has 4' train --out "$dir/a" --resume --batch 4
refused 1 'made with dropout 0.1, this run has 0' train --out "$dir/a" --resume --dropout 0
refused 1 'made with seed 5, this run has 6' train --out "$dir/a" --resume --seed 6
refused 2 '\-\-tokenizer byte: the run in .*/a began with char; leave it out' train --out "$dir/a" --resume --tokenizer byte
refused 2 '\-\-init .*/c: the run in .*/a began without it; leave it out' train --out "$dir/a" --resume --init "$dir/c"
refused 2 '\-\-documents off: the run in .*/a began with auto' train --out "$dir/a" --resume --documents off
refused 2 '\-\-special: the run in .*/a began without it; leave it out' train --out "$dir/a" --resume --special
refused 1 'made with ctx 8, this run has 4' train --out "$dir/a" --resume --ctx 4
refused 2 '\-\-embd 16: the model in .*/a has 8' train --out "$dir/a" --resume --embd 16
refused 2 '\-\-min-lr 0.0001: must not be above --lr 1e-05' train --out "$dir/a" --resume --lr 1e-5
run 0 train --out "$dir/a" --resume --lr 1e-3 --weight-decay 0.1 --clip 1 --beta2 0.99 --warmup 2 --min-lr 0 --eval-every 2
[ "$(grep -c 'warning: .*settings: lr 0.001 (was 0.002), min-lr 0 (was 0.0001), warmup 2 (was 3), beta2 0.99 (was 0.95), weight-decay 0.1 (was 0.2), clip 1 (was 0.5)$' "$dir/err")" = 1 ] ||
    fail "settings that differ are not told in one line"
grep -q 'a: the run goes on with --eval-every 2 (was 4)' "$dir/err" || fail "another --eval-every is not told"
# `auto` is what it was when the run began.
run 0 $train --out "$dir/half" --steps 2 --precision f16
run 0 train --out "$dir/half" --resume --steps 3 --precision auto
# Without --min-lr, the lowest rate stays a tenth of the highest.
run 0 $train --out "$dir/f" --steps 2
run 0 train --out "$dir/f" --resume --lr 1e-4
grep -q 'settings: lr 0.0001 (was 0.001), min-lr 1e-05 (was 0.0001)$' "$dir/err" || fail "--min-lr did not follow --lr"

run 0 $finetune --out "$dir/t" --lr 1e-3 --epochs 2
run 0 finetune --out "$dir/t" --resume
grep -q 'nothing to do' "$dir/err" || fail "finetune --resume alone did not find its options"
grep -q 'warning' "$dir/err" && fail "finetune --resume warns of settings that it did not change"
run 0 finetune --out "$dir/t" --resume --lr 1e-4 --warmup 0.1 --accum 2
grep -q 'warning: .*settings: accum 2 (was 1), lr 0.0001 (was 0.001), warmup 0.1 (was 0.002)$' "$dir/err" || fail "finetune: other settings are not told"
run 0 finetune --out "$dir/t" --resume --tokenizer byte
refused 2 '\-\-tokenizer .*/a: the run in .*/t began with byte; leave it out' finetune --out "$dir/t" --resume --tokenizer "$dir/a"
refused 1 'made with head-dropout 0.1, this run has 0.2' finetune --out "$dir/t" --resume --head-dropout 0.2
refused 1 'made with lambda 0.5, this run has 0' finetune --out "$dir/t" --resume --lambda 0
refused 1 '\-\-out .*/t: the run in it is one of pumice finetune, not of pumice train' train --out "$dir/t" --resume
refused 2 'needs --task' finetune --out "$dir/none" --resume

# ---- hints ----
run 0 $train --out "$dir/g" --steps 3 --warmup 3
grep -q '^--warmup 3: .*--steps 3' "$dir/err" || fail "a warm-up as long as the run is not told"
run 0 $train --out "$dir/h" --steps 3 --warmup 2
grep -q '^--warmup' "$dir/err" && fail "a shorter warm-up is told"
# The validation loss has the same windows for every batch size.
for batch in 1 5 12; do
    run 0 train --data "$dir/text" $small --ctx 8 --lr 1e-9 --batch $batch --steps 1 --out "$dir/batch$batch"
    sed 's/.*"val_loss": \([0-9.]*\)[0-9].*/\1/' "$dir/batch$batch/metrics.jsonl" >> "$dir/losses"
done
[ "$(sort -u "$dir/losses" | wc -l)" = 1 ] || fail "the validation loss depends on --batch: $(cat "$dir/losses")"

[ $bad = 0 ] && echo "all as it should be"
exit $bad
