#!/bin/sh
# Packages: both libraries export pm_* alone and live beside other meanings of their private names; an installed Pumice that was moved is found by
# pkg-config and find_package, shared and static; add_subdirectory leaves the project around it as it was; cpack's packages can be unpacked and run.
# The examples of examples/ are built and run.
# usage: check_packages.sh BUILD-DIR C-COMPILER CMAKE CPACK, from the project's root
set -eu
build=$(cd "$1" && pwd) compiler=$2 cmake=$3 cpack=$4
source=$(pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export LC_ALL=C XDG_CACHE_HOME="$dir/cache"
unset DESTDIR CMAKE_PREFIX_PATH PKG_CONFIG_PATH PKG_CONFIG_LIBDIR LD_LIBRARY_PATH

die() { echo "FAILED: $*"; exit 1; }
skipped() { echo "skipped: $*"; }
has_tool() { command -v "$1" > /dev/null; }
# quiet COMMAND …: its output is shown only where it fails.
quiet() { "$@" > "$dir/log" 2>&1 || { cat "$dir/log"; die "$*"; }; }
# flags OPTION …: pkg-config's answer about the moved package.
flags() { PKG_CONFIG_PATH=$(dirname "$pc") pkg-config "$@" pumice; }

warnings="-Wall -Wextra -Wpedantic -Werror"

# ---- installing: DESTDIR, another prefix, and then the folder moves ----
DESTDIR=$dir/stage quiet "$cmake" --install "$build" --prefix /opt/pumice
[ "$(cd "$dir/stage" && ls)" = opt ] || die "cmake --install wrote outside of DESTDIR/opt"
mv "$dir/stage/opt/pumice" "$dir/moved"
prefix=$dir/moved
pc=$(find "$prefix" -name pumice.pc)
so=$(find "$prefix" -name 'libpumice.so')
archive=$(find "$prefix" -name libpumice.a)
lib=$(dirname "$so")
[ -s "$prefix/share/doc/pumice/notices.md" ] || die "cmake --install left out the licences"
for file in "$pc" "$lib"/cmake/pumice/*; do
    for place in "$build" "$source" "$dir/stage" /opt/pumice; do
        ! grep -qF "$place" "$file" || die "$file names the folder $place"
    done
done

# ---- exported symbols ----
version=$(sed -n 's/^#define PM_VERSION "\(.*\)"/\1/p' include/pumice/pumice.h)
[ "$(readelf -d "$so" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')" = "libpumice.so.${version%.*}" ] || die "the SONAME is not libpumice.so.${version%.*}"
[ "$(basename "$(readlink -f "$so")")" = "libpumice.so.$version" ] || die "libpumice.so is not libpumice.so.$version"
# names FILE …: the global names that it defines.
names() { nm -g --defined-only "$@" | awk 'NF == 3 { print $3 }' | sort -u; }
names -D "$so" > "$dir/exported"
! grep -v '^pm_' "$dir/exported" || die "libpumice.so exports these names, which do not begin with pm_"
grep -rhoE 'PM_API [^;]*' include/pumice | grep -oE 'pm_[a-z0-9_]+\(' | tr -d '(' | sort -u > "$dir/declared"
cmp -s "$dir/exported" "$dir/declared" || { diff "$dir/declared" "$dir/exported" || true; die "the headers declare (<) other functions than libpumice.so exports (>)"; }
names "$archive" > "$dir/archived"
localized=true
! grep -qv '^pm_' "$dir/archived" || localized=false
! grep -q 'PUMICE_LOCALIZED:BOOL=ON' "$build/CMakeCache.txt" || $localized || die "libpumice.a has global names that do not begin with pm_"

# ---- a program that means other things by the private names ----
names "$build/libpumice_internal.a" | grep -v '^pm_' > "$dir/private"
[ "$(wc -l < "$dir/private")" -gt 500 ] || die "libpumice_internal.a has hardly any private names"
for name in file_read log_line vkCreateInstance volkInitialize; do
    grep -qx $name "$dir/private" || die "the private names lack $name, which the engine has"
done
bundled=false
! grep -q 'PUMICE_BUNDLE:BOOL=ON' "$build/CMakeCache.txt" || bundled=true
dependencies=$(sed -n 's/^\(CJSON\|PCRE2\|UTF8PROC\)_LIBRARY:FILEPATH=//p' "$build/CMakeCache.txt")
if $bundled; then # the dependencies' names, too
    for file in $dependencies; do names "$file"; done >> "$dir/private"
fi
{ echo 'void abort(void);'; sed 's/.*/void &(void) { abort(); }/' "$dir/private"; } > "$dir/other.c"
quiet "$compiler" -w -fno-builtin -fPIE -c "$dir/other.c" -o "$dir/other.o"
# Other copies of the dependencies, where they can be had as archives.
programs="$dir/other.o"
copies=""
for name in pcre2-8 utf8proc cjson; do
    file=$("$compiler" -print-file-name=lib$name.a)
    [ ! -e "$file" ] || copies="$copies $file"
done
if ! $bundled && [ -n "$copies" ]; then
    # shellcheck disable=SC2086
    quiet "$compiler" -r -nostdlib -o "$dir/copies.o" -Wl,--whole-archive $copies
    programs="$programs $dir/copies.o"
fi

# program NAME LINKED …: builds package_program, runs it, and compares what it prints with the first one's.
program() {
    name=$1
    shift
    quiet "$compiler" -std=c11 $warnings -Iinclude tests/package_program.c "$@" -o "$dir/$name"
    mkdir "$dir/$name.out"
    LD_LIBRARY_PATH=$lib "$dir/$name" "$dir/$name.out" > "$dir/$name.txt" || die "package_program, linked $name"
    cmp "$dir/internal.txt" "$dir/$name.txt" || die "package_program, linked $name, has other results"
}
has_tool pkg-config || { skipped "no pkg-config"; exit 77; }
# shellcheck disable=SC2086
program internal "$build/libpumice_internal.a" $dependencies -lm -ldl
cat "$dir/internal.txt"
# shellcheck disable=SC2046,SC2086
program shared $programs $(flags --libs)
if $localized; then
    # shellcheck disable=SC2046,SC2086
    program static $programs "$archive" $(flags --libs-only-l --static | sed 's/-lpumice //')
else
    skipped "libpumice.a has its private names, for lack of objcopy"
fi

# ---- the examples ----
for i in 1 2 3 4 5 6 7 8 9; do echo "pumice floats on water; basalt sinks in water, $i times"; done > "$dir/text"
# trains PROGRAM: the C example, built in some way, trains and writes a model.
trains() {
    rm -rf "$dir/model"
    LD_LIBRARY_PATH=$2 "$1" "$dir/text" "$dir/model" 20 > "$dir/out" || die "$1 failed"
    grep -q '^step 20: loss [0-4]\.' "$dir/out" || { cat "$dir/out"; die "$1 did not train"; }
    [ -s "$dir/model/model.safetensors" ] || die "$1 wrote no model"
}
# contains_library PROGRAM: whether it needs no libpumice.so.
contains_library() { ! readelf -d "$1" | grep -q 'NEEDED.*libpumice'; }

quiet "$compiler" -std=c11 $warnings examples/train.c $(flags --cflags --libs) -o "$dir/train"
! contains_library "$dir/train" || die "pkg-config --libs linked the static library"
trains "$dir/train" "$lib"
mv "$lib"/libpumice.so* "$dir" # so that -lpumice means the archive
quiet "$compiler" -std=c11 $warnings examples/train.c $(flags --cflags --libs --static) -o "$dir/train-static"
mv "$dir"/libpumice.so* "$lib"
contains_library "$dir/train-static" || die "pkg-config --static linked the shared library"
trains "$dir/train-static" ""

for static in OFF ON; do
    quiet "$cmake" -S examples -B "$dir/examples-$static" -DCMAKE_C_COMPILER="$compiler" -DCMAKE_PREFIX_PATH="$prefix" -DSTATIC=$static \
        -DCMAKE_C_FLAGS="$warnings" -DCMAKE_CXX_FLAGS="$warnings"
    quiet "$cmake" --build "$dir/examples-$static"
    trains "$dir/examples-$static/train" ""
    for program in generate generate_cpp; do
        "$dir/examples-$static/$program" "$dir/model" pumice 10 > "$dir/out" || die "the example $program failed"
        grep -q '^pumice.' "$dir/out" || { cat "$dir/out"; die "the example $program wrote nothing"; }
    done
    XDG_CACHE_HOME="$dir/unused-$static" "$dir/examples-$static/from_memory" "$dir/model" pumice 10 > "$dir/out" || die "examples/from_memory.c failed"
    grep -q '^pumice.' "$dir/out" && grep -q '^[1-9][0-9]* bytes to keep' "$dir/out" || { cat "$dir/out"; die "examples/from_memory.c wrote or kept nothing"; }
    [ ! -e "$dir/unused-$static/pumice" ] || die "examples/from_memory.c: Pumice wrote to its cache folder"
    "$dir/examples-$static/cancel" "$dir/text" "$dir/stopped" 12 3 > "$dir/out" 2>&1 || { cat "$dir/out"; die "examples/cancel.c failed"; }
    grep -q '^[1-3] cancels' "$dir/out" && grep -q 'those of an undisturbed run' "$dir/out" || { cat "$dir/out"; die "examples/cancel.c: other weights"; }
    for steps in 20 40; do
        "$dir/examples-$static/resume" "$dir/text" "$dir/resumed-$static" $steps > "$dir/out" 2>&1 || { cat "$dir/out"; die "examples/resume.c failed"; }
    done
    grep -q '^40 of 40 steps are saved, 20 of them before' "$dir/out" || { cat "$dir/out"; die "examples/resume.c did not go on"; }
    "$dir/examples-$static/embed_vulkan" 40 > "$dir/out" 2>&1 || { cat "$dir/out"; die "examples/embed_vulkan.c failed"; }
    grep -q ': loss [01]\.[0-9]* after 40 steps' "$dir/out" || { cat "$dir/out"; die "examples/embed_vulkan.c did not train"; }
done
! contains_library "$dir/examples-OFF/train" || die "find_package(pumice) linked the static library"
contains_library "$dir/examples-ON/train" || die "find_package(pumice COMPONENTS static) linked the shared library"

if has_tool python3; then
    python3 examples/pumice.py "$so" "$dir/text" 60 > "$dir/out" || die "examples/pumice.py failed"
    loss=$("$dir/examples-OFF/train" "$dir/text" "$dir/model" 60 | tail -n 1)
    grep -q '^device 0: ' "$dir/out" && grep -qx "$loss" "$dir/out" && grep -q '^pumice' "$dir/out" ||
        { cat "$dir/out"; die "examples/pumice.py did not list, write and train to the C example's $loss"; }
else
    skipped "no python3: examples/pumice.py"
fi

# ---- versions that find_package takes ----
# found VERSION: whether a project that asks for it gets this one.
found() {
    mkdir -p "$dir/asks"
    printf 'cmake_minimum_required(VERSION 3.20)\nproject(asks LANGUAGES C)\nfind_package(pumice %s REQUIRED)\n' "$1" > "$dir/asks/CMakeLists.txt"
    "$cmake" -S "$dir/asks" -B "$dir/asks/build" -DCMAKE_PREFIX_PATH="$prefix" > "$dir/log" 2>&1
}
minor=${version#*.}
minor=${minor%%.*}
found "${version%.*}" || { cat "$dir/log"; die "find_package(pumice ${version%.*}) does not find $version"; }
! found "${version%%.*}.$((minor + 1))" || die "find_package takes $version for a later minor version"
[ "$minor" = 0 ] || ! found "${version%%.*}.$((minor - 1))" || die "find_package takes $version for an earlier minor version"
! found "${version%.*}.99" || die "find_package takes $version for a later patch version"

# ---- in another project's tree ----
mkdir "$dir/parent"
cat > "$dir/parent/CMakeLists.txt" << END
cmake_minimum_required(VERSION 3.20)
project(parent LANGUAGES C)
add_subdirectory("$source" pumice)
add_executable(train "$source/examples/train.c")
target_link_libraries(train PRIVATE pumice::pumice)
get_directory_property(options COMPILE_OPTIONS)
get_directory_property(definitions COMPILE_DEFINITIONS)
get_target_property(kind pumice::pumice TYPE)
message(STATUS "kind <\${kind}> type <\${CMAKE_BUILD_TYPE}> options <\${options}\${definitions}> visibility <\${CMAKE_C_VISIBILITY_PRESET}>")
foreach(target pumice_cli test_helpers)
  if(TARGET \${target})
    message(FATAL_ERROR "\${target} is there")
  endif()
endforeach()
END
# parent KIND OPTION …: configures it.
parent() {
    kind=$1
    shift
    rm -rf "$dir/parent/build"
    quiet "$cmake" -S "$dir/parent" -B "$dir/parent/build" -DPUMICE_KERNELS="$build/shaders" "$@"
    grep -qF "kind <$kind> type <> options <> visibility <>" "$dir/log" || { cat "$dir/log"; die "add_subdirectory changed the project around it"; }
}
parent STATIC_LIBRARY
parent SHARED_LIBRARY -DBUILD_SHARED_LIBS=ON
DESTDIR=$dir/none quiet "$cmake" --install "$dir/parent/build"
[ ! -e "$dir/none" ] || [ -z "$(find "$dir/none" -type f)" ] || die "add_subdirectory installs Pumice with the project around it"

# ---- archives and packages ----
(cd "$build" && quiet "$cpack" -B "$dir/packed")
mkdir "$dir/unpacked"
tar -xzf "$dir"/packed/pumice-"$version"-*.tar.gz -C "$dir/unpacked"
"$dir"/unpacked/*/bin/pumice --version > /dev/null || die "the program of the .tar.gz does not run"
LD_LIBRARY_PATH=$(dirname "$(find "$dir/unpacked" -name libpumice.so)") "$dir/train" "$dir/text" "$dir/model" 1 > /dev/null ||
    die "the library of the .tar.gz does not run"
if has_tool dpkg-deb && has_tool dpkg-shlibdeps; then
    (cd "$build" && quiet "$cpack" -G DEB -B "$dir/packed")
    for name in "libpumice${version%.*}" libpumice-dev pumice; do
        dpkg-deb -x "$dir"/packed/${name}_"$version"_*.deb "$dir/root" || die "no package $name"
        dpkg-deb -f "$dir"/packed/${name}_"$version"_*.deb Depends > "$dir/$name.depends"
    done
    # depends PACKAGE PATTERN: on what it does.
    depends() { grep -q "$2" "$dir/$1.depends" || die "the package $1 depends on: $(cat "$dir/$1.depends"); $2 is missing"; }
    depends pumice 'libc6 '
    depends libpumice-dev "libpumice${version%.*} (= $version)"
    if ! $bundled; then
        depends pumice 'libcjson1 '
        depends "libpumice${version%.*}" 'libcjson1 .*libpcre2-8-0 .*libutf8proc'
        depends libpumice-dev libcjson-dev
    fi
    "$dir/root/usr/bin/pumice" --version > /dev/null || die "the program of the .deb does not run"
    deb_lib=$(dirname "$(find "$dir/root/usr" -name libpumice.so)")
    LD_LIBRARY_PATH=$deb_lib "$dir/train" "$dir/text" "$dir/model" 1 > /dev/null || die "the library of the .deb does not run"
else
    skipped "no dpkg: the .deb packages"
fi
echo "packages: done"
