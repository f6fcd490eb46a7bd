#!/bin/sh
# A folder includes only itself and what stands below it; Vulkan stays in engine/gpu; the library neither prints nor ends the process.
# usage: check_layers.sh, from the project's root
set -eu
bad=0
fail() { echo "$*"; bad=1; }

# folder: the folders of engine/ that it may include ("." is shaders/)
allowed() {
    case $1 in
    os) echo os ;;
    base) echo base os ;;
    profile) echo profile base os ;;
    gpu) echo gpu profile base os . ;;
    ops) echo ops gpu base os . ;;
    ref) echo ref ops base os . ;;
    graph) echo graph ops gpu base os . ;;
    text) echo text base os ;;
    data) echo data text base os ;;
    model) echo model data text graph ops gpu base os . ;;
    train) echo train model data text graph ops gpu base os . ;;
    infer) echo infer model data text graph ops gpu base os . ;;
    check) echo check train model data text graph ref ops gpu base os . ;;
    bench) echo bench infer train model data text graph ops gpu base os . ;;
    esac
}

for folder in engine/*/; do
    name=$(basename "$folder")
    may=$(allowed "$name")
    if [ -z "$may" ]; then
        fail "$folder: not a layer that check_layers.sh knows"
        continue
    fi
    for file in "$folder"*.c "$folder"*.h; do
        [ -e "$file" ] || continue
        # #include "dir/x.h", or "x.h" of the same folder or of shaders/
        for include in $(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p' "$file"); do
            case $include in
            */*) from=${include%%/*} ;;
            *) if [ -e "$folder$include" ]; then from=$name; else from=.; fi ;;
            esac
            case " $may " in
            *" $from "*) ;;
            *) fail "$file: may not include \"$include\" (engine/$name may include: $may)" ;;
            esac
        done
        # An included name may appear in a comment; a call, a type or an include may not.
        if [ "$name" != gpu ]; then
            found=$(grep -nE '#[[:space:]]*include[[:space:]]*[<"](volk|vulkan)|(^|[^A-Za-z_])Vk[A-Z][a-z]|(^|[^A-Za-z_])vk[A-Z][A-Za-z]*\(' "$file" |
                sed "s|^|$file: Vulkan outside engine/gpu: |")
            [ -z "$found" ] || fail "$found"
        fi
        found=$(grep -nE '(^|[^A-Za-z_])(printf|fprintf|vprintf|vfprintf|puts|putchar|perror|exit|_exit|_Exit|quick_exit|abort)[[:space:]]*\(' "$file" |
            sed "s|^|$file: the library must not print or end the process: |")
        [ -z "$found" ] || fail "$found"
    done
done

# What the host's locale changes: base/number.c and text/json.c alone, which set it aside.
set --
for file in engine/*/*.[ch]; do
    case $file in engine/base/number.c | engine/text/json.c) ;; *) set -- "$@" "$file" ;; esac
done
found=$(grep -nE '(^|[^A-Za-z_])(strto(d|f|ld)|ato[f]|[sf]*scanf|v*sprintf|vsnprintf|is(alpha|alnum|digit|xdigit|space|upper|lower|print|punct|cntrl|graph|blank)|to(lower|upper)|isw[a-z]+|tow[a-z]+|str(coll|xfrm|casecmp|ncasecmp|ftime)|mbr*towc|wcr*tomb|mbs*r*towcs|wcs*r*tombs|setlocale|localeconv|cJSON_(Parse|Print)[A-Za-z]*|cJSON_Minify)[[:space:]]*\(' "$@" |
    sed 's|$| (depends on the locale: take base/number.h, or json_parse and json_print)|') || true
[ -z "$found" ] || fail "$found"
# A call may span lines: statements end with a semicolon.
found=$(awk -v format="%[-+ #0]*[0-9*]*([.][0-9*]*)?[lL]?[aeEfFgGA]([^A-Za-z]|$)" '
    FNR == 1 { statement = "" }
    { statement = statement $0 }
    /;/ { if (statement ~ /[^A-Za-z_]snprintf *[(]/ && statement ~ format) print FILENAME ":" FNR ": a fraction by snprintf (take number_print)"; statement = "" }' "$@")
[ -z "$found" ] || fail "$found"

# The command line and the public headers stand on the public headers alone.
for file in apps/pumice/*.[ch] include/pumice/*.h; do
    for include in $(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]\([^>"]*\)[>"].*/\1/p' "$file"); do
        case $include in
        volk* | vulkan/*) fail "$file: may not include $include" ;;
        *) [ ! -e "engine/$include" ] || fail "$file: may not include the engine's $include" ;;
        esac
    done
done
exit $bad
