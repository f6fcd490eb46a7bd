#!/bin/sh
# Every SPIR-V module of the build is valid for Vulkan 1.1, and can be translated to Metal, as MoltenVK does on a Mac. Metal's compiler does not run.
# usage: check_spirv.sh FOLDER-OF-INC-FILES [SPIRV-VAL-THAT-KNOWS-COOPERATIVE-MATRICES]
set -eu
if ! command -v spirv-val > /dev/null || ! command -v perl > /dev/null; then
    echo "skipped: needs spirv-val (spirv-tools) and perl"
    exit 77
fi
metal=true
command -v spirv-cross > /dev/null || metal=false
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
valid=0 translated=0 left=0 not_metal=0
# glslc wrote the words as C text; without a compiler for matrix units there are none.
perl -e 'for (@ARGV) {
    open my $in, "<", $_ or die "$_: $!";
    my ($name) = m{([^/]*)\.inc$};
    my $words = join "", map { pack "V", hex } join("", <$in>) =~ /0x([0-9a-fA-F]+)/g;
    open my $out, ">:raw", "'"$dir"'/$name.spv" or die $!;
    print $out $words;
    close $out or die $!;
}' "$1"/*.inc
for module in "$dir"/*.spv; do
    name=${module##*/} val=spirv-val units=false
    case $name in
    *_coop*)
        val=${2:-} units=true
        if [ -z "$val" ] || [ ! -s "$module" ]; then
            left=$((left + 1))
            continue
        fi
        ;;
    esac
    "$val" --target-env vulkan1.1 "$module" || { echo "$name: not valid"; exit 1; }
    valid=$((valid + 1))
    # Buffer addresses need Metal 3. Vulkan's cooperative matrices have no translation.
    if $units; then
        not_metal=$((not_metal + 1))
    elif $metal; then
        spirv-cross --msl --msl-version 30000 --output "$module.metal" "$module" || { echo "$name: no translation to Metal"; exit 1; }
        translated=$((translated + 1))
    fi
done
if $metal; then
    lacking=$(grep -L '^kernel void' "$dir"/*.metal || true)
    [ -z "$lacking" ] || { echo "translations to Metal without a kernel:" $lacking; exit 1; }
fi
echo "$valid modules valid for Vulkan 1.1; left out, for want of a compiler or spirv-val that knows cooperative matrices: $left"
if $metal; then
    echo "$translated translated to Metal; left out, of cooperative matrices: $((not_metal + left))"
else
    echo "not translated to Metal: needs spirv-cross"
fi
