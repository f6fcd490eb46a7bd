#!/bin/sh
# A device that is lost in the middle of a run, at queue calls spread over each command's run. The command opens it again, and the results have the
# bits of an undisturbed run. The layer of fault_layer.c loses the device.
# usage: check_losses.sh PUMICE DIR_OF_LAYER [POINTS]
set -u
. "$(dirname "$0")/helper_cli.sh"
start "$1"
points=${3:-3}
# The loader reads VK_ADD_LAYER_PATH only where VK_LAYER_PATH is not set.
if [ -n "${VK_LAYER_PATH:-}" ]; then VK_LAYER_PATH=$2:$VK_LAYER_PATH; fi
VK_ADD_LAYER_PATH=$2
VK_INSTANCE_LAYERS=VK_LAYER_PUMICE_fault
export VK_ADD_LAYER_PATH VK_INSTANCE_LAYERS PUMICE_FAULT
report="$dir/report"
recovered=0

# said NAME: what the layer counted in the last run
said() { sed -n "s/.*$1=\([0-9.-]*\).*/\1/p" "$report" 2> /dev/null; }
# Metrics without the values of a clock.
numbers() { sed 's/"tokens_per_s": [^,}]*//' "$1"; }

# lose WORDS ARGS…: the command under these words of the layer; it must succeed and leave no object alive.
lose() {
    PUMICE_FAULT="$1 report=$report"
    shift
    run 0 "$@"
    [ "$(said objects)" = 0 ] || fail "pumice $*, $PUMICE_FAULT: $(said objects) objects are left"
}

# spread COMMAND: calls COMMAND N for POINTS numbers N, spread over the calls that the undisturbed command made. How many waits there are depends on the
# clock, for what has ended is not waited for: so the last fifth is left out.
spread() {
    command=$1
    calls=$(($(said queue) * 4 / 5))
    [ "${calls:-0}" -ge 4 ] || fail "the layer counted no calls"
    i=0
    while [ $i -lt "$points" ]; do
        $command $((1 + i * (calls - 1) / (points > 1 ? points - 1 : 1)))
        i=$((i + 1))
    done
}

# recovers N ARGS…: with the loss at call N the command says so, and succeeds.
recovers() {
    at=$1
    shift
    lose "lose=$at" "$@"
    [ "$(said lost)" = 1 ] || fail "pumice $*: no loss at call $at"
    [ "$(grep -c 'was lost, for the first time; opening it again' "$dir/err")" = 1 ] ||
        fail "pumice $*: the loss at call $at was not told"
    recovered=$((recovered + 1))
}

awk 'BEGIN {
    split("the cat|a dog|my aunt|one bird|some fish", who, "|"); split("sees|hears|likes|finds", does, "|")
    for (i = 0; i < 200; i++) print who[1 + i * 7 % 5] " " does[1 + i * 3 % 4] " " who[1 + i * i % 5] "."
}' > "$dir/text"
awk 'BEGIN {
    split("red blue green", c, " ")
    for (i = 0; i < 24; i++) print "{\"text\": \"" substr("ohohohohoh", 1, i % 11) " " c[1 + i % 3] "\", \"label\": \"" c[1 + i % 3] "\"}"
}' > "$dir/classify"

# ---- train: steps are repeated from the checkpoint, or from the seed ----
train="train --data $dir/text --layers 1 --heads 2 --embd 16 --ctx 16 --batch 4 --steps 9 --eval-every 4 --eval-batches 2 --save-every 4 --dropout 0.1"
lose '' $train --json --out "$dir/a"
numbers "$dir/out" > "$dir/told"
numbers "$dir/a/metrics.jsonl" > "$dir/metrics"
train_lost() {
    rm -rf "$dir/b"
    recovers "$1" $train --json --out "$dir/b"
    same "$dir/a/model.safetensors" "$dir/b/model.safetensors"
    numbers "$dir/b/metrics.jsonl" | cmp -s - "$dir/metrics" || fail "call $1: metrics.jsonl is another"
    numbers "$dir/out" | cmp -s - "$dir/told" || fail "call $1: --json printed something else"
}
late=$(said queue)
spread train_lost

# ---- after three losses the run ends ----
at=$((late * 3 / 4))
PUMICE_FAULT="lose=$at lose=$((at + 3)) lose=$((at + 6)) report=$report"
run 1 $train --out "$dir/c"
grep -q "^pumice: --out $dir/c: the device was lost 3 times.*of step [48] is saved.*--submit-ms" "$dir/err" || fail "no advice after three losses"
grep -q '^  .* --resume$' "$dir/err" || fail "a run that gave up did not say how to go on"
[ "$(said objects)" = 0 ] || fail "a run that gave up left $(said objects) objects"
lose '' $train --out "$dir/c" --resume
same "$dir/a/model.safetensors" "$dir/c/model.safetensors"

# ---- finetune ----
tune="finetune --task classify --train $dir/classify --dev $dir/classify --layers 1 --heads 2 --embd 16 --ctx 16 --batch 8 --lr 3e-3 --epochs 3"
lose '' $tune --out "$dir/t"
numbers "$dir/t/metrics.jsonl" > "$dir/metrics"
autotune_lost() {
    rm -rf "$dir/u"
    recovers "$1" $tune --out "$dir/u"
    same "$dir/t/model.safetensors" "$dir/u/model.safetensors"
    numbers "$dir/u/metrics.jsonl" | cmp -s - "$dir/metrics" || fail "call $1: metrics.jsonl is another"
}
spread autotune_lost

# ---- commands that only read a model ----
# Each begins again; generate continues behind the text that is already written.
reads() {
    again="$*"
    lose '' "$@"
    cp "$dir/out" "$dir/first"
    spread read_lost
}
read_lost() {
    # shellcheck disable=SC2086 # words of a command
    recovers "$1" $again
    same "$dir/out" "$dir/first"
}
reads generate --model "$dir/a" --prompt cat --tokens 40
reads eval --model "$dir/a" --data "$dir/text"
reads predict --model "$dir/t" --input "$dir/classify"
PUMICE_FAULT="lose=20 lose=30 lose=40 report=$report"
run 1 generate --model "$dir/a" --prompt cat --tokens 40
grep -q 'the device was lost 3 times' "$dir/err" || fail "generate did not give up"

echo "$recovered losses, each followed by the same bits"
[ $bad = 0 ] && echo "all as it should be"
exit $bad
