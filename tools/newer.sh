#!/bin/sh
# A newer glslc, which knows cooperative matrices, and a newer Mesa, whose llvmpipe has them, for Debian 12. They come from Debian 13 and its
# backports, with their own C library, and are unpacked into pumice/newer in the user's cache folder (260 MB). Nothing is installed, and no root is
# needed.
#     sh tools/newer.sh          prints the folder; in it: glslc, spirv-val, run PROGRAM [ARGUMENT …] (with that C library), lvp_icd.json (for VK_DRIVER_FILES)
#     sh tools/newer.sh stock    the other way round: Debian 12's own Mesa 22.3, in pumice/stock (280 MB); its folder has run and lvp_icd.json
# Fails where there is no apt-get or the packages cannot be had. Scripts that use the folder then work without it.
set -eu

say() { echo "newer: $*" >&2; }
fail() { say "$*"; exit 1; }

# shellcheck source=tools/mirror.sh
. "$(dirname "$0")/mirror.sh"
what=${1:-newer}
case $what in
newer)
    suites="trixie trixie-backports" programs="glslc spirv-val" saying="glslc and Mesa of Debian 13"
    packages="-t trixie-backports install mesa-vulkan-drivers libvulkan1 glslc/trixie libshaderc1/trixie spirv-tools/trixie"
    ;;
stock) suites=bookworm programs="" saying="Mesa of Debian 12" packages="install mesa-vulkan-drivers libvulkan1" ;;
*) say "unknown word '$what': give stock or nothing"; exit 2 ;;
esac
case ${XDG_CACHE_HOME:-} in
/*) dir=$XDG_CACHE_HOME/pumice/$what ;;
*) dir=$HOME/.cache/pumice/$what ;; # relative paths do not count (XDG base directories)
esac
stamp="recipe 2" # count up when it changes
if [ "$(cat "$dir/done" 2> /dev/null)" = "$stamp" ]; then
    echo "$dir"
    exit 0
fi
if ! command -v apt-get > /dev/null || ! command -v dpkg > /dev/null; then fail "this needs apt-get and dpkg"; fi
from=$(debian_mirror "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")")
[ -n "$from" ] || fail "this machine's package sources name no Debian mirror"

new=$dir.new
rm -rf "$new"
mkdir -p "$new/apt/lists/partial" "$new/apt/cache/archives/partial" "$new/root"
trap 'rm -rf "$new"' EXIT
key=/usr/share/keyrings/debian-archive-keyring.gpg
for suite in $suites; do echo "deb [signed-by=$key] $from $suite main"; done > "$new/apt/sources.list"
: > "$new/apt/status" # as if nothing were installed, so that all dependencies are fetched

apt() {
    apt-get -qq -o Dir::Etc::sourcelist="$new/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists="$new/apt/lists" \
        -o Dir::Cache="$new/apt/cache" -o Dir::State::status="$new/apt/status" -o Debug::NoLocking=1 -o APT::Install-Recommends=0 \
        -o APT::Sandbox::User=root -o Acquire::Retries=3 -o Acquire::http::Timeout=30 "$@" > "$new/log" 2>&1 ||
        fail "apt-get: $(grep -m 1 '^[EW]:' "$new/log" || tail -n 1 "$new/log")"
}
say "fetching $saying"
apt update
# shellcheck disable=SC2086
apt -y --download-only $packages
for package in "$new"/apt/cache/archives/*.deb; do dpkg -x "$package" "$new/root"; done
rm -rf "$new/apt" "$new/log"

rm -rf "$dir"
mv "$new" "$dir"
loader=$(find "$dir/root" -type f -name 'ld-linux*.so.*' | head -n 1)
libraries=$(dirname "$loader")
drivers=$(dirname "$(find "$dir/root" -name libvulkan_lvp.so)")
host=/usr/lib/$(basename "$libraries") # for files that are not among the unpacked ones
printf '#!/bin/sh\nexec "%s" --library-path "%s:%s:%s" "$@"\n' "$loader" "$libraries" "$drivers" "$host" > "$dir/run"
for program in $programs; do
    printf '#!/bin/sh\nexec "%s/run" "%s/root/usr/bin/%s" "$@"\n' "$dir" "$dir" "$program" > "$dir/$program"
    chmod +x "$dir/$program"
done
chmod +x "$dir/run"
sed "s#\"library_path\": \".*lib\(vulkan_lvp\)#\"library_path\": \"$drivers/lib\1#" "$dir"/root/usr/share/vulkan/icd.d/lvp_icd*.json > "$dir/lvp_icd.json"
grep -q "$drivers" "$dir/lvp_icd.json" || fail "Mesa's manifest has another form than expected"
[ -z "$programs" ] || "$dir/glslc" --version > /dev/null || fail "its glslc does not run here"
echo "$stamp" > "$dir/done"
echo "$dir"
