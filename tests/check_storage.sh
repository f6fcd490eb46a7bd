#!/bin/sh
# Runs and their files where the disk is full or read-only, or files are damaged. Earlier files stay, one line reports the fault, and no temporary
# file is left. The run ends with the bits of an undisturbed one.
# usage: check_storage.sh PUMICE
set -u
. "$(dirname "$0")/helper_cli.sh"
if [ "${2:-}" = disk ]; then start "$1" "$3"; else start "$1"; fi

small="--layers 1 --heads 2 --embd 16 --batch 4 --dropout 0.1"
# The learning rate does not depend on --steps, so that a run that is stopped late has the bits of a short one.
train="train --data $dir/text $small --ctx 16 --eval-batches 2 --lr 1e-3 --min-lr 1e-3"
finetune="finetune --task classify --train $dir/examples --dev $dir/examples $small --ctx 24 --lr 1e-2 --eval-every 8 --epochs 4"

# untouched FOLDER: its checkpoint is that of $dir/run, and there are no temporary files.
untouched() {
    same "$dir/run/checkpoint.safetensors" "$1/checkpoint.safetensors"
    same "$dir/run/model.safetensors" "$1/model.safetensors"
    none_left "$1"
}

# waits FILE PATTERN: waits until a line of the file matches, at most a minute.
waits() {
    tries=0
    until grep -qe "$2" "$1" 2> /dev/null; do
        sleep 0.02
        tries=$((tries + 1))
        [ $tries -lt 3000 ] || { fail "no $2 in $1 within a minute"; return; }
    done
}

# begin ARGS…: starts a run in the background, its process in $child. ended CODE: the run must end with CODE.
begin() { "$pumice" "$@" > "$dir/out" 2> "$dir/err" < /dev/null & child=$!; }
ended() {
    code=0
    wait $child || code=$?
    [ $code = "$1" ] || fail "a run ended with $code instead of $1"
}

# flip FILE OFFSET: changes a bit of this byte.
flip() {
    byte=$(od -An -tu1 -j "$2" -N 1 "$1" | tr -d ' ')
    # shellcheck disable=SC2059
    printf "\\$(printf %o $((byte ^ 4)))" | dd of="$1" bs=1 seek="$2" conv=notrunc 2> /dev/null
}

# ---- a file system of its own: full, then read-only ----
# usage in here: check_storage.sh PUMICE disk DIR, in a mount namespace; DIR/run is a run of 40 steps.
if [ "${2:-}" = disk ]; then
    mount -t tmpfs -o size=600k none "$dir/disk" || exit 77
    cp -r "$dir/run" "$dir/disk/run"
    rm "$dir/disk/run/checkpoint.previous.safetensors"
    fill() { head -c 1000000 /dev/zero > "$dir/disk/filler" 2> /dev/null; }
    fill
    # The last checkpoint stays where a new one finds no room. A run continues from it once there is room again.
    refused 1 "$dir/disk/run/.*[Ss]pace" $train --out "$dir/disk/run" --steps 44 --resume
    untouched "$dir/disk/run"
    rm "$dir/disk/filler"
    # The disk is full and free again during a run. The run reports it and tries again, and no line of metrics.jsonl is lost.
    begin $train --out "$dir/disk/run" --steps 100000 --resume --save-every 5
    waits "$dir/disk/run/metrics.jsonl" '"step": 5.,'
    # 20 saves: the lines of 100 steps do not fit the last block of metrics.jsonl.
    until [ "$(grep -c 'not everything could be saved' "$dir/err")" -ge 20 ] || ! kill -0 $child; do
        rm -f "$dir/disk/run/checkpoint.previous.safetensors" # its room would serve the next one
        fill
    done
    grep -q '^pumice: .*[Ss]pace' "$dir/err" || fail "a full disk is not told"
    rm "$dir/disk/filler"
    waits "$dir/disk/run/metrics.jsonl" '"step": [3-9]..,'
    interrupt $child
    ended 130
    none_left "$dir/disk/run"
    awk '$0 !~ "^{\"step\": " NR ",.*}$" { exit 1 }' "$dir/disk/run/metrics.jsonl" || fail "metrics.jsonl has not each step once"
    rm -r "$dir/disk/run"
    cp -r "$dir/run" "$dir/disk/run"
    if ! mount -o remount,ro "$dir/disk" 2> /dev/null; then
        echo "left out: a read-only disk (it cannot be made so here)"
        exit $bad
    fi
    if on_windows; then readonly='\(Read-only\|denied\)'; else readonly=Read-only; fi # Wine tells no more
    refused 1 "$dir/disk/run.*$readonly" $train --out "$dir/disk/run" --steps 44 --resume
    refused 1 "$dir/disk/new.*$readonly" $train --out "$dir/disk/new" --steps 4
    refused 1 "$dir/disk/new.*$readonly" convert --from "$dir/run" --out "$dir/disk/new"
    PUMICE_CACHE_DIR="$dir/disk" run 0 eval --model "$dir/disk/run" --data "$dir/text" # works without a cache
    untouched "$dir/disk/run"
    exit $bad
fi

awk -v dir="$dir" 'BEGIN {
    split("red blue green", c, " ")
    for (i = 0; i < 500; i++) print c[1 + i * 7 % 3] " or " c[1 + i * i % 3] "." > (dir "/text")
    for (i = 0; i < 32; i++) print "{\"text\": \"" c[1 + i % 3] " " i * i "\", \"label\": " i % 3 "}" > (dir "/examples")
}'
mkdir "$dir/disk"
run 0 $train --out "$dir/run" --steps 40
run 0 $train --out "$dir/longer" --steps 60
if [ "$(id -u)" = 0 ]; then alone="unshare -m"; else alone="unshare -rm"; fi
if on_windows; then alone=""; fi # Wine's server opens the files, and stays in the namespace where it began
if $alone true 2> /dev/null; then
    code=0
    $alone sh "$0" "$pumice" disk "$dir" || code=$?
    ! on_windows || umount "$dir/disk"
    case $code in
    0) ;;
    77) echo "left out: a disk that is full or read-only (nothing can be mounted here)" ;;
    *) bad=1 ;;
    esac
else
    echo "left out: a disk that is full or read-only (no mount namespaces here)"
fi

# ---- a limit on a file's size, 20 blocks of 512 bytes, stands for a full disk; not for llvmpipe, whose memory is a file ----
on_windows || (
    ulimit -f 20
    refused 1 "$dir/limited/model.safetensors: .*too large" convert --from "$dir/run" --out "$dir/limited"
    exit $bad
) || bad=1
none_left "$dir/limited"

# ---- folders that cannot be written; root may write in any. A model is written last ----
mkdir "$dir/half" "$dir/half/vocab.json"
refused 1 "$dir/half/vocab.json.*folder" $train --out "$dir/half" --steps 2
[ ! -e "$dir/half/model.safetensors" ] || fail "a model is there before its tokenizer"
refused 1 "$dir/text/new.*Not a directory" $train --out "$dir/text/new" --steps 2
if [ "$(id -u)" != 0 ]; then
    chmod a-w "$dir/run"
    refused 1 "$dir/run/.*denied" $train --out "$dir/run" --steps 44 --resume
    chmod u+w "$dir/run"
fi

# ---- a save that fails in the middle of a run: a folder has the checkpoint's name ----
cp -r "$dir/run" "$dir/blocked"
begin $train --out "$dir/blocked" --steps 100000 --resume --save-every 5
waits "$dir/blocked/metrics.jsonl" '"step": 5.,'
until grep -q 'step [0-9]*: not everything could be saved' "$dir/err" || ! kill -0 $child; do
    rm -f "$dir/blocked/checkpoint.safetensors" 2> /dev/null
    mkdir "$dir/blocked/checkpoint.safetensors" 2> /dev/null
done
rmdir "$dir/blocked/checkpoint.safetensors" || fail "the folder in its place is gone"
interrupt $child
ended 130
done=$(tail -n 1 "$dir/blocked/metrics.jsonl" | sed 's/{"step": \([0-9]*\),.*/\1/')
run 0 $train --out "$dir/blocked" --steps "$done" --resume
run 0 $train --out "$dir/undisturbed" --steps "$done"
same "$dir/blocked/model.safetensors" "$dir/undisturbed/model.safetensors"
none_left "$dir/blocked"

# Fine-tuning ends where its best model cannot be saved; a resume reaches that model again.
run 0 $finetune --out "$dir/tuned"
begin $finetune --out "$dir/stopped" --save-every 1
waits "$dir/stopped/metrics.jsonl" '"step": 2,'
rm "$dir/stopped/model.safetensors"
mkdir "$dir/stopped/model.safetensors"
ended 1
grep -q "^pumice: $dir/stopped/model.safetensors" "$dir/err" || fail "the model that could not be written is not told"
rmdir "$dir/stopped/model.safetensors"
run 0 $finetune --out "$dir/stopped" --save-every 1 --resume
same "$dir/stopped/model.safetensors" "$dir/tuned/model.safetensors"

# ---- killed between a checkpoint and its model ----
cp "$dir/longer/model.safetensors" "$dir/older"
cp "$dir/run/model.safetensors" "$dir/longer/"
run 0 $train --out "$dir/longer" --steps 60 --resume
same "$dir/longer/model.safetensors" "$dir/older"
# The best model of a fine-tuning run, at its last step (without --dev) and before it.
nodev=$(echo "$finetune" | sed "s|--dev $dir/examples||")
run 0 $nodev --out "$dir/nodev"
cp "$dir/nodev/model.safetensors" "$dir/whole"
cp "$dir/tuned/model.safetensors" "$dir/nodev/"
run 0 $nodev --out "$dir/nodev" --resume
same "$dir/nodev/model.safetensors" "$dir/whole"

# ---- two runs in one folder ----
begin $train --out "$dir/shared" --steps 100000
waits "$dir/shared/metrics.jsonl" '"step": 2,'
mv "$dir/err" "$dir/first"
refused 1 "$dir/shared/metrics.jsonl: another run" $train --out "$dir/shared" --steps 3 --resume
interrupt $child
ended 130

# ---- damaged checkpoints: the one before it is taken, and gives the same bits; without one they are refused ----
cp -r "$dir/run" "$dir/flipped"
flip "$dir/flipped/checkpoint.safetensors" 20000
run 0 $train --out "$dir/flipped" --steps 60 --resume
warned=$(grep -c '^pumice: warning: .*checkpoint.safetensors: is damaged: .*going on from .*checkpoint.previous.safetensors, which is of step 0$' "$dir/err")
[ "$warned" = 1 ] || fail "$warned warnings of a damaged checkpoint"
[ "$(wc -l < "$dir/flipped/metrics.jsonl")" = 60 ] || fail "metrics.jsonl has not 60 lines"
same "$dir/flipped/model.safetensors" "$dir/longer/model.safetensors"
cp -r "$dir/run" "$dir/both"
flip "$dir/both/checkpoint.safetensors" 900
flip "$dir/both/checkpoint.previous.safetensors" 20000
cp -r "$dir/both" "$dir/before"
refused 1 "$dir/both/checkpoint.safetensors: is damaged" $train --out "$dir/both" --steps 60 --resume
for file in checkpoint.safetensors checkpoint.previous.safetensors model.safetensors metrics.jsonl; do same "$dir/both/$file" "$dir/before/$file"; done
rm "$dir/both/checkpoint.safetensors"
refused 1 "$dir/both: there is a run" $train --out "$dir/both" --steps 60

# ---- damaged models and caches ----
size=$(wc -c < "$dir/run/model.safetensors")
for at in 0 9 60 300 $((size / 2)) $((size - 1)); do
    cp "$dir/run/model.safetensors" "$dir/flipped/"
    flip "$dir/flipped/model.safetensors" "$at"
    refused 1 "$dir/flipped/model.safetensors" eval --model "$dir/flipped" --data "$dir/text"
done
PUMICE_CACHE_DIR="$dir/cache"
export PUMICE_CACHE_DIR
run 0 eval --model "$dir/run" --data "$dir/text"
cp "$dir/out" "$dir/first"
for file in "$dir/cache"/*; do
    flip "$file" 70
    run 0 eval --model "$dir/run" --data "$dir/text"
    same "$dir/out" "$dir/first"
    [ "$(grep -c "^pumice: warning: .*$file: .*damaged.*making it again" "$dir/err")" = 1 ] || fail "$file: not one warning"
    run 0 eval --model "$dir/run" --data "$dir/text"
    ! grep -v "is a software driver" "$dir/err" | grep -q . || fail "$file: was not made again"
done

[ $bad = 0 ] && echo "all as it should be"
exit $bad
