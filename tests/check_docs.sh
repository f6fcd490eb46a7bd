#!/bin/sh
# The documentation agrees with the tree: every relative link leads to a file, and every anchor to a heading. docs/reference/commands.md has every
# subcommand and every option that --help has.
# usage: check_docs.sh PUMICE, from the project's root
set -eu
pumice=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# anchors FILE: its headings as a link spells them.
anchors() {
    sed -n 's/^##* //p' "$1" | tr 'A-Z' 'a-z' | sed 's/`//g; s/[^a-z0-9 _-]//g; s/ /-/g'
}

find . -name '*.md' -not -path './build*' -not -path './out/*' -not -path './.*' | sort > "$folder/pages"
while read -r page; do
    # Links outside code blocks, one a line.
    awk '/^ *```/ { code = !code; next } !code && !/^    /' "$page" | grep -oE '\]\([^)]*\)' | sed 's/^](//; s/)$//' > "$folder/links" || true
    while read -r link; do
        case $link in http://* | https://* | mailto:*) continue ;; esac
        target=${link%%#*}
        if [ -n "$target" ]; then target=$(dirname "$page")/$target; else target=$page; fi
        [ -e "$target" ] || { echo "$page: no file for the link $link"; continue; }
        case $link in
        *#*) anchors "$target" | grep -qxF -- "${link#*#}" || echo "$page: no heading for the link $link" ;;
        esac
    done < "$folder/links"
done < "$folder/pages" > "$folder/bad"

reference=docs/reference/commands.md
for command in $("$pumice" --help | sed -n 's/^  \([a-z]*\)  .*/\1/p'); do
    [ "$command" != tokenizer ] || command="tokenizer train"
    # shellcheck disable=SC2086
    "$pumice" $command --help > "$folder/help"
    awk -v title="## \`pumice $command\`" '$0 == title { on = 1; next } /^## / { on = 0 } on' $reference > "$folder/section"
    [ -s "$folder/section" ] || { echo "$reference: no section 'pumice $command'"; continue; }
    awk '/^## Options that several/ { on = 1; next } /^## / { on = 0 } on' $reference >> "$folder/section"
    sed -n 's/^  \(--[a-z0-9-]*\).*/\1/p' "$folder/help" | while read -r option; do
        grep -qE -- "^\| \`$option[\` ]" "$folder/section" || echo "$reference: pumice $command has no $option, which its --help has"
    done
done >> "$folder/bad"

cat "$folder/bad"
[ ! -s "$folder/bad" ]
