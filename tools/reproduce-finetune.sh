#!/bin/sh
# Fine-tuning's numbers: small models on four tasks, from random weights and from a pre-trained model, with and without the language-model
# loss. sh tools/reproduce-finetune.sh [DATA [OUT]]   (DATA: ../shared/data, OUT: out/finetune)
#
# DATA holds sst2/{train,dev}.jsonl, sick/{entailment,similarity}.{train,dev,test}.jsonl, mctest/mc500.{train,dev}.jsonl, and text to
# pre-train on: wikitext2/*.txt, shakespeare/*.txt. What is absent is left out. SEEDS="1 2 3" by default; JOBS=2 runs go at once, on a
# software driver with one thread each. Runs that are done are not repeated, interrupted ones go on: the same command again.
# OUT/results.txt gets a line a run, and at the end a table of means and spreads goes to stdout.
set -eu

say() { echo "reproduce-finetune: $*" >&2; }

data=${1:-../shared/data}
out=${2:-out/finetune}
seeds=${SEEDS:-1 2 3}
jobs=${JOBS:-2}
case $data in /*) ;; *) data=$PWD/$data ;; esac
case $out in /*) ;; *) out=$PWD/$out ;; esac
cd "$(dirname "$0")/.."
[ -d "$data" ] || { say "$data: no such folder; give one with the task sets"; exit 2; }
command -v jq > /dev/null || { say "needs jq: apt-get install jq"; exit 1; }

sh tools/setup.sh
if [ -e build/CMakeCache.txt ]; then generator=""; else generator="-G Ninja -DCMAKE_BUILD_TYPE=Release"; fi
mkdir -p "$out"
# shellcheck disable=SC2086
if ! { cmake -S . -B build $generator && cmake --build build --target pumice_cli; } > "$out/build.log" 2>&1; then
    cat "$out/build.log" >&2
    say "the build failed"
    exit 1
fi
pumice=$PWD/build/pumice
if "$pumice" devices | grep -q 'takes device.*llvmpipe' && [ "$jobs" -gt 1 ]; then LP_NUM_THREADS=1; export LP_NUM_THREADS; fi

# ---- text, tokenizer, the pre-trained model ----
text=$out/text
if [ ! -d "$text" ]; then
    mkdir -p "$text.tmp"
    for file in "$data"/wikitext2/*.txt "$data"/shakespeare/*.txt; do
        [ ! -e "$file" ] || cp "$file" "$text.tmp/$(basename "$(dirname "$file")")-$(basename "$file")"
    done
    PATH=$PATH:/usr/games
    if command -v bible > /dev/null; then bible -f gen1:1-rev22:21 < /dev/null | sed 's/^[^ ]* //' > "$text.tmp/bible.txt"; fi
    mv "$text.tmp" "$text"
fi
# One vocabulary for all runs, from the texts and the training sentences.
if [ ! -d "$out/tokenizer" ]; then
    mkdir -p "$out/words"
    cp "$text"/*.txt "$out/words/"
    for file in "$data"/sst2/train.jsonl "$data"/sick/entailment.train.jsonl "$data"/mctest/mc500.train.jsonl; do
        [ ! -e "$file" ] || jq -r '.text, .premise, .hypothesis, .passage, .question | strings' "$file" > "$out/words/$(basename "$(dirname "$file")").txt"
    done
    "$pumice" tokenizer train --vocab-size 4096 --data "$out/words" --out "$out/tokenizer"
fi
size="--arch gpt2 --layers 2 --heads 4 --embd 96"
say "pre-training ($out/base)"
"$pumice" train --data "$text" --tokenizer "$out/tokenizer" $size --ctx 192 --batch 16 --dropout 0.1 --steps 1500 --lr 2e-3 \
    --eval-every 500 --save-every 250 --out "$out/base" --resume 2>> "$out/base.log"

# ---- runs ----
# one TASK START LAMBDA SEED: a line "TASK START LAMBDA SEED MEASURE VALUE" in its folder's result.
one() {
    dir=$out/$1-$2-$3-$4
    [ ! -s "$dir/result" ] || return 0
    options="--batch 32 --lr 1e-3 --warmup 0.1 --dropout 0.1 --head-dropout 0.1 --lambda $3 --seed $4"
    case $2 in
    scratch) options="$options --tokenizer $out/tokenizer $size --ctx 192" ;;
    pretrained) options="$options --model $out/base" ;;
    esac
    test=""
    case $1 in
    sst2) kind=classify train=$data/sst2/train.jsonl dev=$data/sst2/dev.jsonl epochs=4 measure=accuracy ;;
    sick-entail) kind=entail measure=accuracy epochs=8 ;;
    sick-similar) kind=similar measure=pearson epochs=6 ;;
    mctest) kind=choice train=$data/mctest/mc500.train.jsonl dev=$data/mctest/mc500.dev.jsonl epochs=2 measure=accuracy ;;
    esac
    case $1 in
    sick-entail) train=$data/sick/entailment.train.jsonl dev=$data/sick/entailment.dev.jsonl test=$data/sick/entailment.test.jsonl ;;
    sick-similar) train=$data/sick/similarity.train.jsonl dev=$data/sick/similarity.dev.jsonl test=$data/sick/similarity.test.jsonl ;;
    esac
    [ -e "$train" ] || { say "$train: not there; left out"; return 0; }
    # shellcheck disable=SC2086
    "$pumice" finetune --task $kind --train "$train" --dev "$dev" --out "$dir" --epochs $epochs $options --resume 2> "$dir.log" ||
        { tail -n 1 "$dir.log" >&2; return 1; }
    value=$("$pumice" eval --model "$dir" --test "${test:-$dev}" --json 2> /dev/null | jq ".$measure")
    echo "$1 $2 $3 $4 $measure $value" > "$dir/result"
    cat "$dir/result" >> "$out/results.txt"
    say "$(cat "$dir/result")"
}

running=0
for seed in $seeds; do
    for task in sst2 sick-entail sick-similar mctest; do
        for start in scratch pretrained; do
            for lambda in 0.5 0; do
                one $task $start $lambda "$seed" &
                running=$((running + 1))
                if [ $running -ge "$jobs" ]; then
                    wait
                    running=0
                fi
            done
        done
    done
done
wait

# ---- the table ----
awk 'BEGIN { printf "%-13s %-11s %-7s %-9s %6s %8s  %s\n", "task", "start", "lambda", "measure", "mean", "spread", "runs" }
     { key = $1 " " $2 " " $3; m[key] = $5; n[key]++; sum[key] += $6; square[key] += $6 * $6; if (!(key in at)) { at[key] = ++k; keys[k] = key } }
     END { for (i = 1; i <= k; i++) { key = keys[i]; split(key, p, " "); mean = sum[key] / n[key]; v = square[key] / n[key] - mean * mean
           printf "%-13s %-11s %-7s %-9s %6.4f %8.4f  %d\n", p[1], p[2], p[3], m[key], mean, (n[key] > 1 ? sqrt(v > 0 ? v * n[key] / (n[key] - 1) : 0) : 0), n[key] } }' \
    "$out/results.txt" | tee "$out/table.txt"
