#!/bin/sh
# pumice kernel: a small shader is described, run and compared; bad input gets an error line.
# usage: check_kernel.sh PUMICE [GLSLC]
set -u
. "$(dirname "$0")/helper_cli.sh"
start "$1"
glslc=${2:-glslc}

mkdir "$dir/common"
cat > "$dir/saxpy.comp" << 'END'
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common/update.glsl"
layout(local_size_x_id = 0) in;
layout(constant_id = 3) const float BIAS = 0.25;
layout(std430, set = 0, binding = 0) readonly buffer X { float x[]; };
layout(std430, set = 0, binding = 1) buffer Y { float y[]; };
layout(push_constant) uniform Push { float a; uint n; } p;
shared float unused[48];
void main()
{
    unused[gl_LocalInvocationID.x % 48] = 0.0;
    uint i = gl_GlobalInvocationID.x;
    if (i < p.n) y[i] = update(y[i], p.a, x[i]) + BIAS;
}
END
cat > "$dir/common/update.glsl" << 'END'
#include "fma.glsl"
float update(float y, float a, float x) { return FMA(a, x, y); }
END
echo '#define FMA(a, x, y) (a * x + y)' > "$dir/common/fma.glsl"
sed 's/BIAS;$/BIAS + wrong;/' "$dir/saxpy.comp" > "$dir/wrong.comp"
sed 's/update.glsl/nowhere.glsl/' "$dir/saxpy.comp" > "$dir/nowhere.comp"
sed 's/^#version 450/#version 450\n#extension GL_ARB_gpu_shader_int64 : require/; s/p.a, x/float(uint64_t(p.n)), x/' "$dir/saxpy.comp" > "$dir/int64.comp"
sed 's/^#version 450/#version 450\n#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require/; s/p.a, x/float(int8_t(p.n)), x/' "$dir/saxpy.comp" > "$dir/int8.comp"
sed 's/binding = 1/set = 1, binding = 1/; s/set = 0, set = 1/set = 1/' "$dir/saxpy.comp" > "$dir/set1.comp"
sed 's/set = 0, binding = 0) readonly buffer X { float x\[\]; };/set = 0, binding = 0) uniform X { float x[4]; };/; s/std430, set = 0, binding = 0/std140, set = 0, binding = 0/; s/x\[i\])/x[i % 4])/' \
    "$dir/saxpy.comp" > "$dir/uniform.comp"
saxpy="kernel $dir/saxpy.comp --spec 0=64 --push n=1000 --push a=2 --groups 16 --runs 2"
buffers="--buffer x=1000f:iota --buffer 1=1000f:ones"

# ---- usage, before anything else ----
refused 2 'FILE.comp or FILE.spv' kernel
refused 1 'nothing.comp: cannot be read' kernel "$dir/nothing.comp"
refused 1 'ends in .comp' kernel "$pumice"
refused 2 'needs --target' kernel --builtin all
refused 2 '--target nonsense: no such GPU' kernel "$dir/saxpy.comp" --target nonsense
run 0 kernel --target help
has '^navi31'

# ---- SPIR-V, which needs no libshaderc here ----
command -v "$glslc" > /dev/null || { echo "skipped: no glslc"; exit 77; }
for name in saxpy int8 set1 uniform; do
    "$glslc" --target-env=vulkan1.1 -I "$dir" -o "$dir/$name.spv" "$dir/$name.comp" || exit 1
done
run 0 kernel "$dir/saxpy.spv" --describe
has 'binding  *set 0, 0: x, read, float\[\]'
has 'binding  *set 0, 1: y, read and write, float\[\]'
has 'push constant  at 4: n, uint, 4 bytes'
has 'constant  *3: BIAS, float, default 0.25'
has 'work group  *1 x 1 x 1, x by constant 0; 192 bytes of shared memory'
run 0 kernel "$dir/saxpy.spv" --describe --json --spec 0=32
has '"local_size":.*\[32, 1, 1\]'
size=$(wc -c < "$dir/saxpy.spv")
for keep in 0 4 19 20 400 $((size - 4)) $((size - 8)); do
    head -c "$keep" "$dir/saxpy.spv" > "$dir/cut.spv"
    refused 1 'cut.spv: ' kernel "$dir/cut.spv" --buffer 0=4 --buffer 1=4
done
printf 'not SPIR-V at all, only text' > "$dir/text.spv"
refused 1 'magic' kernel "$dir/text.spv"
refused 1 'binding 1 of set 1' kernel "$dir/set1.spv" --buffer 0=4 --buffer 1=4
refused 1 'is no storage buffer' kernel "$dir/uniform.spv" --buffer 0=16 --buffer 1=4

# ---- running: y = 1 + 2 i + 0.25 ----
run 0 kernel "$dir/saxpy.spv" --spec 0=64 --push n=1000 --push a=2 --groups 16 --runs 2 $buffers --dump y="$dir/y"
has 'binding 1 *1.25 3.25 5.25'
has '^launch  *16 x 1 x 1 work groups$'
[ "$(wc -c < "$dir/y")" = 4000 ] || fail "the dump has not 4000 bytes"
perl -e 'print pack "f<*", map { 1.25 + 2 * $_ } 0 .. 999' > "$dir/want"
same "$dir/y" "$dir/want"
perl -e 'print pack "f<*", map { 1.25 + 2 * $_ + ($_ == 7 ? 0.5 : 0) } 0 .. 999' > "$dir/off"

if ! "$pumice" kernel "$dir/saxpy.comp" --describe > "$dir/out" 2> "$dir/err" && grep -q 'built without libshaderc' "$dir/err"; then
    echo "left out: this pumice has no libshaderc"
    saxpy=$(echo "$saxpy" | sed 's/saxpy.comp/saxpy.spv/')
else
    refused 1 'does not compile' kernel "$dir/wrong.comp" --describe
    grep -q "wrong.comp:14: error: 'wrong'" "$dir/err" || fail "the compiler's line is missing"
    refused 1 'does not compile' kernel "$dir/nowhere.comp" --describe
    grep -q 'nowhere.comp:3: error' "$dir/err" || fail "the include's line is missing"
    # Text that is not GLSL for Vulkan: glslang would print its own built-in declarations.
    tail -n +2 "$dir/saxpy.comp" > "$dir/noversion.comp"
    : > "$dir/empty.comp"
    printf '// no more\n' > "$dir/comment.comp"
    for name in noversion empty comment; do refused 1 'begin with a line such as #version 450' kernel "$dir/$name.comp" --describe --json; done
    printf '#version 450\n\000\n' > "$dir/zero.comp"
    refused 1 'zero.comp: byte 13 has the value 0; GLSL is text' kernel "$dir/zero.comp" --describe
    printf '#\000v\000e\000r\000s\000i\000o\000n\000' > "$dir/utf16.comp"
    refused 1 'utf16.comp: is UTF-16; save it as UTF-8' kernel "$dir/utf16.comp" --describe
    cp "$dir/utf16.comp" "$dir/common/nowhere.glsl" # as an include
    refused 1 'does not compile' kernel "$dir/nowhere.comp" --describe
    grep -q 'is UTF-16; save it as UTF-8' "$dir/err" || fail "an include in UTF-16 is not named"
    refused 1 '\-\-define A=2: this macro was given before' kernel "$dir/saxpy.comp" --describe --define A --define AB=1 --define A=2
    { printf '\357\273\277/* with a mark */ '; cat "$dir/saxpy.comp"; } > "$dir/mark.comp"
    { printf '\357\273\277'; cat "$dir/common/fma.glsl"; } > "$dir/fma.glsl"
    mv "$dir/fma.glsl" "$dir/common/fma.glsl"
    run 0 kernel "$dir/mark.comp" --describe
    has 'BIAS'
    run 0 kernel "$dir/int64.comp" --describe
    has 'Int64'
    PUMICE_DISABLE=int64 refused 1 'needs Int64' kernel "$dir/int64.comp" --buffer 0=4 --buffer 1=4
    run 0 kernel "$dir/saxpy.comp" --describe --json
    has '"name":.*"BIAS"'
fi
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n' > "$dir/lfs.spv"
cp "$dir/lfs.spv" "$dir/lfs.comp"
gzip -c "$dir/saxpy.comp" > "$dir/gzip.spv"
refused 1 'lfs.spv: is a Git LFS pointer, not the file itself' kernel "$dir/lfs.spv" --describe
refused 1 'lfs.comp: is a Git LFS pointer, not the file itself' kernel "$dir/lfs.comp" --describe
refused 1 'gzip.spv: is a gzip file; unpack it' kernel "$dir/gzip.spv" --describe
run 0 kernel "$dir/saxpy.spv" $buffers --runs 1 # what was left out is said
has '^launch  *1 x 1 x 1 work groups, as --groups is not given; push constants are all 0, as --push is not given$'
run 0 $saxpy $buffers --compare y="$dir/want"
has 'largest difference 0,'
run 0 $saxpy $buffers --compare y="$dir/off:0.6"
run 1 $saxpy $buffers --compare y="$dir/off:0.4"
grep -q 'differs from .*off in 1 elements' "$dir/err" || fail "the difference is not told"
run 0 $saxpy $buffers --json --flops 2000 --bytes 12000
for key in ms ms_min first_ms gflops gbps device local_size groups buffers; do has "\"$key\":"; done
run 0 kernel "$dir/saxpy.spv" --spec 0=64 --groups 16 --runs 2 --buffer x=1000f:random --buffer "y=:$dir/want" --push 0x40000000,1000 --spec BIAS=0

# ---- numbers of every type ----
cat > "$dir/half.comp" << 'END'
#version 450
#extension GL_EXT_shader_16bit_storage : require
layout(local_size_x = 1) in;
layout(std430, binding = 0) readonly buffer X { float16_t x[]; };
layout(std430, binding = 1) buffer Y { float y[]; };
layout(std430, binding = 2) buffer Z { uint z[]; };
void main()
{
    for (uint i = 0u; i < 3u; i++) y[i] = float(x[i]);
    z[0] = 16777217u;
    z[1] = 4294967295u;
}
END
cat > "$dir/wide.comp" << 'END'
#version 450
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
layout(local_size_x = 1) in;
layout(std430, binding = 0) buffer X { int64_t x[]; };
layout(push_constant) uniform Push { int64_t p; uint n; };
void main() { x[0] = 9007199254740993l; x[1] = p; x[2] = int64_t(n); }
END
for name in half wide; do "$glslc" --target-env=vulkan1.1 -o "$dir/$name.spv" "$dir/$name.comp" || exit 1; done
run 0 kernel "$dir/half.spv" --buffer x=3h:iota --buffer y=3f --buffer z=2u --runs 1
has 'binding 1 *0 1 2$'
has 'binding 2 *16777217 4294967295$'
wide="kernel $dir/wide.spv --buffer x=24 --runs 1 --push p=-9223372036854775808 --push n=010"
run 0 $wide --dump x="$dir/x64"
has 'binding 0 *9007199254740993 -9223372036854775808 10$'
run 0 $wide --compare x="$dir/x64" --json
has '"first":.*9007199254740993, -9223372036854775808, 10'
perl -e 'print pack "q<*", 9007199254740992, -9223372036854775807, 10' > "$dir/off64"
run 1 $wide --compare x="$dir/off64"
grep -q 'in 2 elements by more than 0: most, 1, at element 0' "$dir/err" || fail "64-bit numbers are not compared whole"
run 0 $wide --compare x="$dir/off64:1"
# iota starts anew where the type has a gap.
run 0 kernel "$dir/half.spv" --buffer x=2051h:iota --buffer y=3f --buffer z=4b:iota --runs 1 --dump x="$dir/halves"
perl -e 'local $/; my @h = unpack "v*", <STDIN>; exit(@h == 2051 && $h[2048] == 0x6800 && $h[2049] == 0 && $h[2050] == 0x3c00 ? 0 : 1)' < "$dir/halves" || fail "iota of halves"
# Random bytes take every value, other whole numbers any value of their type.
run 0 kernel "$dir/half.spv" --buffer x=3h --buffer y=3f --buffer z=4096b:random --runs 1 --dump z="$dir/random"
perl -e 'local $/; my $d = <STDIN>; my %seen; $seen{$_}++ for unpack "x8C*", $d; exit(keys %seen == 256 ? 0 : 1)' < "$dir/random" || fail "random bytes are not all of 256"
refused 2 'uint: 0 to 4294967295' $wide --push n=4294967296
refused 2 'int64: -9223372036854775808 to 9223372036854775807' $wide --push p=9223372036854775808
refused 2 'BIAS=1e39: constant 3 is of type float: -3.4028235e38 to' $saxpy $buffers --spec BIAS=1e39
refused 2 'a is of type float' $saxpy $buffers --push a=-1e39
refused 2 'up to 2 words' $saxpy $buffers --push 1e39,1

# ---- features that Pumice's own kernels do not use, and how a run may end ----
cat > "$dir/narrow.comp" << 'END'
#version 450
#extension GL_EXT_shader_explicit_arithmetic_types : require
#extension GL_EXT_shader_8bit_storage : require
layout(local_size_x = 4) in;
layout(std430, binding = 0) buffer X { double x[]; };
layout(std430, binding = 1) buffer B { uint8_t b[]; };
layout(push_constant) uniform Push { double d; int8_t k; };
void main()
{
    x[0] = d * 3.0lf;
    b[gl_LocalInvocationIndex] = uint8_t(200) + uint8_t(k) * uint8_t(gl_LocalInvocationIndex);
}
END
cat > "$dir/endless.comp" << 'END'
#version 450
layout(local_size_x = 1) in;
layout(std430, binding = 0) buffer X { uint x[]; };
void main()
{
    for (uint a = 0; x[0] != 7u; a++)
        for (uint b = 0; x[1] != 7u; b++)
            for (uint c = 0; x[2] != 7u; c++) x[3] = a + b + c;
}
END
sed 's/{ uint8_t b/{ int8_t b/; s/= uint8_t(200) + .*;/= int8_t(uint8_t(200) - uint8_t(5) * uint8_t(gl_LocalInvocationIndex));/' "$dir/narrow.comp" > "$dir/signed.comp"
for name in narrow signed endless; do "$glslc" --target-env=vulkan1.3 -o "$dir/$name.spv" "$dir/$name.comp" || exit 1; done
run 0 kernel "$dir/narrow.spv" --buffer x=1d --buffer b=4b --push d=0.1 --push k=-5 --runs 1
has 'binding 0 *0.30000000000000004$'
has 'binding 1 *200 195 190 185$'
has 'buffer bounds are checked'
run 0 kernel "$dir/signed.spv" --buffer x=1d --buffer b=4b --runs 1
has 'binding 1 *-56 -61 -66 -71$'
run 0 kernel "$dir/narrow.spv" --buffer x=1d --buffer b=4b --push k=-5 --runs 1 --unchecked --json
has '"robust":.*false'
PUMICE_VALIDATE=1 "$pumice" kernel "$dir/narrow.spv" --buffer x=1d --buffer b=4b --runs 1 > /dev/null 2> "$dir/err" # by LocalSizeId, too
! grep -q VUID "$dir/err" || fail "the validation layer objects"
refused 1 'did not end within 1 s' kernel "$dir/endless.spv" --buffer x=4u --timeout 1

# ---- bad values ----
refused 2 'binding 1 (y) has no buffer' $saxpy --buffer x=1000f
refused 2 'before the = must stand a binding' $saxpy --buffer z=1000f
refused 2 'given before' $saxpy $buffers --buffer 0=4
refused 2 'size' $saxpy --buffer x=1000q --buffer y=4
refused 2 'size' $saxpy --buffer x=0f --buffer y=4
refused 2 'too large' $saxpy --buffer x=99999999999999999999f --buffer y=4
refused 2 'has 4000 bytes, the buffer 40' $saxpy --buffer "x=10f:$dir/want" --buffer y=4
refused 2 'no push constant is called b' $saxpy $buffers --push b=1
refused 2 'a=3: this constant was given before' $saxpy $buffers --push a=3
refused 2 '1,2: some of these words were given before' $saxpy $buffers --push 1,2
refused 2 'n is of type uint' $saxpy $buffers --push n=-1
refused 2 'n is of type uint' $saxpy $buffers --push n=1,2
refused 2 'up to 2 words' $saxpy $buffers --push 1,2,3
refused 2 'number or the name of a specialization constant' $saxpy $buffers --spec 9=1
refused 2 'constant 3 is of type float' $saxpy $buffers --spec BIAS=x
refused 2 'given before' $saxpy $buffers --spec 0=32
refused 2 '--groups 0' $saxpy $buffers --groups 0
refused 2 'work groups' $saxpy $buffers --groups 4294967295,4294967295,4294967295
refused 1 'work groups of 1048576' kernel "$dir/saxpy.spv" --spec 0=1048576 $buffers
refused 1 'has 4000 bytes, the buffer 400' kernel "$dir/saxpy.spv" --buffer x=100f --buffer y=100f --compare y="$dir/want"
refused 1 'cannot be read' $saxpy $buffers --compare y="$dir/nothing"
refused 1 'cannot be written' $saxpy $buffers --dump y="$dir/nothing/y"

# ---- GPUs that are not there ----
XDG_CACHE_HOME=$dir refused 1 'run sh tools/gpu-lab.sh' kernel "$dir/saxpy.spv" --target dg2
if on_windows; then
    refused 1 'navi31: no process can be started' kernel "$dir/saxpy.spv" --target navi31
    echo "left out: GPUs that are not there (their compilers are Mesa's)"
elif [ -e /usr/share/vulkan/icd.d/radeon_icd.json ]; then
    run 0 kernel "$dir/saxpy.spv" --target navi31 --spec 0=64
    has 'navi31: .*RADV NAVI31'
    has 'VGPRs'
    run 0 kernel "$dir/saxpy.spv" --target navi31,polaris10 --json
    has '"target":.*"polaris10"'
    run 0 kernel "$dir/int8.spv" --target navi31
    run 0 kernel --builtin dropout --target navi31
    has '^dropout .* 128 '
else
    echo "left out: no AMD driver (radeon_icd.json)"
fi
exit $bad
