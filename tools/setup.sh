#!/bin/sh
# Installs what Pumice needs and this machine lacks: sh tools/setup.sh [demo] [tests] [bench]
# Debian 12 or later, or Ubuntu, as root or with sudo; elsewhere it only prints what it would have installed. Quick where nothing is missing.
set -eu

say() { echo "setup: $*" >&2; }

build="gcc libc6-dev cmake ninja-build glslc libvulkan-dev libvulkan1 libvulkan-volk-dev libstb-dev libcjson-dev libpcre2-dev libutf8proc-dev
       libcmocka-dev mesa-vulkan-drivers"
demo="bible-kjv|fortunes"
tests="clang clang-format libclang-rt-dev g++ spirv-tools spirv-cross perl vulkan-validationlayers locales
       pkg-config dpkg-dev file python3"
# Optional: pumice kernel needs them for GLSL, and so do some tests. These say so where a package is absent.
build_optional="libshaderc-dev spirv-tools fonts-open-sans"
# The studio's are from the third on.
tests_optional="chromium abigail-tools libglfw3-dev libimgui-dev fonts-inter fonts-jetbrains-mono xvfb"
# Yardsticks of bench-cpu.sh, which works without those that are absent.
bench_optional="python3-numpy libopenblas0-pthread python3-torch"

packages=$build
optional=$build_optional
for what in "$@"; do
    case $what in
    demo) packages="$packages $demo" ;;
    tests) packages="$packages $tests" optional="$optional $tests_optional" ;;
    bench) optional="$optional $bench_optional" ;;
    *) say "unknown word '$what': give demo, tests or bench"; exit 2 ;;
    esac
done

if ! command -v apt-get > /dev/null || ! command -v dpkg-query > /dev/null; then
    say "no apt-get here; going on with what there is (needed: $(echo $packages))"
    exit 0
fi

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2> /dev/null)" = installed ]; }

# any_installed A|B: whether one of the alternatives is installed.
any_installed() {
    for one in $(echo "$1" | tr '|' ' '); do
        if installed "$one"; then return 0; fi
    done
    return 1
}

# Mesa 25's llvmpipe computes several times faster than Debian 12's own; it is in Debian's backports.
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
mesa_wanted() {
    [ "$codename" = bookworm ] || return 1
    version=$(dpkg-query -W -f '${Version}' mesa-vulkan-drivers 2> /dev/null) || return 0
    dpkg --compare-versions "${version:-0}" lt 25
}

missing=""
for package in $packages $optional; do
    any_installed "$package" || missing="$missing $package"
done
if [ -z "$missing" ] && ! mesa_wanted; then
    say "all that is needed is there"
    exit 0
fi

if [ "$(id -u)" = 0 ]; then
    as_root() { env DEBIAN_FRONTEND=noninteractive "$@"; }
elif command -v sudo > /dev/null; then
    as_root() { sudo env DEBIAN_FRONTEND=noninteractive "$@"; }
else
    say "these packages are missing, and installing them takes root or sudo:$missing"
    exit 1
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { as_root apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -o Acquire::http::Timeout=30 "$@" > "$log" 2>&1; }

# A failing third-party source must not stop packages that do not come from it. So only missing packages count as a failure.
update() {
    say "$1"
    apt update || say "apt-get update had complaints, of which the first: $(grep -m 1 '^[EW]:' "$log" || true)"
}

# shellcheck source=tools/mirror.sh
. "$(dirname "$0")/mirror.sh"
mirror() { debian_mirror "$codename"; }

backports_known() { apt-cache policy 2> /dev/null | grep -q "n=bookworm-backports"; }

list=/etc/apt/sources.list.d/pumice-backports.list
if mesa_wanted && ! backports_known && [ -n "$(mirror)" ]; then
    key=/usr/share/keyrings/debian-archive-keyring.gpg
    signed=""
    [ ! -e $key ] || signed="[signed-by=$key] "
    say "adding Debian's backports to apt's sources, for Mesa 25 ($list)"
    echo "deb ${signed}$(mirror) bookworm-backports main" > "$log"
    as_root cp "$log" $list
    as_root chmod 644 $list
fi
update "reading the package lists"

candidate() { apt-cache policy "$1" 2> /dev/null | grep -q 'Candidate: [^(]'; }

# choose A|B: the first alternative that can be had, or nothing.
choose() {
    for one in $(echo "$1" | tr '|' ' '); do
        if candidate "$one"; then echo "$one"; return; fi
    done
}

if mesa_wanted; then
    if backports_known; then
        say "installing Mesa 25 from bookworm-backports"
        apt install -y --no-install-recommends -t bookworm-backports mesa-vulkan-drivers ||
            say "Mesa from backports could not be installed: $(tail -n 1 "$log"); going on with Debian 12's own, which is slower"
    else
        say "Debian's backports cannot be reached; going on with Debian 12's own Mesa, which is slower"
        as_root rm -f $list
    fi
fi

wanted=""
for package in $packages; do
    any_installed "$package" && continue
    chosen=$(choose "$package")
    if [ -z "$chosen" ]; then
        say "no package $package can be had from this machine's package sources: add Debian's main (Ubuntu: universe) to them"
        exit 1
    fi
    wanted="$wanted $chosen"
done
for package in $optional; do
    any_installed "$package" && continue
    chosen=$(choose "$package")
    if [ -n "$chosen" ]; then wanted="$wanted $chosen"; else say "no package $package here: what needs it will be left out"; fi
done
if [ -n "$wanted" ]; then
    say "installing$wanted"
    # shellcheck disable=SC2086
    if ! apt install -y --no-install-recommends $wanted; then
        cat "$log" >&2
        say "apt-get could not install them"
        exit 1
    fi
fi
say "done"
