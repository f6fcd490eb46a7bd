#!/bin/sh
# Files stay small: C up to 900 lines (a warning above 500), shaders up to 350.
# usage: check_sizes.sh, from the project's root
set -eu
find engine include apps tests examples shaders -type f \( -name '*.c' -o -name '*.h' -o -name '*.comp' -o -name '*.glsl' \) -exec wc -l {} + | awk '
    $2 == "total" { next }
    { most = $2 ~ /\.(comp|glsl)$/ ? 350 : 900 }
    $1 > most { print $2 ": " $1 " lines; split it: at most " most; bad = 1; next }
    $1 > 500 { print $2 ": " $1 " lines; more than 500 is hard to read" }
    END { exit bad }'
