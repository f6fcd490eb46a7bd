#!/bin/sh
# The program's surroundings: standard streams, signals, pipes as input files, missing drivers.
# usage: check_host.sh PUMICE [DIR]
set -u
. "$(dirname "$0")/helper_cli.sh"
start "$@"
PUMICE_CACHE_DIR=$dir/cache
export PUMICE_CACHE_DIR
awk 'BEGIN { for (i = 0; i < 300; i++) print "the cat sees a " (i * i % 7 ? "dog" : "bird") "." }' > "$dir/text"
sizes="--layers 1 --heads 1 --embd 4 --ctx 8 --batch 2"
train="train --data $dir/text $sizes --eval-every 0"

# ---- standard streams that are closed ----
run 0 $train --steps 3 --out "$dir/open"
"$pumice" $train --steps 3 --out "$dir/closed" <&- >&- 2>&- || fail "a run with all streams closed ended with $?"
same "$dir/open/model.safetensors" "$dir/closed/model.safetensors"
! grep -qv '^{"step"' "$dir/closed/metrics.jsonl" || fail "messages went into metrics.jsonl"
"$pumice" $train --steps 3 --out "$dir/quiet" 2>&- || fail "a run with stderr closed ended with $?"
same "$dir/open/model.safetensors" "$dir/quiet/model.safetensors"
code=0
"$pumice" devices >&- 2> "$dir/err" || code=$?
[ $code = 1 ] || fail "what could not be printed ended with $code instead of 1"
grep -q 'stdout cannot be written' "$dir/err" || fail "a closed stdout is not told"

# ---- signals ----
# begin: starts a run in the background and waits until 3 steps are done.
begin() {
    "$pumice" $train --steps 1000000 --save-every 0 --out "$dir/run" > "$dir/out" 2> "$dir/err" < /dev/null &
    child=$!
    tries=0
    while [ "$(cat "$dir/run/metrics.jsonl" 2> /dev/null | wc -l)" -lt 3 ] && [ $tries -lt 600 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
}
# ended CODE WHAT: the run in the background must end with CODE.
ended() {
    code=0
    wait $child 2> /dev/null || code=$?
    [ $code = "$1" ] || fail "$2 ended with $code instead of $1"
}
begin
kill -HUP $child
kill -HUP $child 2> /dev/null # a terminal that is gone often sends it twice
ended 130 "a run whose terminal is gone"
[ "$(wc -l < "$dir/run/metrics.jsonl")" -ge 3 ] && grep -q -- '--resume' "$dir/err" || fail "SIGHUP did not save"
rm -r "$dir/run"
trap '' HUP # as nohup does
begin
trap - HUP
kill -HUP $child
steps=$(wc -l < "$dir/run/metrics.jsonl")
tries=0
while [ "$(wc -l < "$dir/run/metrics.jsonl")" -le $((steps + 3)) ] && kill -0 $child 2> /dev/null && [ $tries -lt 300 ]; do
    sleep 0.1
    tries=$((tries + 1))
done
kill -0 $child 2> /dev/null || fail "SIGHUP ended a run under nohup"
kill -TERM $child
ended 130 "a run under nohup"

# ---- pipes ----
mkfifo "$dir/pipe"
cat "$dir/text" > "$dir/pipe" &
"$pumice" train --data "$dir/pipe" $sizes --eval-every 0 --steps 3 --out "$dir/piped" 2> "$dir/err" < /dev/null ||
    fail "--data from a named pipe ended with $?"
grep -q "^$dir/pipe: " "$dir/err" || fail "a pipe's own name is not told"
same "$dir/open/model.safetensors" "$dir/piped/model.safetensors"
cat "$dir/text" | "$pumice" train --data /dev/stdin $sizes --eval-every 0 --steps 3 --out "$dir/stdin" 2> "$dir/err" ||
    fail "--data /dev/stdin ended with $?"
same "$dir/open/model.safetensors" "$dir/stdin/model.safetensors"
# A pipe cannot be read again: to go on, the run wants its text once more.
refused 2 'train needs --data' train --out "$dir/stdin" --resume
cat "$dir/text" | "$pumice" train --data /dev/stdin --out "$dir/stdin" --resume --steps 4 2> "$dir/err" || fail "--resume with a pipe ended with $?"
"$pumice" train --data "$dir/pipe" $sizes --out "$dir/never" 2> "$dir/err" < /dev/null & # nobody writes
child=$!
sleep 0.5
kill -TERM $child
ended 143 "a run that waits for a pipe"
refused 1 '/dev/null: is empty' train --data /dev/null $sizes --out "$dir/never"
run 0 eval --model "$dir/open" --data "$dir/text"
mv "$dir/out" "$dir/first"
cat "$dir/text" | "$pumice" eval --model "$dir/open" --data /dev/stdin > "$dir/out" 2> "$dir/err"
same "$dir/first" "$dir/out"
awk 'BEGIN { for (i = 0; i < 8; i++) print "{\"text\": \"the " (i % 2 ? "cat" : "bird") "\", \"label\": " i % 2 "}" }' > "$dir/lines"
cat "$dir/lines" | "$pumice" finetune --task classify --train /dev/stdin --model "$dir/open" --out "$dir/tuned" --epochs 1 > "$dir/out" 2> "$dir/err" ||
    fail "finetune --train /dev/stdin ended with $?"
run 0 predict --model "$dir/tuned" --input "$dir/lines"
mv "$dir/out" "$dir/first"
cat "$dir/lines" | "$pumice" predict --model "$dir/tuned" --input /dev/stdin > "$dir/out" 2> "$dir/err"
same "$dir/first" "$dir/out"
[ "$(wc -l < "$dir/out")" = 8 ] || fail "predict from a pipe has not 8 answers"
# A pipe has no ending of its name: its first line tells columns from JSON lines.
sed 's/{"text": "\(.*\)", "label": \(.*\)}/\1\t\2/; 1i text\tlabel' "$dir/lines" > "$dir/columns"
for form in TSV CSV; do
    [ $form = TSV ] || tr '\t' ',' < "$dir/columns" > "$dir/commas"
    cat "$dir/$([ $form = TSV ] && echo columns || echo commas)" | "$pumice" predict --model "$dir/tuned" --input /dev/stdin > "$dir/out" 2> "$dir/err"
    same "$dir/first" "$dir/out"
done
echo '{' > "$dir/lines"
code=0
cat "$dir/lines" | "$pumice" predict --model "$dir/tuned" --input /dev/stdin > "$dir/out" 2> "$dir/err" || code=$?
[ $code = 1 ] && grep -q '^pumice: /dev/stdin:1: ' "$dir/err" || fail "a wrong line of a pipe is not told by the pipe's name"

# ---- a folder's files ----
mkdir "$dir/data"
cp "$dir/text" "$dir/data/a.txt"
ln -s nowhere "$dir/data/b.txt"
refused 1 'data/b.txt: is a link' train --data "$dir/data" $sizes --out "$dir/never"
rm "$dir/data/b.txt"
mkfifo "$dir/data/b.txt"
refused 1 'data/b.txt: is not a regular file' train --data "$dir/data" $sizes --out "$dir/never"

# ---- memory ----
# A software driver has no more of it free than the process may take. A sanitizer's own memory exceeds the limit: then nothing runs.
for off in "" memory_budget all; do
    (ulimit -d 4000000 && PUMICE_DISABLE=$off "$pumice" devices --json) > "$dir/out" 2> "$dir/err" || continue
    awk '/"type":/ { cpu = /"cpu"/ } /"device_memory_free":/ { gsub(/[^0-9]/, ""); if (cpu && $0 + 0 > 4096000000) exit 1 }' "$dir/out" ||
        fail "PUMICE_DISABLE=$off: more memory is free than ulimit leaves"
done

# ---- no device ----
for variable in VK_DRIVER_FILES VK_ICD_FILENAMES; do
    code=0
    env -u VK_DRIVER_FILES -u VK_ICD_FILENAMES $variable="$dir/nowhere.json" "$pumice" devices --json > "$dir/out" 2> "$dir/err" || code=$?
    [ $code = 1 ] || fail "devices without a device ended with $code instead of 1"
    tr -d ' \t\n' < "$dir/out" | grep -q '^{"devices":\[\],"choice":{"asked":"auto","index":null,"why":".*"}}$' ||
        fail "devices --json without a device printed no document"
    [ "$(grep -c '^pumice: ' "$dir/err")" = 1 ] && grep -q "$variable names $dir/nowhere.json" "$dir/err" ||
        fail "$variable is not named"
    code=0
    env -u VK_DRIVER_FILES -u VK_ICD_FILENAMES $variable= "$pumice" devices > "$dir/out" 2> "$dir/err" || code=$?
    [ $code = 0 ] || grep -q "$variable is set, and empty" "$dir/err" || fail "$variable is empty, and not named" # a loader may take it for unset
done
exit $bad
