#!/bin/sh
# run.sh - random programs on CPython's asyncio and on librill: the same must happen.
#   run.sh INTERPRETER FIRST LAST     those of these seeds; INTERPRETER is differential_interpret of a build
#   run.sh INTERPRETER FILE           one program
# The contract names Python 3.13, so no other one is asked; without it the test is skipped.
set -u
for python in python3.13 python3; do
    case $($python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) in
    3.13) exec "$python" -B "${0%/*}/compare.py" "$@" ;;
    esac
done
echo "skipped: there is no Python 3.13 in PATH"
exit 77
