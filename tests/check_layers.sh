#!/bin/sh
# A folder includes only itself and folders below it; Vulkan stays in engine/gpu; the library neither prints nor ends the process.
# usage: check_layers.sh, from the project's root
set -eu
awk '
function fail(text) { print text; bad = 1 }

BEGIN {
    while ((getline row < "tests/layers.txt") > 0)
        if (row !~ /^#/) {
            name = row
            sub(/:.*/, "", name)
            sub(/^[^:]*: /, "", row)
            may[name] = row
        }
    for (i = 1; i < ARGC; i++) there[ARGV[i]] = 1
}

FNR == 1 {
    split(FILENAME, part, "/")
    engine = part[1] == "engine"
    name = engine ? part[2] : ""
    folder = "engine/" name "/"
    if (engine && !(name in may) && !told[name]++) fail(folder ": not a layer that check_layers.sh knows")
}

# Functions that the host'\''s locale changes: only these three files use them, under another locale.
FNR == 1 {
    local = engine && FILENAME != "engine/base/number.c" && FILENAME != "engine/files/json.c" && FILENAME !~ /^engine\/os\/locale_/
    statement = ""
}
local && /(^|[^A-Za-z_])(strto(d|f|ld)|ato[f]|[sf]*scanf|v*sprintf|vsnprintf|is(alpha|alnum|digit|xdigit|space|upper|lower|print|punct|cntrl|graph|blank)|to(lower|upper)|isw[a-z]+|tow[a-z]+|str(coll|xfrm|casecmp|ncasecmp|ftime|error|error_[lr]|signal)|mbr*towc|wcr*tomb|mbs*r*towcs|wcs*r*tombs|setlocale|localeconv|cJSON_(Parse|Print)[A-Za-z]*|cJSON_Minify)[[:space:]]*\(/ {
    fail(FILENAME ":" FNR ": depends on the locale (take base/number.h, json_read and json_print, or os_error): " $0)
}
# A call may span lines: statements end with a semicolon.
local { statement = statement $0 }
local && /;/ {
    if (statement ~ /[^A-Za-z_]snprintf *[(]/ && statement ~ /%[-+ #0]*[0-9*]*([.][0-9*]*)?[lL]?[aeEfFgGA]([^A-Za-z]|$)/)
        fail(FILENAME ":" FNR ": a fraction by snprintf (take number_print)")
    statement = ""
}

# An included name may appear in a comment; a call, a type or an include may not.
engine && name != "gpu" && /#[[:space:]]*include[[:space:]]*[<"](volk|vulkan)|(^|[^A-Za-z_])Vk[A-Z][a-z]|(^|[^A-Za-z_])vk[A-Z][A-Za-z]*\(/ {
    fail(FILENAME ": Vulkan outside engine/gpu: " FNR ":" $0)
}
engine && name != "os" && /(^|[^A-Za-z_])(getenv|_wgetenv|secure_getenv)[[:space:]]*\(/ {
    fail(FILENAME ": the library reads no environment: " FNR ":" $0)
}
engine && /(^|[^A-Za-z_])(printf|fprintf|vprintf|vfprintf|puts|putchar|perror|exit|_exit|_Exit|quick_exit|abort)[[:space:]]*\(/ {
    fail(FILENAME ": the library must not print or end the process: " FNR ":" $0)
}

!/^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"][^>"]*[>"]/ { next }
{
    own = $0 ~ /include[[:space:]]*"/
    included = $0
    sub(/^[^<"]*[<"]/, "", included)
    sub(/[>"].*/, "", included)
}
# "dir/x.h", or "x.h" of the same folder or of shaders/
engine && own {
    from = included ~ /\// ? included : (folder included) in there ? name : "."
    sub(/\/.*/, "", from)
    if (index(" " may[name] " ", " " from " ") == 0)
        fail(FILENAME ": may not include \"" included "\" (engine/" name " may include: " may[name] ")")
}
# Only files for one operating system include its headers.
!own && FILENAME !~ /_(posix|win32)\.c$/ && included ~ /^(sys\/|(unistd|fcntl|dirent|signal|pthread|poll|termios|dlfcn|pwd|io|process|direct|windows|locale|time)\.h)/ {
    fail(FILENAME ": may not include " included " (NAME_posix.c and NAME_win32.c may)")
}
# The programs and the public headers include only public headers, and the command line engine/os. In the studio one header has Vulkan, and two files
# have the window and the interface.
!engine && FILENAME ~ /^apps\/pumice/ && included ~ /^os\// { next }
!engine && FILENAME !~ /^(include\/pumice\/vulkan|apps\/studio\/vk)\.h$/ && included ~ /^(volk|vulkan\/)/ { fail(FILENAME ": may not include " included) }
!engine && FILENAME !~ /^apps\/studio\/(window\.c|ui_imgui\.cpp|ui_nav\.(cpp|h))$/ && included ~ /^(GLFW\/|imgui|backends\/imgui)/ { fail(FILENAME ": may not include " included) }
!engine && ("engine/" included) in there { fail(FILENAME ": may not include the engine'\''s " included) }
END { exit bad }' engine/*/*.[ch] apps/pumice/*.[ch] apps/studio/*.[ch] apps/studio/*.cpp include/pumice/*.h
