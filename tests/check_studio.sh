#!/bin/sh
# The studio on a display of Xvfb, drawn by the Vulkan driver that the loader finds: it trains, pauses, writes, teaches, profiles; its pictures have the
# curve where it says; errors are shown, and nothing is lost when its window closes.
# usage: check_studio.sh PUMICE-STUDIO PUMICE, from the project's root
set -eu
studio=$1
pumice=$2
for tool in Xvfb python3; do
    command -v $tool > /dev/null || { echo "skipped: no $tool"; exit 77; }
done
dir=$(mktemp -d)
server=""
finish() {
    [ -z "$server" ] || kill "$server" 2> /dev/null || true
    rm -rf "$dir"
}
trap finish EXIT
bad=0
fail() {
    echo "FAILED: $*"
    sed 's/^/    stderr: /' "$dir/err"
    bad=1
}
# Settings of whoever runs the tests stay as they are.
XDG_CONFIG_HOME=$dir/config
export XDG_CONFIG_HOME

# ---- without a display, without Vulkan, without sense ----
# refused CODE PATTERN ARGS…: it ends with CODE and one line that matches.
refused() {
    want=$1 pattern=$2 code=0
    shift 2
    "$studio" "$@" > "$dir/out" 2> "$dir/err" || code=$?
    [ $code = "$want" ] || fail "$*: exit code $code instead of $want"
    [ "$(wc -l < "$dir/err")" = 1 ] || fail "$*: not one line on stderr"
    grep -qe "$pattern" "$dir/err" || fail "$*: no line with $pattern"
}
: > "$dir/err"
unset WAYLAND_DISPLAY
DISPLAY=
export DISPLAY
refused 1 'no window can be opened here'
refused 2 'unknown option --nothing' --nothing
refused 2 '--size 12: not a value' --size 12
refused 2 '--scale 300: not a value' --scale 300
refused 2 '--theme needs a value' --theme
refused 2 'cannot be read' --script "$dir/none"
"$studio" --help > "$dir/out"
grep -q -- --script "$dir/out" || fail "--help has no --script"

# Xvfb takes the first number that is free, and says which.
Xvfb -displayfd 3 -screen 0 1400x900x24 -nolisten tcp 3> "$dir/number" > /dev/null 2>&1 &
server=$!
tries=0
until [ -s "$dir/number" ]; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || { echo "skipped: Xvfb does not start"; exit 77; }
    sleep 0.1
done
DISPLAY=:$(cat "$dir/number")
(
    VK_DRIVER_FILES=$dir/none.json VK_ICD_FILENAMES=$dir/none.json
    export VK_DRIVER_FILES VK_ICD_FILENAMES
    refused 1 'Vulkan'
    exit $bad
) || bad=1
refused 1 'no device of that name' --device nosuch

# ---- what it reads ----
python3 - "$dir" << 'END'
import json, sys
dir = sys.argv[1]
line = "pumice floats on water, and basalt sinks in water. the stone is light. "
open(dir + "/text.txt", "w").write(line * 120)
with open(dir + "/task.jsonl", "w") as f:
    for i in range(64):
        good = i % 2
        print(json.dumps({"text": ("warm light %d" if good else "cold dark %d") % i, "label": "good" if good else "bad"}), file=f)
END

# run SCRIPT-LINES ARGS…: the studio does what the lines say.
run() {
    printf '%s\n' "$1" > "$dir/script"
    shift
    "$studio" --script "$dir/script" "$@" > "$dir/out" 2> "$dir/err" || fail "the script: exit code $?"
    [ ! -s "$dir/err" ] || fail "it wrote on stderr"
}
small="set layers 1
set heads 2
set embd 32
set ctx 32
set batch 4
set warmup 5
set eval_every 10
set lr 0.01"

# ---- training, in a small window ----
run "wait device
$small
set data $dir/none.txt
set out $dir/run
start
wait idle
tell
shot $dir/error.png
set data $dir/text.txt
set steps 40
start
wait step 5
key Space
wait paused
page write
set prompt the stone
set tokens 5
start
wait tokens 5
wait paused
page train
tell
key Space
wait idle
tell
shot $dir/dark.png
key Ctrl+D
tell
shot $dir/light.png
set model $dir/none
page write
start
wait idle
tell
shot $dir/write.png" --size 640x480 --theme dark
cp "$dir/out" "$dir/small"
"$pumice" generate --model "$dir/run" --prompt "the " --tokens 3 > "$dir/out" 2> "$dir/err" || fail "pumice does not read the studio's model"

# ---- a GGUF file writes ----
{
    "$pumice" train --data "$dir/text.txt" --tokenizer byte --out "$dir/bytes" --steps 1 --layers 1 --embd 16 --heads 2 --batch 1 --ctx 8
    "$pumice" convert --from "$dir/bytes" --out "$dir/bytes.gguf"
} > "$dir/out" 2> "$dir/err" || fail "no GGUF file of a new model"
run "wait device
page write
set model $dir/bytes.gguf
set prompt the stone
set tokens 4
start
wait tokens 4
wait idle
tell
shot $dir/gguf.png" --size 640x480
tail -n 1 "$dir/out" | grep -q '"errors": 0,' || { cat "$dir/out"; fail "a GGUF file does not write"; }

# ---- at 200 % in a larger one; the settings are kept ----
run "wait device
tell
page train
key Ctrl+0
wait 0.1
set scale 200
set steps 40
resume
wait idle
tell
shot $dir/large.png" --size 1280x800
cp "$dir/out" "$dir/big"

# ---- closed while it trains ----
run "wait device
$small
page train
set scale 100
set data $dir/text.txt
set out $dir/closed
set steps 100000
set eval_every 100000
start
wait step 7
close" --size 640x480 --theme dark
[ -s "$dir/closed/checkpoint.safetensors" ] || fail "a closed window left no checkpoint"
steps=$(wc -l < "$dir/closed/metrics.jsonl")
# The program goes on with the studio's run, and the studio with the program's.
"$pumice" train --out "$dir/closed" --resume --steps $((steps + 20)) > "$dir/out" 2> "$dir/err" || fail "pumice does not go on"
grep -q "going on from step $steps of" "$dir/err" || fail "pumice does not go on from step $steps"
run "wait device
tell
page train
set out $dir/closed
resume
wait step $((steps + 25))
stop
wait idle
tell" --size 640x480
cp "$dir/out" "$dir/again"
[ "$(wc -l < "$dir/closed/metrics.jsonl")" -gt $((steps + 24)) ] || fail "the studio does not go on with the program's run"

# ---- asked to end while it trains ----
printf '%s\n' "wait device
$small
page train
set data $dir/text.txt
set out $dir/ended
set steps 100000
start
wait 100" > "$dir/script"
"$studio" --script "$dir/script" --size 640x480 > "$dir/out" 2> "$dir/err" &
pid=$!
tries=0
until [ "$(cat "$dir/ended/metrics.jsonl" 2> "$dir/null" | wc -l)" -gt 6 ] || [ $tries = 300 ]; do
    tries=$((tries + 1))
    sleep 0.1
done
kill -TERM $pid
code=0
wait $pid || code=$?
[ $code = 0 ] || fail "SIGTERM: exit code $code"
[ -s "$dir/ended/checkpoint.safetensors" ] || fail "SIGTERM: no checkpoint"
steps=$(wc -l < "$dir/ended/metrics.jsonl")
"$pumice" train --out "$dir/ended" --resume --steps $((steps + 2)) > "$dir/out" 2> "$dir/err" || fail "SIGTERM: pumice does not go on"
grep -q "going on from step $steps of" "$dir/err" || fail "SIGTERM: step $steps was not kept"

# ---- a task, a profile ----
run "wait device
$small
page task
set task 0
set task_train $dir/task.jsonl
set task_dev $dir/task.jsonl
set task_out $dir/task
set task_layers 1
set task_heads 2
set task_embd 32
set task_ctx 24
set task_epochs 6
set task_batch 8
set task_lr 0.01
start
wait idle
input 0 warm light 7
try
wait idle
tell
shot $dir/task.png
set task_train $dir/none
set task_embd 64
set task_epochs 2
resume
wait idle
tell
page profile
key Ctrl+Enter
wait idle
tell
shot $dir/profile.png
page device
key F1
shot $dir/keys.png
key Ctrl+2
tell" --size 1280x800
cp "$dir/out" "$dir/others"

# ---- what the pictures show, and what it told ----
python3 - "$dir" << 'END' || bad=1
import json, sys
sys.path.insert(0, "tests")
sys.dont_write_bytecode = True
from helper_picture import check_curve, read_png
dir = sys.argv[1]
bad = False

def fail(text):
    global bad
    bad = True
    print("FAILED:", text)

def told(name):
    return [json.loads(line) for line in open(f"{dir}/{name}") if line.startswith("{")]

small, big, again, others = told("small"), told("big"), told("again"), told("others")
error, paused, done, light, none = small
if error["errors"] != 1 or error["doing"] != 0: fail(f"a missing text: {error}")
_, _, rows = read_png(dir + "/error.png")
if not any(tuple(row[3 * c:3 * c + 3]) == (0xff, 0x6b, 0x6b) for row in rows for c in range(60, 90)): fail("no error is shown")
if not paused["paused"] or paused["written"] != 5 or not 5 <= paused["step"] < 40: fail(f"paused: {paused}")
if done["step"] != 40 or done["saved"] != 40 or not 0 < done["loss"] < 2.5: fail(f"trained: {done}")
for name, state in (("dark", done), ("light", light)):
    for line in check_curve(f"{dir}/{name}.png", state): fail(line)
if light["back"] == done["back"]: fail("light is dark")
if none["errors"] != 2 or none["page"] != 1: fail(f"a missing model: {none}")
if big[0]["back"] != light["back"] or big[0]["page"] != 1: fail(f"the settings were not kept: {big[0]}")
if big[1]["scale"] != 200 or big[1]["step"] != 40: fail(f"at 200 %: {big[1]}")
if read_png(dir + "/large.png")[:2] != (1280, 800): fail("large.png has another size")
if not again[1]["step"] >= 10 or again[1]["saved"] != again[1]["step"]: fail(f"going on: {again}")
task, rest, profile, keys = others
if task["answer"] != 1 or task["dev"] != 64: fail(f"the task: {task}")
if rest["errors"] or rest["dev"] != 64: fail(f"a task that is done goes on: {rest}")
if profile["profile_rows"] < 5 or profile["events"] < 20: fail(f"the profile: {profile}")
if keys["page"] != 4: fail(f"a page was changed behind the window of keys: {keys}")
for name in ("write", "task", "profile", "keys"): read_png(f"{dir}/{name}.png")
sys.exit(bad)
END
exit $bad
