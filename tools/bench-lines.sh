# shellcheck shell=sh disable=SC2154,SC2034
# Lines of a report that compares Pumice with yardsticks. A script sources this file and sets: pumice, the program; here, the checkout; wanted, words
# of the titles to take (all where it is empty); torch, the first argument of bench_reference.py; say, a function. Where a line needs them, it also
# sets unit, of a target, and bench_options. Then it calls `line` for each; bad is 1 where one failed.

bad=0
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python=${python:-python3}
reference() { "$python" "$here/tools/bench_reference.py" "$torch" "$@"; }
# field KEY: of the row in $dir/row
field() { sed -n "s/.*\"$1\":\([0-9.e+-]*\).*/\1/p" "$dir/row"; }

show() { printf '%-38s %10s %10s %9s  %-22s %s\n' "$@"; }

# asked TITLE: whether the line is wanted.
asked() {
    [ -n "$wanted" ] || return 0
    for word in $wanted; do
        case $1 in *"$word"*) return 0 ;; esac
    done
    return 1
}

# line TITLE OP SHAPE KEY KIND TARGET [YARDSTICK …]: OP at SHAPE, KEY of its row. KIND is "of": TARGET is a fraction of the yardstick, which
# bench_reference.py measures; "peak": of the device's own best of that KEY; or "least": of the unit itself.
line() {
    title=$1 op=$2 shape=$3 key=$4 kind=$5 target=$6
    shift 6
    asked "$title" || return 0
    # shellcheck disable=SC2086
    if ! "$pumice" bench "$op" --shape "$shape" --json ${bench_options:-} > "$dir/row" 2> "$dir/err"; then
        show "$title" - - - "$(goal)" "failed: $(tail -n 1 "$dir/err")"
        bad=1
        return 0
    fi
    ours=$(field "$key")
    if [ "$kind" = peak ]; then
        theirs=$(field "peak_$key")
    else
        theirs=$(reference "$@" 2> "$dir/err") || {
            say "$title: the yardstick failed: $(tail -n 1 "$dir/err")"
            theirs=-
        }
    fi
    awk -v ours="$ours" -v theirs="$theirs" -v kind="$kind" -v target="$target" 'BEGIN {
        ratio = theirs == "-" ? -1 : ours / theirs
        known = kind == "least" || ratio >= 0
        reached = kind == "least" ? ours >= target : ratio >= target
        printf "%.4g %s %s %s\n", ours, theirs == "-" ? "-" : sprintf("%.4g", theirs), ratio < 0 ? "-" : sprintf("%.1f%%", 100 * ratio),
               !known ? "-" : reached ? "met" : "MISSED"
    }' > "$dir/words"
    read -r ours theirs ratio verdict < "$dir/words"
    show "$title" "$ours" "$theirs" "$ratio" "$(goal)" "$verdict"
}

# The target in words.
goal() {
    case $kind in
    least) echo "$target $unit" ;;
    peak) awk -v t="$target" 'BEGIN { printf "%.0f%% of the peak", 100 * t }' ;;
    of) awk -v t="$target" 'BEGIN { printf "%.0f%% of the yardstick", 100 * t }' ;;
    esac
}
