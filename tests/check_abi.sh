#!/bin/sh
# The interface keeps what the last release had: no function goes, and no type changes so that a program built earlier would break. abidiff compares two
# small libraries, each of which has a pointer to every function that the headers declare.
# It first looks at changes made on purpose, to show that it would see them. The last release is the last tag v*; before the first there is none.
# usage: check_abi.sh C-COMPILER [COMMIT], from the project's root; COMMIT: in place of the last release
set -eu
compiler=$1
source=$(pwd)
for tool in abidiff git; do
    command -v $tool > /dev/null || { echo "skipped: no $tool"; exit 77; }
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

die() { echo "FAILED: $*"; exit 1; }
# describe NAME: what the headers in NAME/include declare, as a library NAME.so.
describe() {
    {
        (cd "$dir/$1/include" && printf '#include <%s>\n' pumice/*.h)
        cat "$dir/$1"/include/pumice/*.h | tr '\n' ' ' | grep -oE 'PM_API [^;]*' | grep -oE 'pm_[a-z0-9_]+\(' | tr -d '(' | sort -u |
            sed 's/.*/__typeof__(\&&) at_&;/'
    } > "$dir/$1.c"
    "$compiler" -std=gnu11 -g -shared -fPIC -I"$dir/$1/include" "$dir/$1.c" -o "$dir/$1.so"
}
# keeps OLD NEW: whether a program built with OLD runs with NEW; abidiff's report is in $dir/report.
keeps() {
    code=0
    abidiff --suppressions "$source/tests/abi.suppr" --no-added-syms "$dir/$1.so" "$dir/$2.so" > "$dir/report" 2>&1 || code=$?
    [ $((code & 3)) = 0 ] || { cat "$dir/report"; die "abidiff ended with $code"; }
    [ $code = 0 ] || return 1
    # A new field in what was padding at the end of a struct would not be 0 in an older program; one named `unused` may fill that.
    abidiff --no-added-syms "$dir/$1.so" "$dir/$2.so" > "$dir/report" 2>&1 || true
    awk '
        /type size changed from/ { size = $5 }
        /type size hasn.t changed/ { size = 1e9 }
        /data member insertion/ { on = 1; next }
        on && match($0, /at offset [0-9]+/) {
            if ($0 !~ / unused/ && substr($0, RSTART + 10, RLENGTH - 10) + 0 < size) bad = 1
            next
        }
        { on = 0 }
        END { exit bad }' "$dir/report"
}
mkdir "$dir/now"
cp -r include "$dir/now"
describe now

# changed HEADER SED: the headers with a change, as `changed`.
changed() {
    rm -rf "$dir/changed"
    cp -r "$dir/now" "$dir/changed"
    sed -i "$2" "$dir/changed/include/pumice/$1"
    ! cmp -s "$dir/changed/include/pumice/$1" "include/pumice/$1" || die "$1: nothing to change by $2"
    describe changed
}
breaks() {
    changed "$@"
    ! keeps now changed || die "abidiff does not see: $1: $2"
}
harmless() {
    changed "$@"
    keeps now changed || { cat "$dir/report"; die "abidiff minds: $1: $2"; }
}
breaks status.h '/pm_status_text(/d'
breaks status.h 's/X(IO, .*/\\/'
breaks train.h 's/    uint32_t accum;/    uint32_t more; &/'
breaks train.h 's/^} pm_step;/    float more; &/'
breaks text.h 's/pm_tokenizer_vocab(const pm_tokenizer \*tok/&, int more/'
harmless status.h 's/^PM_API const char \*pm_status_text/PM_API int pm_more(void); &/'
harmless status.h 's/X(DIVERGED, .*/X(DIVERGED, "") X(MORE, "")/'
harmless train.h 's/^} pm_train_params;/    uint64_t more; &/'
harmless device.h 's/^} pm_device_params;/    uint64_t more; &/'
breaks autotune.h 's/^} pm_autotune_params;/    bool more; &/'
breaks autotune.h 's/^} pm_autotune_params;/    bool more; uint64_t much; &/'
harmless autotune.h 's/^} pm_autotune_params;/    bool unused[3]; bool more; &/'

# ---- the last release ----
release=${2:-$(git describe --tags --match 'v[0-9]*' --abbrev=0 2> /dev/null || true)}
[ -n "$release" ] || { echo "skipped: no release to compare with"; exit 77; }
mkdir "$dir/then"
git archive "$release" include | tar -x -C "$dir/then"
# version NAME: major and minor version of the headers.
version() { sed -n 's/^#define PM_VERSION "\([0-9]*\.[0-9]*\)\..*/\1/p' "$dir/$1/include/pumice/pumice.h"; }
if [ "$(version then)" != "$(version now)" ]; then
    echo "$release has the interface $(version then), this one $(version now): nothing to keep"
    exit 0
fi
describe then
keeps then now || { cat "$dir/report"; die "a program built with $release would break: undo that, or raise the minor version"; }
echo "a program built with $release runs with this one"
