#!/bin/sh
# Installs what is missing, builds, trains a small GPT on a text and lets it write: sh tools/demo.sh [FILE]
# Without FILE the text is the King James Bible as the package bible-kjv prints it. An interrupted run continues, and a finished one is not repeated.
# Each FILE has a folder of its own below out/.
set -eu

steps=1500

say() { echo "demo: $*" >&2; }

file=""
if [ $# -gt 1 ]; then
    say "give at most one FILE"
    exit 2
fi
if [ $# = 1 ]; then
    if [ ! -f "$1" ] || [ ! -r "$1" ]; then
        say "$1: no such file, or not readable; give a text file"
        exit 2
    fi
    file=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
fi
cd "$(dirname "$0")/.."

sh tools/setup.sh demo

say "building in build/"
if [ -e build/CMakeCache.txt ]; then generator=""; else generator="-G Ninja -DCMAKE_BUILD_TYPE=Release"; fi
mkdir -p out
# shellcheck disable=SC2086
if ! { cmake -S . -B build $generator && cmake --build build --target pumice_cli; } > out/build.log 2>&1; then
    cat out/build.log >&2
    say "the build failed"
    exit 1
fi

if [ -n "$file" ]; then
    out=out/demo-$(cksum < "$file" | tr -c '0-9\n' '-')
else
    out=out/demo
    file=out/demo.txt
    if [ ! -s $file ]; then
        # Debian puts both programs and texts where a user's PATH may not look.
        PATH=$PATH:/usr/games
        if command -v bible > /dev/null; then
            bible -f gen1:1-rev22:21 < /dev/null | sed 's/^[^ ]* //' > $file.tmp
        else
            find /usr/share/games/fortunes -type f ! -name '*.*' | sort | xargs cat > $file.tmp
        fi
        if [ ! -s $file.tmp ]; then
            say "neither bible-kjv nor fortunes has a text here; give a FILE"
            exit 1
        fi
        mv $file.tmp $file
    fi
fi

train() {
    say "training on $file, results in $out/ (Ctrl-C saves; the same command goes on from there)"
    code=0
    build/pumice train --data "$file" --out "$out" --steps $steps --resume || code=$?
    if [ $code != 0 ]; then
        [ $code = 130 ] || say "training failed; to start anew, remove $out/"
        exit $code
    fi
    build/pumice generate --model "$out" --tokens 600 > "$out/sample.txt.tmp"
    mv "$out/sample.txt.tmp" "$out/sample.txt"
}

finished() { [ -s "$out/sample.txt" ] && tail -n 1 "$out/metrics.jsonl" 2> /dev/null | grep -q "^{\"step\": $steps,"; }

if finished; then
    say "the run on $file in $out/ is finished already; remove that folder to repeat it"
else
    train
fi
say "a sample of what the model writes, also in $out/sample.txt:"
cat "$out/sample.txt"
say "the loss curve is $out/loss.png; more text: build/pumice generate --model $out --prompt 'And '"
