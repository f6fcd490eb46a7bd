#!/bin/sh
# Runs that are killed (kill -9) at random moments. Each time there is a checkpoint that loads, at most --save-every steps older than the last line of
# metrics.jsonl. At the end weights and metrics are those of an undisturbed run. For `train` and `finetune`, KILLS times each.
# usage: check_kill.sh PUMICE [KILLS [SEED]]
set -u
. "$(dirname "$0")/helper_cli.sh"
start "$1"
kills=${2:-3}
seed=${3:-$(date +%s)}
echo "seed $seed"

every=3 # steps between checkpoints
awk -v dir="$dir" 'BEGIN {
    split("red blue green", c, " ")
    for (i = 0; i < 500; i++) print c[1 + i * 7 % 3] " or " c[1 + i * i % 3] "." > (dir "/text")
    # The words give the answer of most examples, not of all, so the best model on dev is not the last one.
    for (i = 0; i < 48; i++) {
        print "{\"text\": \"" c[1 + i % 3] " " i * i "\", \"label\": " (i * i + i * (i % 5 == 0)) % 3 "}" > (dir "/train")
        print "{\"text\": \"" c[1 + i % 3] " " i * 7 "\", \"label\": " (i * i + (i % 4 == 0)) % 3 "}" > (dir "/dev")
    }
}'
small="--layers 1 --heads 2 --embd 16 --batch 4 --save-every $every"
train="train --data $dir/text $small --ctx 16 --eval-batches 1 --dropout 0.1 --eval-every 7 --steps 90"
finetune="finetune --task classify --train $dir/train --dev $dir/dev $small --ctx 24 --lr 2e-2 --eval-every 10 --epochs 8"

lines() { if [ -e "$1/metrics.jsonl" ]; then wc -l < "$1/metrics.jsonl"; else echo 0; fi; }
without_times() { sed 's/"tokens_per_s": [^,}]*//' "$1/metrics.jsonl"; }

# metrics.jsonl after a kill: whole lines of steps 1, 2, 3 …, perhaps a half line at the end.
whole_lines() {
    awk -v whole="$(lines "$1")" 'NR <= whole && $0 !~ "^{\"step\": " NR ",.*}$" { exit 1 }' "$1/metrics.jsonl" || fail "$1: metrics.jsonl is not steps 1, 2, 3 …"
}

# resumed LAST: the run that was started again continued from a checkpoint at most $every steps before step LAST.
resumed() {
    step=$(sed -n 's/^going on from step \([0-9]*\) of .*/\1/p' "$dir/err")
    if grep -qe '^pumice: ' "$dir/err"; then
        fail "a resume complains"
    elif [ -z "$step" ]; then
        [ "$1" = 0 ] || fail "no checkpoint at step $1"
    elif [ "$step" -gt "$1" ] || [ $(($1 - step)) -gt $every ]; then
        fail "the checkpoint of step $step is not within $every steps of step $1"
    fi
}

# One run after another, each killed again and again until it finishes.
# disturbed NAME COMMAND: its folder is $dir/NAME, the undisturbed run's $dir/NAME-whole.
disturbed() {
    name=$1
    shift
    at=$dir/$name
    run 0 "$@" --out "$at-whole"
    [ $bad = 0 ] || return
    killed=0
    finished=0
    last=0
    # The moment: a kind, and a share. One kind of four is a share of the time before the first step, the others a share of the time after it.
    awk -v seed="$seed" -v n=$((4 * kills + 100)) 'BEGIN { srand(seed); for (i = 0; i < n; i++) print int(4 * rand()), 0.5 * rand() }' > "$dir/moments"
    while [ $killed -lt "$kills" ] || [ -e "$at" ]; do
        read -r kind delay || break
        before=$(lines "$at")
        "$pumice" "$@" --out "$at" --resume > "$dir/out" 2> "$dir/err" < /dev/null &
        child=$!
        if [ $killed -ge "$kills" ]; then
            kind=end
        elif [ "$kind" != 0 ]; then
            while kill -0 $child 2> /dev/null && { ! grep -q tokens/s "$dir/err" || [ "$(lines "$at")" = "$before" ]; }; do sleep 0.01; done
        fi
        [ "$kind" = end ] || { sleep "$delay" && kill -9 $child 2> /dev/null; }
        code=0
        wait $child 2> /dev/null || code=$?
        # A kill in the first moments comes before the run says where it continues.
        if [ $code != 137 ] || grep -q '^going on' "$dir/err"; then resumed "$last"; fi
        if [ $code = 137 ]; then
            killed=$((killed + 1))
            [ ! -e "$at/metrics.jsonl" ] || whole_lines "$at"
            [ "$(lines "$at")" = 0 ] && [ "$last" -gt $every ] && fail "the lines of $last steps are lost"
            last=$(lines "$at")
        elif [ $code = 0 ]; then
            finished=$((finished + 1))
            same "$at/model.safetensors" "$at-whole/model.safetensors"
            without_times "$at" > "$dir/x"
            without_times "$at-whole" > "$dir/y"
            same "$dir/x" "$dir/y"
            none_left "$at"
            rm -r "$at"
            last=0
        else
            fail "$name ended with $code"
        fi
        [ $bad = 0 ] || break
    done < "$dir/moments"
    echo "$name: $killed kills, $finished runs finished with the bits of an undisturbed one"
    [ "$killed" -ge "$kills" ] || fail "$name: not killed often enough"
    [ $finished -gt 0 ] || fail "$name: no run came to its end"
}

disturbed run-train $train
disturbed run-finetune $finetune
exit $bad
