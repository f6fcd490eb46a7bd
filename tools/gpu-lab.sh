#!/bin/sh
# Compilers of GPUs that are not there, for `pumice kernel --target`: Mesa's drivers for Adreno, Mali and VideoCore. For these and Intel also small
# libraries ("shims") in place of the kernel driver, which accept every call and run nothing. AMD needs neither.
#     sh tools/gpu-lab.sh [setup] [-j JOBS]     builds them once (5 minutes on 2 cores) into pumice/gpu-lab in the user's cache folder
#     sh tools/gpu-lab.sh table [PUMICE]        what each default kernel costs on each GPU, written to gpu-costs.md beside PUMICE
# Debian 12 or later, as root or with sudo. The source is that of the installed mesa-vulkan-drivers; nothing is installed but packages.
set -eu

say() { echo "gpu-lab: $*" >&2; }
fail() { say "$*"; exit 1; }

here=$(cd "$(dirname "$0")/.." && pwd)
case ${XDG_CACHE_HOME:-} in
/*) lab=$XDG_CACHE_HOME/pumice/gpu-lab ;;
*) lab=$HOME/.cache/pumice/gpu-lab ;; # relative paths do not count (XDG base directories)
esac
what=setup jobs=$(nproc) pumice=$here/build/pumice
while [ $# -gt 0 ]; do
    case $1 in
    setup) ;;
    table) what=table ;;
    -j) shift; jobs=${1:?-j needs a number} ;;
    -j*) jobs=${1#-j} ;;
    *) if [ $what = table ] && [ -x "$1" ]; then pumice=$1; else say "unknown word '$1': give setup, table [PUMICE] or -j N"; exit 2; fi ;;
    esac
    shift
done

if [ $what = table ]; then
    [ -x "$pumice" ] || fail "$pumice is not there: build Pumice first, or give the program: gpu-lab.sh table PUMICE"
    sh "$0" setup -j "$jobs"
    table=$(cd "$(dirname "$pumice")" && pwd)/gpu-costs.md
    new=$table.new
    # A kernel that cannot be built is part of the table, and of the exit code.
    code=0
    "$pumice" kernel --builtin all --target all --markdown > "$new" || code=$?
    [ -s "$new" ] || { rm -f "$new"; exit 1; }
    mv "$new" "$table"
    say "$table written"
    exit $code
fi

# ---- is it done already? ----------------------------------------------------------------------------------------------------------
command -v dpkg-query > /dev/null || fail "this needs Debian's or Ubuntu's packages; there is no dpkg-query"
version=$(dpkg-query -W -f '${source:Version}' mesa-vulkan-drivers 2> /dev/null) ||
    fail "the package mesa-vulkan-drivers is not installed: run sh tools/setup.sh first"
upstream=${version#*:}
upstream=${upstream%-*}
stamp="mesa $version recipe 1" # count up when the recipe below changes
if [ "$(cat "$lab/done" 2> /dev/null)" = "$stamp" ]; then
    say "$lab is there already, of Mesa $version"
    exit 0
fi
say "Mesa $version: going to $lab, with $jobs jobs"

# ---- packages ---------------------------------------------------------------------------------------------------------------------
# libudev-dev is left out: it would upgrade the running systemd, and nothing here needs it.
# Debian 12's own meson and libdrm are too old for the Mesa of its backports.
backports=false
case $version in *bpo12*) backports=true ;; esac
old() { $backports && dpkg --compare-versions "$(dpkg-query -W -f '${Version}' "$1")" lt "$2"; }
packages="gcc g++ ninja-build xz-utils pkg-config python3-mako python3-yaml python3-packaging bison flex glslang-tools zlib1g-dev libexpat1-dev meson libdrm-dev"
missing=""
for package in $packages; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null)" = installed ] || missing="$missing $package"
done
case " $missing " in *" meson "*) ;; *) ! old meson 1.4 || missing="$missing meson" ;; esac
case " $missing " in *" libdrm-dev "*) ;; *) ! old libdrm-dev 2.4.121 || missing="$missing libdrm-dev" ;; esac
if [ -n "$missing" ]; then
    say "installing$missing"
    as_root() { env DEBIAN_FRONTEND=noninteractive "$@"; }
    if [ "$(id -u)" != 0 ]; then
        command -v sudo > /dev/null || fail "installing takes root or sudo"
        as_root() { sudo env DEBIAN_FRONTEND=noninteractive "$@"; }
    fi
    $backports && missing=$(echo "$missing " | sed 's: meson : meson/bookworm-backports :; s: libdrm-dev : libdrm-dev/bookworm-backports :')
    log=$(mktemp)
    as_root apt-get -qq -o DPkg::Lock::Timeout=300 update > "$log" 2>&1 || true
    # shellcheck disable=SC2086
    as_root apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends $missing > "$log" 2>&1 || {
        cat "$log" >&2
        fail "apt-get could not install them"
    }
    rm -f "$log"
fi

# ---- source -----------------------------------------------------------------------------------------------------------------------
# A private copy of the machine's package lists, with sources instead of binaries; the machine's own lists stay as they are.
work=$lab/work
mkdir -p "$work" "$lab/lib"
rm -f "$lab/done"
cd "$work"
if [ ! -e "mesa-$upstream/meson.build" ]; then
    rm -rf apt "mesa-$upstream"
    mkdir -p apt/parts apt/lists/partial
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ ! -e "$file" ] || sed -n 's/^deb[[:space:]]/deb-src /p' "$file" > "apt/parts/$(basename "$file" .list).list"
    done
    for file in /etc/apt/sources.list.d/*.sources; do
        [ ! -e "$file" ] || sed 's/^Types:.*/Types: deb-src/' "$file" > "apt/parts/$(basename "$file")"
    done
    private="-qq -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=$work/apt/parts -o Dir::State::lists=$work/apt/lists"
    say "fetching Mesa's source"
    # shellcheck disable=SC2086
    apt-get $private update > apt/log 2>&1 || true
    # Only the upstream archive is needed, and apt-get checks it. A mirror still has it after it has dropped the rest of that version.
    # shellcheck disable=SC2086
    apt-get $private source --tar-only "mesa=$version" > apt/log 2>&1 || true
    archive=$(ls mesa_"$upstream".orig.tar.* 2> /dev/null | grep -v '\.asc$' | head -n 1)
    [ -n "$archive" ] || { tail -n 3 apt/log >&2; fail "the source of mesa $version cannot be had from this machine's package sources"; }
    rm -rf unpacked
    mkdir unpacked
    tar xf "$archive" -C unpacked
    mv unpacked/* "mesa-$upstream"
    rm -rf unpacked mesa_"$upstream".orig.tar.*
fi
cd "mesa-$upstream"

# ---- two changes to the shims -----------------------------------------------------------------------------------------------------
# patch_once FILE ANCHOR: puts stdin behind the first line that matches, once.
patch_once() {
    if grep -q 'pumice' "$1"; then
        cat > /dev/null
        return
    fi
    grep -q "$2" "$1" || fail "$1 of Mesa $upstream is not as expected: no line with $2"
    cat > "$1.insert"
    awk -v anchor="$2" -v insert="$1.insert" '{ print } !done && $0 ~ anchor { while ((getline line < insert) > 0) print line; done = 1 }' \
        "$1" > "$1.new"
    mv "$1.new" "$1"
    rm "$1.insert"
}

# Adreno: FD_SHIM_CHIP_ID=0x… names any chip. The three-digit number is then 0, as on newer chips, and the driver uses the chip's number.
patch_once src/freedreno/drm-shim/freedreno_noop.c 'struct drm_msm_param \*gp = arg;' << 'END'
   const char *pumice_chip = getenv("FD_SHIM_CHIP_ID");
   if (pumice_chip && (gp->param == MSM_PARAM_CHIP_ID || gp->param == MSM_PARAM_GPU_ID)) {
      gp->value = gp->param == MSM_PARAM_CHIP_ID ? strtoul(pumice_chip, NULL, 0) : 0;
      return 0;
   }
END

# VideoCore: the driver asks for parameters that the shim does not know. V3D_SHIM_VER=71 is the Raspberry Pi 5. The compiler reads only the version
# from the two identity words: "V3D" and the major number; the minor number in the low digit.
patch_once src/broadcom/drm-shim/v3d_noop.c 'struct drm_v3d_get_param \*gp = arg;' << 'END'
        const char *pumice_version = getenv("V3D_SHIM_VER");
        const int pumice_71 = pumice_version && atoi(pumice_version) == 71;
        switch (gp->param) {
        case DRM_V3D_PARAM_SUPPORTS_MULTISYNC_EXT:
        case DRM_V3D_PARAM_SUPPORTS_CPU_QUEUE: gp->value = 1; return 0;
        case DRM_V3D_PARAM_MAX_PERF_COUNTERS:
        case DRM_V3D_PARAM_SUPPORTS_SUPER_PAGES: gp->value = 0; return 0;
        case DRM_V3D_PARAM_V3D_CORE0_IDENT0: if (pumice_71) { gp->value = 0x07443356; return 0; } break;
        case DRM_V3D_PARAM_V3D_CORE0_IDENT1: if (pumice_71) { gp->value = 0x81001431; return 0; } break;
        default: break;
        }
END

# ---- building ---------------------------------------------------------------------------------------------------------------------
# Debian's own python3, meson and ninja, whatever else is on the PATH; no downloads of subprojects.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH
common="--wrap-mode=nodownload -Dbuildtype=release -Dgallium-drivers= -Dplatforms= -Dglx=disabled -Degl=disabled -Dgbm=disabled -Dopengl=false
        -Dgles1=disabled -Dgles2=disabled -Dllvm=disabled -Dvideo-codecs= -Dzstd=disabled -Dlibunwind=disabled -Dvalgrind=disabled"

# build FOLDER DRIVERS TOOLS TARGET…
build() {
    folder=$1 drivers=$2 tools=$3
    shift 3
    if [ ! -e "$work/$folder/build.ninja" ]; then
        # shellcheck disable=SC2086
        meson setup "$work/$folder" $common -Dvulkan-drivers="$drivers" -Dtools="$tools" > "$work/log" 2>&1 || {
            tail -n 5 "$work/log" >&2
            fail "meson could not configure Mesa $upstream ($work/log)"
        }
    fi
    for target in "$@"; do
        say "building $(basename "$target")"
        ninja -C "$work/$folder" -j "$jobs" "$target" > "$work/log" 2>&1 || {
            tail -n 5 "$work/log" >&2
            fail "$target could not be built ($work/log)"
        }
        cp "$work/$folder/$target" "$lab/lib/"
    done
}

# icd NAME: the file that leads the Vulkan loader to a driver.
icd() {
    printf '{"file_format_version": "1.0.0", "ICD": {"library_path": "%s", "api_version": "1.3.0"}}\n' "$lab/lib/libvulkan_$1.so" > "$lab/$1.json"
}

build intel "" drm-shim,intel src/intel/tools/libintel_noop_drm_shim.so
build mobile broadcom,freedreno,panfrost drm-shim \
    src/broadcom/drm-shim/libv3d_noop_drm_shim.so src/broadcom/vulkan/libvulkan_broadcom.so \
    src/freedreno/drm-shim/libfreedreno_noop_drm_shim.so src/freedreno/vulkan/libvulkan_freedreno.so \
    src/panfrost/drm-shim/libpanfrost_noop_drm_shim.so src/panfrost/vulkan/libvulkan_panfrost.so
icd broadcom
icd freedreno
icd panfrost
echo "$stamp" > "$lab/done"
rm -rf "$work"
say "done: pumice kernel FILE --target dg2, a740, g610, v71 and others"
