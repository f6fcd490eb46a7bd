#!/bin/sh
# Every SPIR-V module of the build is valid for Vulkan 1.1, and has a translation to Metal, which MoltenVK makes on a Mac; Metal's compiler is not asked.
# usage: check_spirv.sh FOLDER-OF-INC-FILES [SPIRV-VAL-THAT-KNOWS-COOPERATIVE-MATRICES]
set -eu
if ! command -v spirv-val > /dev/null || ! command -v perl > /dev/null; then
    echo "skipped: needs spirv-val (spirv-tools) and perl"
    exit 77
fi
metal=true
command -v spirv-cross > /dev/null || metal=false
module=$(mktemp)
trap 'rm -f "$module" "$module.metal"' EXIT
valid=0 translated=0 left=0 not_metal=0
for inc in "$1"/*.inc; do
    val=spirv-val units=false
    case $inc in
    *_coop*)
        val=${2:-} units=true
        if [ -z "$val" ] || ! grep -q 0x "$inc"; then
            left=$((left + 1))
            continue
        fi
        ;;
    esac
    # glslc wrote the words as C text.
    perl -ne 'BEGIN { binmode STDOUT } print pack "V", hex $1 while /0x([0-9a-fA-F]+)/g' "$inc" > "$module"
    "$val" --target-env vulkan1.1 "$module" || { echo "$inc: not valid"; exit 1; }
    valid=$((valid + 1))
    # Metal 3: addresses of buffers. Vulkan's cooperative matrices have no translation.
    if $units; then
        not_metal=$((not_metal + 1))
    elif $metal; then
        spirv-cross --msl --msl-version 30000 --output "$module.metal" "$module" || { echo "$inc: no translation to Metal"; exit 1; }
        grep -q '^kernel void' "$module.metal" || { echo "$inc: its translation to Metal has no kernel"; exit 1; }
        translated=$((translated + 1))
    fi
done
echo "$valid modules valid for Vulkan 1.1; left out, for want of a compiler or spirv-val that knows cooperative matrices: $left"
if $metal; then
    echo "$translated translated to Metal; left out, of cooperative matrices: $((not_metal + left))"
else
    echo "not translated to Metal: needs spirv-cross"
fi
