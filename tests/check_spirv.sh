#!/bin/sh
# Every SPIR-V module of the build is valid for Vulkan 1.1.
# usage: check_spirv.sh FOLDER-OF-INC-FILES [SPIRV-VAL-THAT-KNOWS-COOPERATIVE-MATRICES]
set -eu
if ! command -v spirv-val > /dev/null || ! command -v perl > /dev/null; then
    echo "skipped: needs spirv-val (spirv-tools) and perl"
    exit 77
fi
module=$(mktemp)
trap 'rm -f "$module"' EXIT
count=0
left=0
for inc in "$1"/*.inc; do
    val=spirv-val
    case $inc in
    *_coop*)
        val=${2:-}
        if [ -z "$val" ] || ! grep -q 0x "$inc"; then
            left=$((left + 1))
            continue
        fi
        ;;
    esac
    # glslc wrote the words as C text.
    perl -ne 'BEGIN { binmode STDOUT } print pack "V", hex $1 while /0x([0-9a-fA-F]+)/g' "$inc" > "$module"
    "$val" --target-env vulkan1.1 "$module" || { echo "$inc: not valid"; exit 1; }
    count=$((count + 1))
done
echo "$count modules; left out, for want of a compiler or spirv-val that knows cooperative matrices: $left"
