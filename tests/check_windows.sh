#!/bin/sh
# The program on Windows: training, generating, a resume after a kill, paths that are long or not ASCII or have \ between, and text without CR.
# usage: check_windows.sh PUMICE, in a Unix shell whose PUMICE runs pumice.exe (tools/platforms.sh)
. "$(dirname "$0")/helper_cli.sh"
start "$1"

i=0
while [ $i -lt 400 ]; do
    echo "line $i of a small text, whose letters are few and whose words are $((i * 7 % 13)) and $((i * 5 % 11))"
    i=$((i + 1))
done > "$dir/text.txt"
tiny="--layers 1 --heads 2 --embd 16 --ctx 16 --batch 4 --warmup 2 --eval-every 0 --save-every 10"

no_cr() { ! od -An -c "$1" | grep -q '\\r' || fail "$1 has CR"; }

# ---- streams ----
run 0 --version
no_cr "$dir/out"
run 0 devices --json
no_cr "$dir/out"
has '"chosen":.*true'

# ---- a run, and the same one under other names ----
run 0 train --data "$dir/text.txt" --out "$dir/a" $tiny --steps 40
for file in metrics.jsonl config.json vocab.json; do no_cr "$dir/a/$file"; done
run 0 train --data "$(echo "$dir/text.txt" | tr / '\\')" --out "$(echo "$dir/b/ünï c" | tr / '\\')" $tiny --steps 40
same "$dir/a/model.safetensors" "$dir/b/ünï c/model.safetensors"
none_left "$dir/b/ünï c"
long=$dir
for part in 1 2 3 4 5 6; do long=$long/a_folder_with_a_name_of_fifty_letters_and_number_$part; done
run 0 train --data "$dir/text.txt" --out "$long" $tiny --steps 40
same "$dir/a/model.safetensors" "$long/model.safetensors"
run 0 generate --model "$long" --prompt "line " --tokens 40 --seed 3
cp "$dir/out" "$dir/from_long"
no_cr "$dir/out"
run 0 generate --model "$dir/b/ünï c" --prompt "line " --tokens 40 --seed 3
same "$dir/out" "$dir/from_long"
refused 1 'no such folder' generate --model "$dir/none/ünï" --prompt x

# ---- text that is not ASCII ----
printf 'grün – größer, ελληνικά 中文 %.0s' 1 2 3 4 5 6 7 8 9 10 11 12 > "$dir/ünï.txt"
run 0 tokenizer train --vocab-size 280 --data "$dir/ünï.txt" --out "$dir/tök"
"$pumice" tokenize --tokenizer "$dir/tök" < "$dir/ünï.txt" > "$dir/ids" 2> "$dir/err" || fail "tokenize"
no_cr "$dir/ids"
"$pumice" tokenize --tokenizer "$dir/tök" --decode < "$dir/ids" > "$dir/back" 2> "$dir/err" || fail "tokenize --decode"
same "$dir/ünï.txt" "$dir/back"
run 0 generate --model "$dir/a" --prompt "line 7" --tokens 5 --seed 1

# ---- a kill, and a resume ----
"$pumice" train --data "$dir/text.txt" --out "$dir/k" $tiny --steps 100000 > /dev/null 2> "$dir/err" &
process=$!
i=0
while [ $i -lt 600 ] && ! grep -q '"step": 25,' "$dir/k/metrics.jsonl" 2> /dev/null; do
    sleep 0.1
    i=$((i + 1))
done
kill -9 $process
wait $process 2> /dev/null
run 1 train --data "$dir/text.txt" --out "$dir/k" $tiny --steps 40
last=$(sed -n '$s/.*"step": \([0-9]*\).*/\1/p' "$dir/k/metrics.jsonl")
steps=$(((last / 10 + 2) * 10))
cp "$dir/k/config.json" "$dir/k/model.safetensors.tmp-9-00000001-1" # as a killed writer leaves it
run 0 train --data "$dir/text.txt" --out "$dir/k" --resume --steps $steps
run 0 train --data "$dir/text.txt" --out "$dir/l" $tiny --steps 100000 --plan
none_left "$dir/k"
[ "$(wc -l < "$dir/k/metrics.jsonl")" = $steps ] || fail "metrics.jsonl of a resumed run has not $steps lines"

# ---- Ctrl-C; the command to go on is in quotes that Windows knows ----
"$pumice" train --data "$dir/text.txt" --out "$dir/with blank" $tiny --steps 100000 > /dev/null 2> "$dir/err" &
process=$!
i=0
while [ $i -lt 600 ] && ! grep -q '"step": 5,' "$dir/with blank/metrics.jsonl" 2> /dev/null; do
    sleep 0.1
    i=$((i + 1))
done
interrupt $process
code=0
wait $process || code=$?
[ $code = 130 ] || fail "Ctrl-C ended a run with $code instead of 130"
grep -q '^  [A-Z]:[^ "]*pumice.exe train .* --out "[^"]*with blank" .* --resume$' "$dir/err" || fail "the command to go on"
[ -s "$dir/with blank/checkpoint.safetensors" ] || fail "Ctrl-C left no checkpoint"

# ---- paths that are not there ----
refused 1 'Q:.none: ' train --data 'Q:\none' --out "$dir/never" $tiny --steps 2
refused 1 '/never' train --data "$dir/text.txt" --out "$dir/text.txt/never" $tiny --steps 2

# ---- no device ----
VK_DRIVER_FILES='Z:\nowhere.json'
export VK_DRIVER_FILES
refused 1 'no Vulkan device was found' train --data "$dir/text.txt" --out "$dir/never" $tiny --steps 2
exit $bad
