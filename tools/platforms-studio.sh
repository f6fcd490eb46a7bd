#!/bin/sh
# Builds the studio for Windows by mingw-w64, and shows it under Wine on an Xvfb of its own: it trains, and its picture must have the curve.
#     sh tools/platforms-studio.sh [PICTURE.png]    keeps the picture
# After `sh tools/platforms.sh windows`, whose libraries it uses. Debian 12 or later, and root or sudo for packages. GLFW and Dear ImGui come from Debian's
# sources, and are kept with the others.
set -eu

say() { echo "platforms-studio: $*" >&2; }
fail() { say "$*"; exit 1; }

picture=${1:-}
cd "$(dirname "$0")/.."
root=$PWD
# shellcheck source=tools/mirror.sh
. tools/mirror.sh
case ${XDG_CACHE_HOME:-} in
/*) dir=$XDG_CACHE_HOME/pumice/platforms ;;
*) dir=$HOME/.cache/pumice/platforms ;;
esac
prefix=$dir/windows
[ -e "$prefix/done" ] || fail "no libraries for Windows in $prefix: run sh tools/platforms.sh windows first"
if [ "$(id -u)" = 0 ]; then as_root() { "$@"; }; else as_root() { sudo "$@"; }; fi

missing=""
for package in g++-mingw-w64-x86-64-posix wine wine64 xvfb python3 dpkg-dev libstb-dev; do
    dpkg-query -W "$package" > /dev/null 2>&1 || missing="$missing $package"
done
if [ -n "$missing" ]; then
    say "installing$missing"
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $missing > /dev/null
fi

# ---- GLFW and Dear ImGui, from Debian's sources ----
toolchain=$root/tools/platforms/mingw.cmake
PUMICE_WINDOWS=$prefix
export PUMICE_WINDOWS
if [ ! -e "$prefix/lib/libglfw3.a" ] || [ ! -e "$dir/src/imgui.done" ]; then
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    mirror=$(debian_mirror "$codename")
    [ -n "$mirror" ] || fail "this machine's package sources name no Debian mirror"
    mkdir -p "$dir/src" "$dir/lists/partial"
    echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $codename main" > "$dir/sources.list"
    sources="-o Dir::Etc::SourceList=$dir/sources.list -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists=$dir/lists -o APT::Sandbox::User=root"
    # shellcheck disable=SC2086
    apt-get -qq $sources update
    for package in glfw3 imgui; do
        say "unpacking $package"
        # shellcheck disable=SC2086
        (cd "$dir/src" && apt-get -qq $sources source --download-only $package 2> /dev/null && rm -rf $package-[0-9]* && dpkg-source -x ${package}_*.dsc > /dev/null 2>&1) ||
            fail "$package: no source"
        touch "$dir/src/$package.done"
    done
    say "building glfw3 into $prefix"
    if ! cmake -G Ninja -S "$dir"/src/glfw3-[0-9]* -B "$prefix/build-glfw3" -DCMAKE_TOOLCHAIN_FILE="$toolchain" -DCMAKE_INSTALL_PREFIX="$prefix" \
        -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DGLFW_BUILD_EXAMPLES=OFF -DGLFW_BUILD_TESTS=OFF -DGLFW_BUILD_DOCS=OFF > "$dir/log" 2>&1 ||
        ! ninja -C "$prefix/build-glfw3" install >> "$dir/log" 2>&1; then
        fail "glfw3: $(grep -m 1 -i error "$dir/log" || tail -n 1 "$dir/log")"
    fi
fi

# ---- the studio ----
imgui=$(echo "$dir"/src/imgui-[0-9]*)
if [ -e build-test/shaders/kernels_spv.h ]; then ready="-DPUMICE_KERNELS=$root/build-test/shaders"; else ready=""; fi
say "building in build-windows-studio/"
# shellcheck disable=SC2086
cmake -S . -B build-windows-studio -G Ninja -DCMAKE_TOOLCHAIN_FILE="$toolchain" -DCMAKE_BUILD_TYPE=Release -DPUMICE_WERROR=ON -DPUMICE_TESTS=OFF \
    -DPUMICE_CLI=OFF -DPUMICE_STUDIO=ON -DIMGUI_SOURCES="$imgui" $ready > "$dir/log" || fail "$(tail -n 3 "$dir/log")"
cmake --build build-windows-studio --target pumice_studio > "$dir/log" || { grep -m 5 -E 'error|undefined' "$dir/log"; exit 1; }
say "$(file -b build-windows-studio/pumice-studio.exe 2> /dev/null || echo built)"

# ---- under Wine ----
work=$(mktemp -d)
server=""
WINEPREFIX=$work/wine WINEDEBUG=-all
export WINEPREFIX WINEDEBUG
finish() {
    wineserver -k 2> /dev/null || true
    [ -z "$server" ] || kill "$server" 2> /dev/null || true
    rm -rf "$work"
}
trap finish EXIT
Xvfb -displayfd 3 -screen 0 1280x800x24 -nolisten tcp 3> "$work/number" > /dev/null 2>&1 &
server=$!
tries=0
until [ -s "$work/number" ]; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || fail "Xvfb does not start"
    sleep 0.1
done
DISPLAY=:$(cat "$work/number")
export DISPLAY
say "making Wine's folder"
wineboot -i > "$work/log" 2>&1 || fail "wineboot: $(tail -n 1 "$work/log")"
for i in $(seq 120); do echo "pumice floats on water, and basalt sinks in water, line $i of the text."; done > "$work/text.txt"
cat > "$work/script" << END
wait device
page train
set layers 1
set heads 2
set embd 32
set ctx 32
set batch 4
set warmup 5
set eval_every 10
set lr 0.01
set steps 40
set data Z:$work/text.txt
set out Z:$work/run
start
wait idle
tell
shot Z:$work/train.png
page write
set prompt pumice
set tokens 5
start
wait idle
tell
END
wine build-windows-studio/pumice-studio.exe --settings "Z:$work/settings.json" --script "Z:$work/script" --size 960x640 --theme dark > "$work/out" 2> "$work/err" ||
    fail "the studio under Wine: $(grep pumice-studio "$work/err" || tail -n 3 "$work/err")"
head -n 1 "$work/out" | python3 tests/helper_picture.py "$work/train.png" || fail "its picture"
tail -n 1 "$work/out" | grep -q '"written": 5' || fail "it did not write: $(tail -n 1 "$work/out")"
[ -s "$work/settings.json" ] && [ -s "$work/run/checkpoint.safetensors" ] || fail "no settings or no checkpoint were written"
[ -z "$picture" ] || cp "$work/train.png" "$picture"
echo "studio: passed under $(wine --version)"
