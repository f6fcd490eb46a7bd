#!/bin/sh
# The sources ask for nothing that Microsoft's compiler lacks, as far as clang's target for it can tell. No file uses a GNU extension, a part of C11 that
# cl has not, or a function that its C library has not: tests/msvc/ declares what that library has. Files named _win32.c need windows.h, which is
# mingw-w64's. cl itself is on no machine of ours.
# usage: check_msvc.sh KERNELS-FOLDER INCLUDE-FOLDER …, from the project's root: the build's shaders/, and where Vulkan's headers and others are
set -eu
if ! command -v clang > /dev/null; then
    echo "skipped: no clang"
    exit 77
fi
kernels=$1
shift
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# Other libraries' headers by name: the folder that they are in has glibc's, too.
mkdir "$dir/include"
for folder in "$@"; do
    for name in vulkan vk_video volk.h volk.c cjson pcre2.h utf8proc.h shaderc spirv-tools; do
        if [ -e "$folder/$name" ] && [ ! -e "$dir/include/$name" ]; then ln -s "$folder/$name" "$dir/include"; fi
    done
    for file in "$folder"/stb_*.h; do if [ -e "$file" ]; then ln -sf "$file" "$dir/include"; fi; done
done

# Words of C11 that cl has only behind an option or not at all, and GNU's, which -pedantic takes for granted in their __form__.
words="_Atomic _Complex _Imaginary _Thread_local __thread asm __asm__ typeof __typeof__ __extension__ __int128 __attribute__(x)"
flags="--target=x86_64-pc-windows-msvc -fms-compatibility-version=19.29 -std=c11 -fsyntax-only -Werror -pedantic-errors -Wall -Wextra -Wvla -Wgnu
       -Wmicrosoft -DPCRE2_STATIC -DUTF8PROC_STATIC -Iinclude -Iengine -Ishaders -I$kernels -isystem tests/msvc -isystem $dir/include"
own=$flags
if [ -e "$dir/include/shaderc" ] && [ -e "$dir/include/spirv-tools" ]; then own="$own -DPUMICE_SHADERC=1 -DPUMICE_SPIRV_TOOLS=1"; fi
for word in $words; do own="$own -D$word=NOT_A_WORD_OF_MSVC"; done
# mingw-w64's windows.h is for GNU's compilers, or one that says that it is. It has POSIX's names for the C library's functions only where asked.
windows=/usr/share/mingw-w64/include
for_windows="$flags -U_MSC_VER -fgnuc-version=4.2.1 -DNO_OLDNAMES -isystem $windows"

# check FILE …: whether clang takes them, and whether no builtin is in them.
check() {
    # shellcheck disable=SC2086
    clang $own -ffreestanding "$@" && ! grep -nE '__(builtin|sync|atomic)_' /dev/null "$@"
}

# ---- what must be refused ----
echo 'int f(int x) { return x; }' > "$dir/fine.c"
check "$dir/fine.c" || { echo "FAILED: a plain function is refused"; exit 1; }
bad=0
while read -r line; do
    printf '%b\n' "$line" > "$dir/planted.c"
    if check "$dir/planted.c" > /dev/null 2>&1; then echo "FAILED: accepted: $line" && bad=1; fi
done << 'END'
int f(int x) { return ({ int y = x; y; }); }
int f(void) { int a[2] = {}; return a[0]; }
int f(int x) { switch (x) { case 1 ... 3: return 1; } return 0; }
int f(void) { return 0b11; }
int f(int n) { int a[n]; a[0] = n; return a[0]; }
int f(int x) { __typeof__(x) y = x; return y; }
int f(int x) { typeof(x) y = x; return y; }
__attribute__((unused)) static int f(void) { return 1; }
int f(int x) { return __builtin_expect(x, 0); }
int f(int x) { return x ?: 1; }
struct s { int count; int none[0]; };
struct s { };
void *f(void *p) { return p + 1; }
int f(int x) { void *to[] = {&&one}; goto *to[0]; one: return x; }
_Atomic int x;
_Complex double x;
_Thread_local int x;
__int128 x;
int f(void) { __asm__("nop"); return 1; }
#include <unistd.h>
#include <stdatomic.h>
#include <string.h>\nchar *f(const char *x) { return strdup(x); }
#include <stdio.h>\nssize_t f(void);
#include <math.h>\ndouble f(void) { return M_PI; }
END

# ---- the sources ----
all=$(ls engine/*/*.c apps/pumice/*.c)
files=$(echo "$all" | grep -vE '_(posix|win32)\.c$')
# shellcheck disable=SC2086
echo "$files" | xargs -P "$(getconf _NPROCESSORS_ONLN)" -n 12 clang $own -ffreestanding || bad=1
grep -nE '__(builtin|sync|atomic)_' engine/*/*.[ch] apps/pumice/*.[ch] include/pumice/*.h && bad=1
if [ -e $windows/windows.h ]; then
    # shellcheck disable=SC2086
    echo "$all" | grep '_win32\.c$' | xargs -n 12 clang $for_windows || bad=1
else
    echo "no windows.h (Debian: mingw-w64-common): the files named _win32.c were not looked at"
fi
exit $bad
