#!/bin/sh
# Runs a program, each of whose processes may take so many seconds of processor time. So a busy machine fails no test.
# usage: limit.sh SECONDS PROGRAM [ARGUMENT ...]
set -eu
ulimit -S -t "$1"
ulimit -H -t $(($1 + 10))
shift
exec "$@"
