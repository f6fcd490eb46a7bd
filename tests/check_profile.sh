#!/bin/sh
# --profile DIR on every subcommand that runs a model: the files are there and parse, and the run's results have the same bits. A folder that cannot
# be written is refused before training starts.
# usage: check_profile.sh PUMICE
set -u
. "$(dirname "$0")/helper_cli.sh"
start "$1"

awk 'BEGIN { for (i = 0; i < 400; i++) print "the " (i % 3 ? "cat" : "dog") " sees " i * 7 % 10 "." }' > "$dir/text"
awk 'BEGIN { split("red blue", c, " ")
             for (i = 0; i < 24; i++) print "{\"text\": \"" c[1 + i % 2] i % 5 "\", \"label\": \"" c[1 + i % 2] "\"}" }' > "$dir/labels"
train="train --data $dir/text --layers 2 --heads 2 --embd 16 --ctx 16 --batch 4 --eval-batches 2 --dropout 0.1"

parses() { # a JSON file
    if command -v jq > /dev/null; then
        jq empty "$1" || fail "$1 is no JSON"
    elif command -v python3 > /dev/null; then
        python3 -m json.tool "$1" > /dev/null || fail "$1 is no JSON"
    fi
}

# complete DIR: all files, and a table on stderr
complete() {
    for file in trace.json kernels.csv kernels.json roofline.png; do
        [ -s "$1/$file" ] || fail "no $1/$file"
    done
    [ "$(find "$1" -type f | wc -l)" = 4 ] || fail "$1 has more than the four files"
    parses "$1/trace.json"
    parses "$1/kernels.json"
    head -1 "$1/kernels.csv" | grep -q '^kind,program,op,layer,direction,shape,kernel,constants,count,total_ms,' || fail "$1/kernels.csv: another head"
    # each line has as many fields as the head; a quoted field counts as one
    awk -F, '{ line = $0; gsub(/"[^"]*"/, "", line); n = split(line, f, ","); if (NR == 1) want = n; if (n != want) bad = 1 }
             END { exit bad }' "$1/kernels.csv" || fail "$1/kernels.csv: not the same fields on each line"
    od -An -c -N4 "$1/roofline.png" | grep -q 'P *N *G' || fail "$1/roofline.png is no PNG"
    grep -q '^profile of ' "$dir/err" || fail "no table"
    grep -q '"name":"host"' "$1/trace.json" || fail "$1/trace.json: no host track"
}

# ---- train: the window, the same bits ----
run 0 $train --out "$dir/plain" --steps 8
run 0 $train --out "$dir/same" --steps 8 --profile "$dir/p/rofile" --profile-steps 3
complete "$dir/p/rofile"
grep -q '^profile of 3 steps' "$dir/err" || fail "not a window of 3 steps"
same "$dir/plain/model.safetensors" "$dir/same/model.safetensors"
for run in plain same; do sed 's/, "tokens_per_s": [^,}]*//' "$dir/$run/metrics.jsonl" > "$dir/$run/numbers"; done
same "$dir/plain/numbers" "$dir/same/numbers"
grep -q '^host,,step,,,,,"",3,' "$dir/p/rofile/kernels.csv" || fail "not 3 spans of steps"
stamps=$(grep -c '^command,' "$dir/p/rofile/kernels.csv")
if "$pumice" devices | grep -q '^    timestamps *yes'; then
    [ "$stamps" -gt 20 ] || fail "only $stamps rows of commands"
    for op in matmul,h.1,forward matmul-dw,h.0,backward attention-bwd,h.0,backward adamw,update,optimizer lm-loss,head,forward; do
        grep -q "^command,train step,$op," "$dir/p/rofile/kernels.csv" || fail "kernels.csv: no $op"
    done
    grep -q '"cat":"backward".*"gflops":' "$dir/p/rofile/trace.json" || fail "trace.json: no commands"
else
    [ "$stamps" = 0 ] || fail "commands without time stamps"
fi
run 0 $train --out "$dir/all" --steps 4 --profile "$dir/pa" --profile-steps 0 --json
[ "$(wc -l < "$dir/out")" = 4 ] || fail "--json: more than the steps' lines on stdout"
grep -q '^profile of 3 steps' "$dir/err" || fail "not all steps after the first"
grep -q '^host,,eval,' "$dir/pa/kernels.csv" || fail "no span of the evaluation"
grep -q '^host,,checkpoint,' "$dir/pa/kernels.csv" || fail "no span of the checkpoint"
run 0 $train --out "$dir/one" --steps 1 --profile "$dir/po"
grep -q 'nothing was profiled' "$dir/err" || fail "a run of one step does not say that it was not profiled"

# ---- the others ----
run 0 finetune --task classify --train "$dir/labels" --out "$dir/tuned" --layers 1 --heads 2 --embd 16 --ctx 16 --batch 8 --epochs 2 --profile "$dir/pf"
complete "$dir/pf"
run 0 generate --model "$dir/plain" --prompt 'the cat' --tokens 12
cp "$dir/out" "$dir/written"
run 0 generate --model "$dir/plain" --prompt 'the cat' --tokens 12 --profile "$dir/pg" --profile-steps 5
same "$dir/out" "$dir/written"
complete "$dir/pg"
grep -q '^profile of 6 steps' "$dir/err" || fail "not the prompt and 5 tokens"
grep -q '^host,,sample,' "$dir/pg/kernels.csv" || fail "no span of sampling"

run 0 eval --model "$dir/plain" --data "$dir/text" --json --profile "$dir/pe"
[ "$(wc -l < "$dir/out")" = 1 ] || fail "eval --json: more than one line"
complete "$dir/pe"
grep -q '^profile of 1 step:' "$dir/err" || fail "eval is not one step"
run 0 predict --model "$dir/tuned" --input "$dir/labels" --profile "$dir/pp"
complete "$dir/pp"

# ---- bad folders: one line, and nothing was done ----
refused 1 '\-\-profile: .*text/p: cannot make this folder' $train --out "$dir/never" --steps 2 --profile "$dir/text/p"
refused 1 '\-\-profile: .*text: cannot make this folder' $train --out "$dir/never" --steps 2 --profile "$dir/text"
refused 1 '\-\-profile' finetune --task classify --train "$dir/labels" --out "$dir/never" --profile "$dir/text"
refused 1 '\-\-profile' eval --model "$dir/plain" --data "$dir/text" --profile "$dir/text"
refused 1 '\-\-profile' generate --model "$dir/plain" --profile "$dir/text"
refused 2 '\-\-profile: the path is empty' $train --out "$dir/never" --profile ''
refused 2 '\-\-profile' $train --plan --profile "$dir/x"
refused 2 '\-\-profile-steps many' $train --out "$dir/never" --profile "$dir/x" --profile-steps many
refused 1 'nowhere' generate --model "$dir/nowhere" --profile "$dir/never"
refused 1 'nowhere' finetune --task classify --train "$dir/nowhere" --out "$dir/never" --profile "$dir/never"
refused 1 'nowhere' train --data "$dir/nowhere" --out "$dir/never" --profile "$dir/never"
[ ! -e "$dir/never" ] || fail "a refused --profile left a run"
exit $bad
