#!/bin/sh
# A folder of engine/ calls only itself and the folders that tests/layers.txt names for it, as the objects' symbols show. No variable of the library can change,
# but for what belongs to the process as a whole.
# usage: check_calls.sh OBJECTS, from the project's root; OBJECTS: the folder with the library's compiled objects, or "" where there is none
set -eu
objects=${1:-}
for tool in nm objdump; do
    command -v $tool > /dev/null || { echo "skipped: no $tool"; exit 77; }
done
[ -n "$objects" ] && [ -d "$objects/engine" ] || { echo "skipped: no objects in folders"; exit 77; }
# With link-time optimisation objects have no symbols of their own.
list=$(cd "$objects" && find engine -name '*.o' | sort)
[ -n "$list" ] || { echo "skipped: no objects in $objects"; exit 77; }
cd "$objects"
nm -A $list > /dev/null 2>&1 || { echo "skipped: nm does not read these objects"; exit 77; }

# "engine/gpu/run.c.o: U os_seconds" or "engine/gpu/run.c.o:0000 T gpu_poll"
{ sed 's/^/layer /' "$OLDPWD/tests/layers.txt"; nm -A -g $list; nm -A -g $list; } | awk '
$1 == "layer" {
    if ($2 != "#") { name = $2; sub(/:$/, "", name); may[name] = $0; sub(/^layer [a-z]*:/, "", may[name]) }
    next
}
{
    split($1, path, "/")
    room = path[2]
    file = $1
    sub(/:.*/, "", file)
    if (first == "") first = $0
    else if ($0 == first) again = 1
    kind = $(NF - 1)
    symbol = $NF
}
!again && kind ~ /^[TDBRVWG]$/ { home[symbol] = room; next }
again && kind == "U" && symbol in home && home[symbol] != room && index(" " may[room] " ", " " home[symbol] " ") == 0 {
    print file ": may not call " symbol " of engine/" home[symbol] " (engine/" room " may use:" may[room] ")"
    bad = 1
}
END { exit bad }' || failed=1

# Variables outside .data.rel.ro, which only the dynamic linker writes. engine/os and the loader, which volk finds, are one for the process.
for object in $list; do
    case $object in engine/os/* | engine/gpu/volk_impl.c.o | engine/gpu/table.c.o) continue ;; esac
    objdump -t "$object" | awk -v file="${object%.o}" '
        / O / && (/ \.t?(data|bss)(\.[A-Za-z0-9_.]+)?\t/ || /\*COM\*/) && !/ \.data\.rel\.ro/ { print file ": the variable " $NF " can change"; bad = 1 }
        END { exit bad }' || failed=1
done
exit "${failed:-0}"
