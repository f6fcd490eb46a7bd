#!/bin/sh
# The C examples of the documentation compile against the public headers and the library, and run. They are the program of docs/guide/embed.md, which
# must write something, and the function of README.md, called on a small text.
# usage: check_example.sh C-COMPILER LIBRARY [FURTHER-LIBRARY ...], from the project's root
set -eu
compiler=$1
shift
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# example PAGE NAME: the first C block of a page becomes NAME.c.
example() {
    awk '/^```c$/ { on = 1; next } /^```/ { if (on) exit } on' "$1" > "$folder/$2.c"
    [ -s "$folder/$2.c" ] || { echo "$1: no \`\`\`c block"; exit 1; }
}
# build NAME LIBRARY …
build() {
    name=$1
    shift
    "$compiler" -std=c11 -Wall -Wextra -Wpedantic -Werror -Iinclude "$folder/$name.c" "$@" -lm -ldl -lpthread -o "$folder/$name"
}

example docs/guide/embed.md program
build program "$@"
"$folder/program" > "$folder/out"
cat "$folder/out"
[ "$(wc -c < "$folder/out")" -gt 20 ] || { echo "the example of docs/guide/embed.md wrote next to nothing"; exit 1; }

# The README's 100 steps of the default batch take most of a minute on a software driver; 2 steps of a smaller model test the same code.
example README.md function
for change in '.steps = 100/.batch = 2, .steps = 2' 'i < 100/i < 2' '.embd = 128/.embd = 32' '.layers = 4/.layers = 1'; do
    grep -qF "${change%%/*}" "$folder/function.c" || { echo "README.md: no '${change%%/*}' in the example"; exit 1; }
    sed "s/$change/" "$folder/function.c" > "$folder/changed"
    mv "$folder/changed" "$folder/function.c"
done
cat >> "$folder/function.c" << 'END'

int main(int argc, char **argv)
{
    const pm_log log = {0};
    pm_device *device = NULL;
    pm_tokenizer *bytes = NULL;
    pm_corpus *text = NULL;
    pm_status status = argc == 3 ? pm_tokenizer_bytes(&log, &bytes) : PM_INVALID;
    if (status == PM_OK) status = pm_corpus_open(&log, argv[1], bytes, &text);
    if (status == PM_OK) status = pm_device_open(&(pm_device_params){0}, &device);
    if (status == PM_OK) status = train(device, text, argv[2]);
    pm_device_close(&device);
    pm_corpus_close(&text);
    pm_tokenizer_destroy(&bytes);
    return status == PM_OK ? 0 : 1;
}
END
build function "$@"
for i in 1 2 3 4 5 6 7 8 9; do echo "pumice floats on water; basalt sinks in water, $i times"; done > "$folder/text"
PUMICE_CACHE_DIR=$folder/cache "$folder/function" "$folder/text" "$folder/model"
[ -s "$folder/model/model.safetensors" ] || { echo "the example of README.md wrote no model"; exit 1; }
