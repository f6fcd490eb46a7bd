#!/bin/sh
# Reproduces fine-tuning's numbers: small models on four tasks, from random weights and from a pre-trained model, with and without the language-model
# loss. sh tools/reproduce-finetune.sh [DATA [OUT]] (DATA: ../shared/data, OUT: out/finetune)
#
# DATA holds sst2/{train,dev}.jsonl, sick/{entailment,similarity}.{train,dev,test}.jsonl, mctest/mc500.{train,dev}.jsonl, and text to
# pre-train on: wikitext2/*.txt, shakespeare/*.txt; the Bible is added where Debian's bible-kjv is installed. Absent files are left out.
# TASKS="sst2 sick-entail sick-similar mctest sick-similar-own sick-entail-after", STARTS="scratch pretrained", LAMBDAS="0 0.5" and
# SEEDS="1 2 3" choose the runs, by default all. sick-entail-after begins with sick-similar's model. JOBS=2 runs go at once, on a software driver with
# one thread each. PASSES=30: how often sick-similar sees SICK's pairs, each time with new ones that a rule scores.
# SIZE, BASE and LR: options of the model and of its pre-training, and the learning rate of fine-tuning, such as GPT-1's own:
#   SIZE="--arch gpt1 --layers 12 --heads 12 --embd 768" BASE="--batch 32 --steps 1000 --lr 2.5e-4" LR=6.25e-5; PRECISION=f16 for all of it.
# BUILD: a folder that has been built, such as one brought from another machine; by default build/, which is built.
# The same command again continues interrupted runs and does not repeat finished ones. OUT/results.txt gets a line a run, and at the end a table of
# means and spreads goes to stdout. A seed takes hours on two cores, most of them for
# lambda 0.5. One at a time: OUT is not locked.
set -eu

say() { echo "reproduce-finetune: $*" >&2; }

data=${1:-../shared/data}
out=${2:-out/finetune}
seeds=${SEEDS:-1 2 3}
starts=${STARTS:-scratch pretrained}
lambdas=${LAMBDAS:-0 0.5}
tasks=${TASKS:-sst2 sick-entail sick-similar mctest sick-similar-own sick-entail-after}
passes=${PASSES:-30}
jobs=${JOBS:-2}
size=${SIZE:---arch gpt2 --layers 2 --heads 2 --embd 96}
base=${BASE:---batch 8 --steps 1000 --lr 2e-3}
lr=${LR:-1e-3}
precision=${PRECISION:-f32}
build=${BUILD:-}
case $data in /*) ;; *) data=$PWD/$data ;; esac
case $out in /*) ;; *) out=$PWD/$out ;; esac
cd "$(dirname "$0")/.."
[ -d "$data" ] || { say "$data: no such folder; give one with the task sets"; exit 2; }
command -v jq > /dev/null || { say "needs jq: apt-get install jq"; exit 1; }

mkdir -p "$out"
if [ -z "$build" ]; then
    build=build
    sh tools/setup.sh
    if [ -e build/CMakeCache.txt ]; then generator=""; else generator="-G Ninja -DCMAKE_BUILD_TYPE=Release"; fi
    # shellcheck disable=SC2086
    if ! { cmake -S . -B build $generator && cmake --build build --target pumice_cli; } > "$out/build.log" 2>&1; then
        cat "$out/build.log" >&2
        say "the build failed"
        exit 1
    fi
fi
pumice=$(cd "$build" && pwd)/pumice
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
# One vocabulary for all runs, from the sentences of two tasks.
if [ ! -d "$out/tokenizer" ]; then
    mkdir -p "$out/words"
    for file in "$data"/sst2/train.jsonl "$data"/sick/entailment.train.jsonl; do
        [ ! -e "$file" ] || jq -r '.text, .premise, .hypothesis | strings' "$file" > "$out/words/$(basename "$(dirname "$file")").txt"
    done
    "$pumice" tokenizer train --vocab-size 4096 --data "$out/words" --out "$out/tokenizer"
fi
case $starts in
*pretrained*)
    say "pre-training ($out/base)"
    # shellcheck disable=SC2086
    "$pumice" train --data "$text" --tokenizer "$out/tokenizer" $size --ctx 192 --dropout 0.1 $base --precision "$precision" \
        --eval-every 250 --eval-batches 20 --save-every 250 --out "$out/base" --resume 2>> "$out/base.log"
    ;;
esac

# SICK has few pairs for a model with random weights: it learns them by heart before it finds that similar sentences share words. So they are
# repeated, each time with 6,000 other pairs whose scores need no labels: sentences with themselves, and with others drawn at random.
pairs=$data/sick/similarity.train.jsonl similar=$out/similar-$passes.jsonl
if [ -e "$pairs" ] && [ ! -e "$similar" ]; then
    jq -c '.text_a, .text_b' "$pairs" | sort -u > "$out/sentences"
    pass=0
    while [ $pass -lt "$passes" ]; do
        pass=$((pass + 1))
        cat "$pairs"
        awk -v seed=$pass '
            function any() { return s[1 + int(rand() * NR)] }
            function pair(a, b, score) { print "{\"text_a\": " a ", \"text_b\": " b ", \"score\": " score "}" }
            { s[NR] = $0 }
            END { srand(seed); for (i = 0; i < 3000; i++) { x = any(); pair(x, x, 5); x = any(); pair(x, any(), 1) } }' "$out/sentences"
    done > "$out/similar.tmp"
    mv "$out/similar.tmp" "$similar"
fi

# ---- runs ----
sick=$data/sick
# one TASK START LAMBDA SEED: a line "TASK START LAMBDA SEED MEASURE VALUE" in its folder's result.
one() {
    dir=$out/$1-$2-$3-$4
    [ ! -s "$dir/result" ] || return 0
    dropout=0.1 head=0.1 rate=$lr warmup=0.1 every=0
    case $1 in
    sst2) kind=classify measure=accuracy epochs=5 dropout=0.5 head=0.5 train=$data/sst2/train.jsonl dev=$data/sst2/dev.jsonl test=$dev ;;
    sick-entail) kind=entail measure=accuracy epochs=5 dropout=0.2 train=$sick/entailment.train.jsonl ;;
    sick-entail-after) kind=entail measure=accuracy epochs=4 dropout=0.2 head=0.2 rate=$(awk "BEGIN { print $lr / 2 }") train=$sick/entailment.train.jsonl ;;
    sick-similar) kind=similar measure=pearson epochs=1 warmup=0.05 every=1000 train=$similar ;;
    sick-similar-own) kind=similar measure=pearson epochs=5 train=$sick/similarity.train.jsonl ;;
    mctest) kind=choice measure=accuracy epochs=1 train=$data/mctest/mc500.train.jsonl dev=$data/mctest/mc500.dev.jsonl test=$dev ;;
    *) say "no task '$1'"; return 1 ;;
    esac
    case $kind in
    entail) dev=$sick/entailment.dev.jsonl test=$sick/entailment.test.jsonl ;;
    similar) dev=$sick/similarity.dev.jsonl test=$sick/similarity.test.jsonl ;;
    esac
    [ -e "$train" ] || { say "$train: not there; left out"; return 0; }
    options="--batch 32 --lr $rate --warmup $warmup --precision $precision --dropout $dropout --head-dropout $head --lambda $3 --seed $4 --eval-every $every"
    case $1.$2 in
    sick-entail-after.*) options="$options --model $out/sick-similar-$2-$3-$4" ;;
    *.scratch) options="$options --tokenizer $out/tokenizer $size --ctx 192" ;;
    *.pretrained) options="$options --model $out/base" ;;
    esac
    # shellcheck disable=SC2086
    "$pumice" finetune --task $kind --train "$train" --dev "$dev" --out "$dir" --epochs $epochs $options --resume 2>> "$dir.log" ||
        { tail -n 1 "$dir.log" >&2; return 1; }
    value=$("$pumice" eval --model "$dir" --test "$test" --json 2> /dev/null | jq ".$measure")
    case $value in '' | null) say "$dir: no $measure from eval"; return 1 ;; esac
    echo "$1 $2 $3 $4 $measure $value" > "$dir/result"
    say "$(cat "$dir/result")"
}

# Does the runs in a list, `jobs` at a time: a worker takes the next run when it has done one.
list=$out/list
worker() {
    number=0
    while read -r task start lambda seed; do
        number=$((number + 1))
        # Making a folder succeeds for one worker only.
        if mkdir "$out/taken/$number" 2> /dev/null; then one "$task" "$start" "$lambda" "$seed" || touch "$out/failed"; fi
    done < "$list"
}
# all_of TASK …
all_of() {
    for seed in $seeds; do
        for lambda in $lambdas; do
            for start in $starts; do
                for task in "$@"; do
                    echo "$task $start $lambda $seed"
                done
            done
        done
    done > "$list"
    rm -rf "$out/taken"
    mkdir "$out/taken"
    i=0
    while [ $i -lt "$jobs" ]; do
        worker &
        i=$((i + 1))
    done
    wait
}
rm -f "$out/failed"
# Runs that begin with another run's model come behind all others.
before="" after=""
for task in $tasks; do
    case $task in *-after) after="$after $task" ;; *) before="$before $task" ;; esac
done
# shellcheck disable=SC2086
all_of $before
# shellcheck disable=SC2086
all_of $after

# ---- the table ----
cat "$out"/*/result > "$out/results.txt"
awk 'BEGIN { printf "%-17s %-11s %-7s %-9s %6s %8s  %s\n", "task", "start", "lambda", "measure", "mean", "spread", "runs" }
     { key = $1 " " $2 " " $3; m[key] = $5; n[key]++; sum[key] += $6; square[key] += $6 * $6; if (!(key in at)) { at[key] = ++k; keys[k] = key } }
     END { for (i = 1; i <= k; i++) { key = keys[i]; split(key, p, " "); mean = sum[key] / n[key]; v = square[key] / n[key] - mean * mean
           printf "%-17s %-11s %-7s %-9s %6.4f %8.4f  %d\n", p[1], p[2], p[3], m[key], mean, (n[key] > 1 ? sqrt(v > 0 ? v * n[key] / (n[key] - 1) : 0) : 0), n[key] } }' \
    "$out/results.txt" | tee "$out/table.txt"
[ ! -e "$out/failed" ] || { say "some runs failed: see above"; exit 1; }
