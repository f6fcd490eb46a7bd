#!/bin/sh
# Tests what passes on which driver: every operation on each driver at hand, at full features and lowered to each preset; the kernels on GPUs that are
# not there; the SPIR-V. Writes BUILD/conformance/conformance.md; docs/measurements/conformance.md is a summary of such a table.
#     sh tools/conformance.sh [-b BUILD] [-q] [WORD …]     without a WORD all; some hours on 2 cores, much of it once
# WORD: a driver, or a row of it, as stock or stock:mali
#     installed      the llvmpipe that is installed (tools/setup.sh: Mesa 25)
#     stock, newer   those of tools/newer.sh: Debian 12's own Mesa 22.3, and the one of Debian 13's backports, which has matrix units
#     swiftshader    of Debian's chromium
#     gpu            whatever GPU the Vulkan loader finds first
#     null           GPUs that are not there (tools/gpu-lab.sh)
#     spirv          the modules, and subgroups of every size
#     document       measures nothing; only writes the document
# -q: at full features two configurations of test_ops, as with presets, instead of all. Results are kept in BUILD/conformance, and go into the
# document, until the programs or the driver change. So an interrupted run continues where it was. PUMICE_TEST_ROWS=all runs on software drivers
# all rows of shapes and attributes, which takes many hours, instead of those that show the driver something new.
set -eu

say() { echo "conformance: $*" >&2; }
fail() { say "$*"; exit 1; }

here=$(cd "$(dirname "$0")/.." && pwd)
build=$here/build quick=false words=""
while [ $# -gt 0 ]; do
    case $1 in
    -b) shift; build=${1:?-b needs a folder} ;;
    -q) quick=true ;;
    installed | stock | newer | swiftshader | gpu | null | spirv | document | installed:* | stock:* | newer:* | swiftshader:* | gpu:*) words="$words $1" ;;
    *) say "unknown word '$1': give installed, stock, newer, swiftshader, gpu (each also with :PRESET), null, spirv or document"; exit 2 ;;
    esac
    shift
done
build=$(cd "$build" && pwd) || fail "no folder $build: build Pumice first, or give -b BUILD"
pumice=$build/pumice test_ops=$build/tests/test_ops
for program in "$pumice" "$test_ops" "$build/tests/test_presets"; do
    [ -x "$program" ] || fail "$program is not there: build Pumice with its tests first, or give -b BUILD"
done
kept=$build/conformance
mkdir -p "$kept"
scratch=$(mktemp -d) # of this run only: another run may measure another driver meanwhile
trap 'rm -rf "$scratch"' EXIT
PUMICE_CACHE_DIR=$kept/cache
export PUMICE_CACHE_DIR
unset PUMICE_DISABLE VK_DRIVER_FILES VK_ICD_FILENAMES PUMICE_TEST_DEVICE || true
presets=$("$pumice" devices --help | sed -n 's/^  \([a-z][a-z0-9-]*\): .*/\1/p')
[ -n "$presets" ] || fail "pumice devices --help lists no presets"

# sum_of FILE: a checksum, which tells one build of a program from another.
sum_of() { cksum < "$1" | cut -d ' ' -f 1; }
ops_sum=$(sum_of "$test_ops")
[ "${PUMICE_TEST_ROWS:-}" != all ] || ops_sum=$ops_sum.all

# wanted DRIVER PRESET: whether the row, or all, was asked for.
wanted() {
    [ -n "$words" ] || return 0
    case " $words " in *" $1 "* | *" $1:$2 "*) return 0 ;; esac
    return 1
}
# any_wanted DRIVER
any_wanted() {
    [ -n "$words" ] || return 0
    case "$words " in *" $1 "* | *" $1:"*) return 0 ;; esac
    return 1
}

# ---- drivers ----------------------------------------------------------------------------------------------------------------------
# first_of NAME FOLDER …
first_of() {
    manifest=$1
    shift
    find "$@" -maxdepth 1 -name "$manifest" 2> /dev/null | head -n 1
}

# driver NAME: sets launch, the program that runs others, and icd; false, with a line, where there is none.
driver() {
    launch="" icd=""
    case $1 in
    installed) icd=$(first_of 'lvp_icd*.json' /usr/share/vulkan/icd.d /usr/local/share/vulkan/icd.d) ;;
    swiftshader) icd=$(first_of vk_swiftshader_icd.json /usr/lib/chromium /usr/lib/chromium-browser) ;;
    newer) folder=$(sh "$here/tools/newer.sh") && icd=$folder/lvp_icd.json launch=$folder/run ;;
    stock) folder=$(sh "$here/tools/newer.sh" stock) && icd=$folder/lvp_icd.json launch=$folder/run ;;
    gpu) return 0 ;;
    esac
    [ -n "$icd" ] || { say "left out: no driver for $1"; return 1; }
}

# on PROGRAM …: runs it with the driver, for at most $limit seconds.
limit=60
on() {
    if [ -n "$icd" ]; then
        # shellcheck disable=SC2086
        VK_DRIVER_FILES=$icd VK_ICD_FILENAMES=$icd timeout "$limit" $launch "$@"
    else
        timeout "$limit" "$@"
    fi
}

# field KEY: of the device that is taken, in $scratch/device.json
field() {
    awk -v key="\"$1\":" '/"index":/ { taken = 0; value = "" } index($0, key) && value == "" { value = $0 } /"chosen":.*true/ { taken = 1 }
        taken && value != "" { print value; exit }' "$scratch/device.json" | sed 's/^[^:]*:[[:space:]]*//; s/,$//; s/"//g'
}

# ---- rows -------------------------------------------------------------------------------------------------------------------------
# tested STATUS: names of the tests in $log with this status, each once; cmocka names failures twice.
tested() { sed -n "s/^\[ *$1 *\] \([a-z].*(.*)\)\$/\1/p" "$log" | grep -v '^no validation messages' | sort -u; }

# halves DISABLE: whether the lowered device has 16-bit storage, without which the fp16 tests have nothing to run.
halves() {
    PUMICE_DISABLE=$1 on "$pumice" devices --json | awk '/"index":/ { taken = 0 } /"chosen":.*true/ { taken = 1 } taken && /"storage16":/ { here = 1 }
        here && /"used":/ { found = /true/; exit } END { exit !found }'
}

# row DRIVER PRESET: measures it, unless a result of these programs and this driver is kept. Presets, and -q, take two configurations.
row() {
    file=$kept/$1.$2.row log=$kept/$1.$2.log title="$1, $2" disable=$2 stamp="$ops_sum $(field driver)" which=two limit=2700
    [ "$2" != full ] || disable=""
    if [ "$2" = full ] && ! $quick; then which=all limit=7200; fi
    if [ "$(cut -d '|' -f 1 "$file" 2> /dev/null)" = "$stamp" ]; then
        case $which.$(cut -d '|' -f 2 "$file") in two.* | all.all) return 0 ;; esac
    fi
    set -- "*(all features)"
    ! halves "$disable" || set -- "$@" "*(fp16)"
    [ $which = two ] || set --
    say "$title"
    began=$(date +%s) code=0 note=""
    PUMICE_DISABLE=$disable on "$test_ops" "$@" > "$log" 2>&1 || code=$?
    seconds=$(($(date +%s) - began))
    case $code in
    0 | 1) ;;
    124) note="stopped after $limit s" ;;
    *) note="ended with code $code in $(sed -n 's/^\[ RUN *\] //p' "$log" | tail -n 1)" ;;
    esac
    passed=$(tested OK | wc -l) failed=$(tested FAILED | wc -l)
    configurations=$({ tested OK; tested FAILED; } | sed 's/.*(\(.*\))$/\1/' | sort -u | wc -l)
    echo "$stamp|$which|$(field subgroup_size)|$configurations|$passed|$failed|$seconds|$note" > "$file.new"
    mv "$file.new" "$file"
    say "$title: $passed passed, $failed failed, $seconds s $note"
    [ $code = 0 ] || say "see $log"
}

# rows DRIVER
rows() {
    any_wanted "$1" || return 0
    driver "$1" || return 0
    on "$pumice" devices --json > "$scratch/device.json" 2> "$scratch/error" || { say "left out: $1: $(head -n 1 "$scratch/error")"; return 0; }
    [ -n "$(field driver)" ] || fail "$1: pumice devices --json names no driver"
    if [ "$1" = gpu ] && [ "$(field type)" = cpu ]; then
        say "left out: there is no GPU here"
        return 0
    fi
    for preset in full $presets; do
        ! wanted "$1" "$preset" || row "$1" "$preset"
    done
}

# ---- GPUs that are not there ------------------------------------------------------------------------------------------------------
# Ten generations of AMD's, GCN 1 to 5, RDNA 1 to 3.5 and 4; then the others that `tools/gpu-lab.sh table` has, and more.
amd="tahiti hawaii fiji polaris10 vega10 navi10 navi21 navi31 phoenix gfx1150 gfx1201"
others="skl icl tgl dg2 lnl bmg a630 a660 a740 a750 x1-85 g52 g310 g610 v42 v71"

null_gpus() {
    stamp="$(sum_of "$pumice") $(dpkg-query -W -f '${Version}' mesa-vulkan-drivers 2> /dev/null || true)"
    if [ "$(cat "$kept/null.stamp" 2> /dev/null)" = "$stamp" ]; then return 0; fi
    list=$amd
    if sh "$here/tools/gpu-lab.sh" setup; then list="$amd $others"; else say "only AMD's: tools/gpu-lab.sh could not be set up"; fi
    say "kernels for GPUs that are not there: $list"
    # A kernel that cannot be built is part of the table.
    "$pumice" kernel --builtin all --target "$(echo "$list" | tr ' ' ,)" --markdown > "$kept/null.md" 2> "$scratch/error" || true
    [ -s "$kept/null.md" ] || fail "null: $(head -n 1 "$scratch/error")"
    echo "$stamp" > "$kept/null.stamp"
}

null_table() {
    echo "| GPU | driver | pipelines made | of | that spill or have scratch memory |"
    echo "| --- | --- | --: | --: | --: |"
    awk -F '|' '
        function flush() { if (gpu != "") printf "| %s | %s | %d | %d | %d |\n", gpu, driver, made, all, spill }
        /^## / { flush(); gpu = ""; if ($0 ~ /: /) { gpu = substr($0, 4); driver = ""; made = all = spill = 0 } next }
        gpu != "" && driver == "" && /, / { driver = $0; sub(/^.*, /, "", driver); next }
        gpu != "" && /^\| [a-z]/ && !/^\| kernel / { all++; if (NF > 6) { made++; if ($5 > 0 || $6 > 0) spill++ } }
        END { flush() }' "$kept/null.md"
}

# ---- modules ----------------------------------------------------------------------------------------------------------------------
spirv() {
    val=""
    ! folder=$(sh "$here/tools/newer.sh") || val=$folder/spirv-val
    say "modules, and subgroups of every size"
    {
        sh "$here/tests/check_spirv.sh" "$build/shaders/spv" "$val" | sed 's/^/- /'
        if "$build/tests/test_presets" > "$scratch/error" 2>&1; then result=passed; else result=FAILED; fi
        echo "- Programs of a GPT-2 recorded for subgroups of 4, 8, 16, 32, 64 and 128, work groups of 128 to 1024, 16 to 64 KiB of shared memory: $result"
    } > "$kept/spirv.md"
    echo "$ops_sum" > "$kept/spirv.stamp"
}

# ---- the document -----------------------------------------------------------------------------------------------------------------
ops_table() {
    echo "| driver | device as | subgroup | configurations | passed | failed | time (s) | |"
    echo "| --- | --- | --: | --: | --: | --: | --: | --- |"
    for one in installed stock newer swiftshader gpu; do
        for preset in full $presets; do
            [ -e "$kept/$one.$preset.row" ] || continue
            IFS='|' read -r stamp _ subgroup configurations passed failed seconds note < "$kept/$one.$preset.row"
            [ "${stamp%% *}" = "$ops_sum" ] || continue
            echo "| $one: ${stamp#* } | $preset | $subgroup | $configurations | $passed | $failed | $seconds | $note |"
        done
    done
}

document() {
    cat << END
# Conformance

Written by \`sh tools/conformance.sh\`, which says how; rows that are not here were not measured on this machine. Commit $(git -C "$here" rev-parse --short HEAD 2> /dev/null || echo unknown)$(git -C "$here" diff --quiet HEAD 2> /dev/null || echo ", changed").

## Operations

Each test is one operation, forward or backward, in one configuration of \`tests/test_ops.c\`, against its twin in double. On a GPU it runs all its
rows of shapes and attributes, on a software driver $(if [ "${PUMICE_TEST_ROWS:-}" = all ]; then echo "too"; else echo "those with a new pipeline or a new pair of flags (\`engine/check/optest_seen.h\`)"; fi).
\`full\` is the device as it is. The other names are presets (\`PUMICE_DISABLE\`): the device lowered to what a real part offers, and the kernels
chosen that suit its vendor. They run the configurations "all features", which are then those of the preset, and, with 16-bit storage, "fp16";
rows of \`full\` with two configurations do, too. Times include compilation by the driver, where its cache did not have the kernels.

$(ops_table)

The presets:

$(for preset in $presets; do "$pumice" devices --help | sed -n "s/^  \($preset\): /- \`\1\`: /p"; done)

Vulkan promises 4 storage buffers a stage, and Pumice's kernels have up to 8 operands. Where a device has no more, and no addresses, operands that
lie near each other share a binding (\`engine/gpu/binding.c\`), with the same bits (\`tests/test_binding.c\`). That does for any model to write, and for
training one whose weights, gradients and moments fit four ranges: GPT-2 124M under \`baseline\` does not, and is refused with a line. SwiftShader
makes illegal instructions of 128-bit accesses through addresses, so that it runs GPUs' kernels, as all presets have them, without addresses.

END
    if [ -e "$kept/null.md" ]; then
        printf '## GPUs that are not there\n\n'
        echo "Pipelines for pre-training and decoding a GPT-2 of 768 channels, a Qwen 3 with heads of 128 and a Gemma 3 with heads of 256, made by the compilers"
        echo "of Mesa's drivers without the GPU. A compiler that takes more than 30 s for one counts as not having made it. Registers, spills and cycles of"
        echo "each: \`sh tools/gpu-lab.sh table\`."
        printf '\n'
        null_table
        printf '\n'
    fi
    if [ "$(cat "$kept/spirv.stamp" 2> /dev/null)" = "$ops_sum" ]; then
        printf '## Modules and subgroups\n\n'
        cat "$kept/spirv.md"
        printf '\n%s\n%s\n' "Subgroups matter to the kernels of software drivers, which take 4 or 8, and to matrix units, whose work groups are whole subgroups; all others" \
            "use barriers only. Sizes without a driver here are a mask: programs are recorded and held against the limits, not run."
    fi
}

for one in installed stock newer swiftshader gpu; do rows $one; done
! any_wanted null || null_gpus
! any_wanted spirv || spirv
document > "$kept/conformance.md"
say "$kept/conformance.md written"
bad=$(ops_table | awk -F '|' 'NR > 2 && ($7 > 0 || $9 ~ /[a-z]/)' | wc -l)
[ "$bad" = 0 ] || fail "$bad rows are not clean"
