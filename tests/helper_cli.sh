# Functions for the checks of the command line, which source this file and begin with `start PUMICE`.

LC_ALL=C
export LC_ALL
bad=0

# start PUMICE [DIR]: the program, and the folder for what it writes: DIR, or a temporary one.
start() {
    pumice=$1
    dir=${2:-}
    [ -z "$dir" ] || return 0
    dir=$(mktemp -d)
    trap 'rm -rf "$dir"' EXIT
}

# Whether PUMICE is the program for Windows, under Wine: then PUMICE_INTERRUPT is a command for what Ctrl-C does there (tools/platforms.sh).
on_windows() { [ -n "${PUMICE_INTERRUPT:-}" ]; }
# interrupt PROCESS: asks the run in it to save and end.
interrupt() { if on_windows; then "$PUMICE_INTERRUPT"; else kill -TERM "$1"; fi; }

fail() {
    echo "FAILED: $*"
    sed 's/^/    stderr: /' "$dir/err"
    bad=1
}

# run CODE ARGS…: the command line must end with CODE.
run() {
    want=$1
    shift
    code=0
    "$pumice" "$@" > "$dir/out" 2> "$dir/err" < /dev/null || code=$?
    [ $code = "$want" ] || fail "pumice $*: exit code $code instead of $want"
}

# refused CODE PATTERN ARGS…: it must end with CODE, nothing on stdout and one error line that matches.
refused() {
    pattern=$2
    want=$1
    shift 2
    run "$want" "$@"
    [ ! -s "$dir/out" ] || fail "pumice $*: wrote on stdout"
    lines=$(grep -v '^pumice: warning:' "$dir/err" | grep -c '^pumice: ')
    [ "$lines" = 1 ] || fail "pumice $*: $lines error lines instead of 1"
    grep '^pumice: ' "$dir/err" | grep -qe "$pattern" || fail "pumice $*: no line with $pattern"
}

has() { grep -qe "$1" "$dir/out" || fail "no $1 on stdout"; }
# none_left FOLDER: it has no temporary files.
none_left() { for file in "$1"/*tmp*; do [ ! -e "$file" ] || fail "$file stays"; done; }
same() { cmp -s "$1" "$2" || fail "$1 and $2 differ"; }
