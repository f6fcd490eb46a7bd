#!/bin/sh
# debian_mirror SUITE: the mirror that this machine's own Debian sources name for a suite, in one-line or deb822 form. One without a snapshot date
# comes first. Other scripts source this file.
debian_mirror() {
    suite=$1
    {
        cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2> /dev/null |
            sed -n 's/^deb[[:space:]]\{1,\}\(\[[^]]*\][[:space:]]*\)\{0,1\}//p' |
            awk -v suite="$suite" '$2 == suite { print $1 }'
        for file in /etc/apt/sources.list.d/*.sources; do
            [ -e "$file" ] || continue
            awk -v suite="$suite" '
                function flush() { if (index(" " suites " ", " " suite " ") && uris != "") { split(uris, u, " "); print u[1] } uris = suites = "" }
                /^#/ { next }
                /^[[:space:]]*$/ { flush(); next }
                /^URIs:/ { sub(/^URIs:[[:space:]]*/, ""); uris = $0 }
                /^Suites:/ { sub(/^Suites:[[:space:]]*/, ""); suites = $0 }
                END { flush() }' "$file"
        done
    } | awk '{ dated = $0 ~ /snapshot|[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]T[0-9]/ }
           !dated && !found { print; found = 1 }
           dated && later == "" { later = $0 }
           END { if (!found && later != "") print later }'
}
