#!/bin/sh
# `pumice bench`: its rows, its table, its comparison of two files, and one clear line for bad requests and files.
# usage: check_bench.sh PUMICE
set -u
. "$(dirname "$0")/helper_cli.sh"
start "$1"

# ---- rows ----
run 0 bench --quick matmul --json --shape 32x16x8
[ "$(wc -l < "$dir/out")" = 1 ] || fail "not one row: $(cat "$dir/out")"
[ ! -s "$dir/err" ] || grep -q warning "$dir/err" || fail "a good run wrote on stderr"
for key in op shape dtype device driver variant clock; do has "\"$key\":\"[^\"]"; done
for key in ms ms_low ms_high gflops gbps first_ms runs copies fma_fraction copy_fraction peak_gflops peak_gbps; do
    has "\"$key\":[0-9.e+-]*[1-9]"
done
has '"op":"matmul","shape":"32x16x8","dtype":"f32"'
cp "$dir/out" "$dir/a"
run 0 bench gelu add --quick --json --shape=8x16
[ "$(wc -l < "$dir/out")" = 2 ] || fail "not two rows: $(cat "$dir/out")"
cat "$dir/out" >> "$dir/a"
run 0 bench decode --quick --json --shape 2x2x16x8x1x33
has '"tokens_per_s":[0-9]'
cat "$dir/out" >> "$dir/a"

run 0 bench matmul --quick --shape 32x16x8
has '^peaks: [0-9.]* GB/s copy, [0-9.]* GFLOP/s'
has '^matmul  *32x16x8  *[0-9].* % [a-z0-9]*  *[0-9.]*  matmul'

# ---- bad requests ----
refused 2 "'matmull'; give one of matmul, " bench matmull
refused 2 "'nothing'; give one of matmul, " bench matmul nothing
refused 2 "matmul: the shape '3x4' is not MxNxK" bench matmul --shape 3x4
refused 2 'not MxNxK' bench gelu matmul --shape 32x16
refused 2 'not NxC' bench gelu --shape 3x4x
refused 2 'multiple of 4' bench attention --shape 1x1x8x6
refused 2 'heads' bench train-step --shape 2x3x16x8x2x33
refused 2 'name the operation' bench --shape 3x4
refused 2 '\-\-shape needs a value' bench matmul --shape
refused 2 'adamw has no activations' bench adamw --dtype f16
refused 2 'decode: a session computes in fp32' bench decode --dtype f16
export PUMICE_DISABLE=storage16
refused 1 'no 16-bit storage' bench matmul --shape 8x8x8 --dtype f16 --json
unset PUMICE_DISABLE
refused 2 "'f64'" bench matmul --dtype f64
refused 1 'nowhere' bench matmul --device nowhere

# ---- comparing ----
# B: the first row twice as fast, the second slower within the spread, the third far slower, the fourth of another device.
awk 'BEGIN {
    row = "{\"op\":\"%s\",\"shape\":\"8x16\",\"dtype\":\"f32\",\"device\":\"%s\",\"ms\":%s,\"ms_low\":%s,\"ms_high\":%s}\n"
    printf row row "\n" row row, "one", "d", 4, 3.9, 4.1, "two", "d", 4, 3, 5, "three", "d", 4, 4, 4, "four", "d", 4, 4, 4 > ARGV[1]
    printf row row row row, "one", "d", 2, 1.9, 2.1, "two", "d", 5, 4.5, 6, "three", "d", 8, 8, 8, "four", "e", 4, 4, 4 > ARGV[2]
}' "$dir/A" "$dir/B"
run 0 bench --compare "$dir/A" "$dir/B"
has '^one .* 2\.000  faster$'
has '^two .* 0\.800  same$'
has '^three .* 0\.500  slower$'
! grep -q '^four' "$dir/out" || fail "rows of different devices were compared"
grep -q '^3 of 4 rows of A and of 4 of B' "$dir/err" || fail "nothing about the row without a counterpart"
run 0 bench --json --compare "$dir/A" "$dir/B"
has '"op":"one","shape":"8x16","dtype":"f32","device":"d","ms_a":4,"ms_b":2,"speedup":2,"verdict":"faster"'
[ "$(wc -l < "$dir/out")" = 3 ] || fail "not three rows: $(cat "$dir/out")"
# Two clocks, two drivers, two devices: each is reported in one line.
printf '%s\n' '{"op":"one","shape":"1","dtype":"f32","device":"d","driver":"v1","clock":"device","ms":1}' > "$dir/c1"
sed 's/"device","ms/"host","ms/' "$dir/c1" > "$dir/c2"
sed 's/v1/v2/' "$dir/c1" > "$dir/c3"
sed 's/"device":"d"/"device":"e"/' "$dir/c1" > "$dir/c4"
run 0 bench --compare "$dir/c1" "$dir/c1"
[ ! -s "$dir/err" ] || fail "rows of one clock are told to be of two"
run 0 bench --json --compare "$dir/c1" "$dir/c2"
grep -q "^pumice: warning: 1 of 1 pairs were timed by different clocks, A by the device's and B by the host's" "$dir/err" || fail "two clocks are not told"
has '"clock_b":"host"'
run 0 bench --compare "$dir/c1" "$dir/c3"
grep -q '^pumice: warning: 1 of 1 pairs were measured with different drivers: A with v1, B with v2' "$dir/err" || fail "two drivers are not told"
refused 1 'A was measured on d, B on e' bench --compare "$dir/c1" "$dir/c4"
run 0 bench --compare "$dir/a" "$dir/a"
[ "$(grep -c ' 1\.000  same$' "$dir/out")" = 4 ] || fail "a file differs from itself"

# refused_file PATTERN TEXT: a file of that text.
refused_file() {
    printf '%b' "$2" > "$dir/broken"
    refused 1 "$1" bench --compare "$dir/A" "$dir/broken"
    refused 1 "$1" bench --compare "$dir/broken" "$dir/A"
}
first=$(head -n 1 "$dir/A")
refused_file "$dir/broken: no rows" ''
refused_file "$dir/broken: no rows" '\n \n'
refused_file "$dir/broken:1: is not valid JSON" 'matmul 3 ms\n'
refused_file "$dir/broken:2: is not valid JSON" "$first\n{\"op\": \"one\"\n"
refused_file "$dir/broken:1: is not valid JSON" "$first $first\n"
refused_file "$dir/broken:1: is not a JSON object" '[1, 2]\n'
refused_file "$dir/broken:1: .*\"op\"" '{}\n'
refused_file "$dir/broken:1: .*\"op\"" '{"op": 3}\n'
refused_file "$dir/broken:1: .*\"ms\"" '{"op":"one","shape":"1","dtype":"f32","device":"d"}\n'
refused_file "$dir/broken:1: .*\"ms\"" '{"op":"one","shape":"1","dtype":"f32","device":"d","ms":0}\n'
refused_file "$dir/broken:1: .*\"ms\"" '{"op":"one","shape":"1","dtype":"f32","device":"d","ms":"4"}\n'
refused_file 'no row in common' '{"op":"ten","shape":"1","dtype":"f32","device":"d","ms":4}\n'
refused_file "$dir/broken:1: .*U+0000" '\0000\n'
refused_file "$dir/broken:1: the key \"ms\" is there twice" '{"op":"one","shape":"1","dtype":"f32","device":"d","ms":4,"ms":5}\n'
refused 1 "$dir/missing: cannot be read: No such file" bench --compare "$dir/A" "$dir/missing"
refused 1 "$dir: cannot be read" bench --compare "$dir" "$dir/A"
refused 2 'two files' bench --compare "$dir/A"
refused 2 'two files' bench --compare "$dir/A" "$dir/B" "$dir/a"
refused 2 '\-\-compare needs a value' bench --compare
exit $bad
