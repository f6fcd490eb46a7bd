#!/bin/sh
# Fine-tuning from the command line: the four tasks end to end on small data made here, resuming, predictions. Bad input gets one clear line and
# leaves nothing behind.
# usage: check_finetune.sh PUMICE
set -u
. "$(dirname "$0")/helper_cli.sh"
start "$1"

# ---- data: the words of a text give its answer ----
awk -v dir="$dir" 'BEGIN {
    split("red blue green", c, " ")
    for (i = 0; i < 48; i++) {
        a = c[1 + i % 3]; b = c[1 + int(i / 3) % 3]; pad = substr("ohohohohoh", 1, i % 11)
        print "{\"text\": \"" pad " " a "\", \"label\": \"" a "\"}" > dir "/classify"
        print "{\"premise\": \"" a pad "\", \"hypothesis\": \"" b "\", \"label\": " (a == b) "}" > dir "/entail"
        print "{\"text_a\": \"" a pad "\", \"text_b\": \"" b "\", \"score\": " (a == b ? 5 : 1 + i % 2) "}" > dir "/similar"
        print "{\"passage\": \"" a pad "\", \"question\": \"which\", \"choices\": [\"" c[1 + (i + 1) % 3] "\", \"" a "\"" \
              (i % 2 ? ", \"none\"" : "") "], \"answer\": 1}" > dir "/choice"
    }
}'
tiny="--layers 1 --heads 2 --embd 16 --ctx 32 --batch 8 --lr 3e-3"
tune() { echo finetune --task "$1" --train "$dir/$1" --dev "$dir/$1" $tiny; }

# ---- the four tasks ----
for task in classify entail similar choice; do
    run 0 $(tune $task) --out "$dir/m-$task" --epochs 2
    [ ! -s "$dir/out" ] || fail "finetune wrote on stdout"
    for file in config.json model.safetensors vocab.json tokenizer_config.json checkpoint.safetensors metrics.jsonl loss.png; do
        [ -s "$dir/m-$task/$file" ] || fail "$task left no $file"
    done
    [ "$(wc -l < "$dir/m-$task/metrics.jsonl")" = 12 ] || fail "$task: not a line a step"
    grep -q '"task_loss": .*"lm_loss": ' "$dir/m-$task/metrics.jsonl" || fail "$task: both losses are not in metrics.jsonl"
    [ "$(grep -c '"val_loss"' "$dir/m-$task/metrics.jsonl")" = 2 ] || fail "$task: not one evaluation an epoch"
    run 0 eval --model "$dir/m-$task" --test "$dir/$task" --task $task
    has '^loss'
    run 0 eval --model "$dir/m-$task" --test "$dir/$task" --json
    has '"n":48'
    run 0 predict --model "$dir/m-$task" --input "$dir/$task" --task $task
    [ "$(wc -l < "$dir/out")" = 48 ] || fail "$task: not a prediction a line"
done
# A repeated run gives the same files.
run 0 finetune --task entail --train "$dir/entail" $tiny --layers 3 --epochs 1 --dropout 0.2 --out "$dir/kept"
run 0 finetune --task entail --train "$dir/entail" $tiny --layers 3 --epochs 1 --dropout 0.2 --recompute --out "$dir/again"
same "$dir/kept/model.safetensors" "$dir/again/model.safetensors"
run 0 finetune --task entail --train "$dir/entail" $tiny --plan
has '^workspace'
run 0 eval --model "$dir/m-classify" --test "$dir/classify"
has '^accuracy'
has '^macro_f1'
has '^matthews'
has '^green '
run 0 eval --model "$dir/m-similar" --test "$dir/similar"
has '^pearson'
has '^spearman'
run 0 predict --model "$dir/m-classify" --input "$dir/classify"
has '^{"label":"[a-z]*","probabilities":{"blue":[0-9.e-]*,"green":[0-9.e-]*,"red":[0-9.e-]*}}$'
run 0 predict --model "$dir/m-entail" --input "$dir/entail"
has '^{"label":[01],"probabilities":{"0":[0-9.e-]*,"1":[0-9.e-]*}}$'
run 0 predict --model "$dir/m-similar" --input "$dir/similar"
has '^{"score":[0-9.e-]*}$'
run 0 predict --model "$dir/m-choice" --input "$dir/choice"
has '^{"answer":[012],"probabilities":\[[0-9.,e-]*\]}$'
# Predicting needs no answers in the file. The best model is the one that was kept.
sed 's/, "label": "[a-z]*"//' "$dir/classify" > "$dir/unlabelled"
run 0 predict --model "$dir/m-classify" --input "$dir/classify"
cp "$dir/out" "$dir/first"
run 0 predict --model "$dir/m-classify" --input "$dir/unlabelled"
same "$dir/out" "$dir/first"
run 0 generate --model "$dir/m-classify" --prompt 'red' --tokens 5

# ---- the same bits: twice, and across a resume ----
run 0 $(tune entail) --out "$dir/twice" --epochs 2
same "$dir/m-entail/model.safetensors" "$dir/twice/model.safetensors"
"$pumice" $(tune entail) --out "$dir/cut" --epochs 2 --eval-every 3 --json 2> "$dir/err" < /dev/null | head -n 4 > "$dir/out"
[ -s "$dir/cut/checkpoint.safetensors" ] || fail "an interrupted run left no checkpoint"
run 0 $(tune entail) --out "$dir/cut" --epochs 2 --eval-every 3 --resume
run 0 $(tune entail) --out "$dir/whole" --epochs 2 --eval-every 3
same "$dir/cut/model.safetensors" "$dir/whole/model.safetensors"
same_lines() { sed 's/"tokens_per_s": [^,}]*//' "$1" > "$dir/x"; sed 's/"tokens_per_s": [^,}]*//' "$2" > "$dir/y"; same "$dir/x" "$dir/y"; }
same_lines "$dir/cut/metrics.jsonl" "$dir/whole/metrics.jsonl"
run 0 $(tune entail) --out "$dir/whole" --epochs 2 --eval-every 3 --resume
refused 1 "$dir/whole/checkpoint.safetensors.*lambda" $(tune entail) --out "$dir/whole" --epochs 2 --lambda 0.25 --resume
refused 1 "$dir/whole.*already" $(tune entail) --out "$dir/whole"
sed '1s/red/blue/' "$dir/entail" > "$dir/changed"
refused 1 "$dir/whole/checkpoint.safetensors: it was made with other training examples" finetune --task entail --train "$dir/changed" $tiny --out "$dir/whole" --epochs 2 --resume

# ---- from a pre-trained model, and on from a fine-tuned one; lambda 0 has no language-model loss ----
cut -d '"' -f 4 "$dir/classify" > "$dir/text"
run 0 train --data "$dir/text" --tokenizer byte --layers 1 --heads 2 --embd 16 --ctx 24 --steps 3 --out "$dir/base"
run 0 finetune --task classify --train "$dir/classify" --model "$dir/base" --out "$dir/based" --epochs 1 --lambda 0
grep -q lm_loss "$dir/based/metrics.jsonl" && fail "lambda 0 has a language-model loss"
run 0 finetune --task choice --train "$dir/choice" --model "$dir/based" --out "$dir/further" --epochs 1
run 0 eval --model "$dir/further" --test "$dir/choice"

# ---- texts that were cut are reported ----
printf '{"text": "%s", "label": "red"}\n{"text": "b", "label": "blue"}\n' "$(printf 'a%.0s' $(seq 100))" > "$dir/long"
run 0 finetune --task classify --train "$dir/long" $tiny --epochs 1 --out "$dir/o1"
grep -q "warning: $dir/long: 1 of 2 examples were longer" "$dir/err" || fail "no warning of what was cut"

# ---- measures: constant values have no correlation, and no model is the best by it ----
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13; do echo '{"text_a": "red", "text_b": "blue", "score": 0.7}'; done > "$dir/constant"
run 0 finetune --task similar --train "$dir/similar" --dev "$dir/constant" $tiny --epochs 2 --out "$dir/m-constant"
[ "$(grep -c 'warning: .*Pearson is not defined' "$dir/err")" = 1 ] || fail "not one warning that Pearson's correlation is not defined"
grep -q 'best so far' "$dir/err" && fail "a model without a measure was the best"
grep -q 'the last model is kept' "$dir/err" || fail "nothing told which model is kept"
[ "$(grep -c '"val_loss".*"pearson": null, "spearman": null' "$dir/m-constant/metrics.jsonl")" = 2 ] || fail "undefined is not null"
run 0 finetune --task similar --train "$dir/similar" $tiny --epochs 2 --out "$dir/m-last"
same "$dir/m-constant/model.safetensors" "$dir/m-last/model.safetensors"
run 0 eval --model "$dir/m-similar" --test "$dir/constant" --json
has '"pearson":null,"spearman":null,"loss":[0-9.]*,"n":13}$'
[ "$(grep -c 'not defined: neither the scores nor the answers vary' "$dir/err")" = 1 ] || fail "eval does not warn once"
run 0 eval --model "$dir/m-similar" --test "$dir/constant"
has '^pearson *not defined'

# ---- columns, people's names of fields, another measure; the model keeps the names ----
sed 's/{"text": "\(.*\)", "label": "\(.*\)"}/\1\t\2/; 1i sentence\tgold' "$dir/classify" > "$dir/classify.tsv"
sed 's/{"text": "\(.*\)", "label": "\(.*\)"}/"\1",\2/; 1i sentence,gold' "$dir/classify" > "$dir/classify.csv"
sed 's/"text"/"sentence"/; s/"label"/"gold"/' "$dir/classify" > "$dir/named.jsonl"
named="finetune --task classify $tiny --epochs 2 --fields text=sentence,label=gold"
run 0 $named --train "$dir/classify.tsv" --dev "$dir/classify.csv" --measure f1:green --out "$dir/m-named"
grep -q 'f1:green' "$dir/err" || fail "the measure is not told"
[ "$(grep -c '"f1": ' "$dir/m-named/metrics.jsonl")" = 2 ] || fail "the measure is not in metrics.jsonl"
run 0 finetune --task classify --train "$dir/classify" $tiny --epochs 2 --out "$dir/m-plain"
run 0 $named --train "$dir/named.jsonl" --out "$dir/m-lines"
same "$dir/m-plain/model.safetensors" "$dir/m-lines/model.safetensors"
for file in classify.tsv classify.csv named.jsonl; do
    run 0 predict --model "$dir/m-classify" --input "$dir/$file" --fields text=sentence
    same "$dir/out" "$dir/first"
    run 0 eval --model "$dir/m-named" --test "$dir/$file" --json
    has '"n":48,"labels":\["blue","green","red"\],"classes":\[{"label":"blue","precision":'
done
refused 1 '"sentence" is missing; the line has "text", "label"' eval --model "$dir/m-named" --test "$dir/classify"
refused 2 'fields text: is not KEY=NAME' eval --model "$dir/m-named" --test "$dir/classify" --fields text
refused 2 '\-\-measure: pearson: a task of this kind has accuracy' $named --train "$dir/named.jsonl" --dev "$dir/named.jsonl" --measure pearson --out "$dir/o"
refused 2 '\-\-measure: f1:pink: no such label' $named --train "$dir/named.jsonl" --dev "$dir/named.jsonl" --measure f1:pink --out "$dir/o"
refused 2 '\-\-measure loss.*\-\-dev' $named --train "$dir/named.jsonl" --measure loss --out "$dir/o"
refused 2 '\-\-task entail: only a task' eval --model "$dir/m-named" --data "$dir/classify" --task entail
refused 2 '\-\-special: only a text' eval --model "$dir/m-named" --test "$dir/named.jsonl" --special
refused 2 '\-\-fields.*\-\-test' eval --model "$dir/m-named" --data "$dir/classify" --fields text=sentence

# A finished run that is resumed with another measure, or another --dev, keeps its best model, which is measured anew.
tail -n 9 "$dir/named.jsonl" > "$dir/others.jsonl"
for more in "--measure accuracy --dev $dir/classify.csv" "--dev $dir/others.jsonl"; do
    rm -rf "$dir/again"
    cp -r "$dir/m-named" "$dir/again"
    run 0 finetune --out "$dir/again" --resume $more
    same "$dir/again/model.safetensors" "$dir/m-named/model.safetensors"
    grep -q '^the best model so far, of step [0-9]*, has [a-z0-9:]* [01]\.[0-9]* on dev$' "$dir/err" || fail "finetune --resume $more does not measure the best model"
done

# ---- labels of many columns: whole, and aligned ----
awk 'BEGIN { for (i = 0; i < 8; i++) { print "{\"text\": \"red " i "\", \"label\": \"体育新闻报道\"}"; print "{\"text\": \"blue " i "\", \"label\": \"e\xcc\x81t\xc3\xa9\"}" } }' > "$dir/wide"
run 0 finetune --task classify --train "$dir/wide" $tiny --epochs 1 --out "$dir/m-wide"
run 0 eval --model "$dir/m-wide" --test "$dir/wide"
has "^体育新闻报道 .* 8 "
has "^$(printf 'e\314\201t\303\251')          .* 8 " # 3 columns of 12, then a number's 10
has "^right         $(printf 'e\314\201t\303\251')  体育新闻报道\$"

# ---- bad input: one line, exit 1, nothing written ----
t="finetune --task classify $tiny --out $dir/o"
broken() { # LINE PATTERN: behind a good file's lines
    { cat "$dir/classify"; printf '%s\n' "$1"; } > "$dir/broken"
    refused 1 "$dir/broken:49: .*$2" $t --train "$dir/broken"
    refused 1 "$dir/broken:49: .*$2" $t --train "$dir/classify" --dev "$dir/broken"
}
broken '{"text": "a", "label": "red"' 'JSON'
broken '{"text": "a"}' '"label" is missing'
broken '{"label": "red"}' '"text" is missing'
broken '{"text": "", "label": "red"}' 'empty'
broken '{"text": "a", "label": "red", "label": "blue"}' 'the key "label" is there twice'
broken '{"sentence": "a", "label": "red"}' '"text" is missing; the line has "sentence", "label"'
broken 'null' 'object'
refused 1 "$dir/none" $t --train "$dir/none"
{ cat "$dir/classify"; echo '{"text": "a", "label": "pink"}'; } > "$dir/broken"
refused 1 "$dir/broken:49: the label pink" $t --train "$dir/classify" --dev "$dir/broken"
refused 1 "$dir/broken:49: the label pink" eval --model "$dir/m-classify" --test "$dir/broken"
{ cat "$dir/choice"; echo '{"passage": "a", "choices": ["b", "c"], "answer": 2}'; } > "$dir/broken"
refused 1 "$dir/broken:49: .*0 to 1" finetune --task choice $tiny --out "$dir/o" --train "$dir/broken"
{ cat "$dir/choice"; echo '{"passage": "a", "choices": ["b"], "answer": 0}'; } > "$dir/broken"
refused 1 "$dir/broken:49: .*needs 2" finetune --task choice $tiny --out "$dir/o" --train "$dir/broken"
{ cat "$dir/similar"; echo '{"text_a": "a", "text_b": "b", "score": NaN}'; } > "$dir/broken"
refused 1 "$dir/broken:49: .*JSON" finetune --task similar $tiny --out "$dir/o" --train "$dir/broken"
refused 1 "$dir/broken:49: .*JSON" eval --model "$dir/m-similar" --test "$dir/broken"
refused 1 'fine-tuned for entail' eval --model "$dir/m-entail" --test "$dir/choice" --task choice
refused 1 "$dir/base.*no task" predict --model "$dir/base" --input "$dir/classify"
refused 2 '\-\-test' eval --model "$dir/m-entail"
refused 2 '\-\-train' finetune --task classify --out "$dir/o"
refused 2 '\-\-task nothing' finetune --task nothing --train "$dir/classify" --out "$dir/o"
refused 2 '\-\-lambda 2' $t --train "$dir/classify" --lambda 2
refused 2 '\-\-layers.*leave it out' $t --train "$dir/classify" --model "$dir/base"
[ ! -e "$dir/o" ] || fail "a refused run made its folder"
# A vocabulary that does not match the model.
run 0 train --data "$dir/text" --layers 1 --heads 2 --embd 16 --ctx 24 --steps 1 --out "$dir/other"
run 0 finetune --task classify --train "$dir/classify" --model "$dir/other" --out "$dir/m-other" --epochs 1
for model in other m-other; do cp "$dir/base/vocab.json" "$dir/base/tokenizer_config.json" "$dir/$model"; done
refused 1 'has 256 tokens, the model only' predict --model "$dir/m-other" --input "$dir/classify"
refused 1 'has 256 tokens, the model only' finetune --task classify --train "$dir/classify" --model "$dir/other" --out "$dir/o"
[ ! -e "$dir/o" ] || fail "a refused run made its folder"

exit $bad
