#!/bin/sh
# sweep.sh - a program in the simulator under many seeds: each of them must pass.
#   sweep.sh FIRST LAST PROGRAM [ARGUMENT...]
# With RILL_SWEEP set, that follows each seed: ",shuffle", ",faults" or both.
set -u
export LC_ALL=C
first=$1 last=$2
shift 2
output=$(mktemp)
trap 'rm -f "$output"' EXIT
failed=0 seed=$first
while [ "$seed" -le "$last" ]; do
    world=$seed${RILL_SWEEP:-}
    ${RILL_RUN:-} timeout $((60 * ${RILL_PATIENCE:-1})) env RILL_SIM="$world" "$@" >"$output" 2>&1
    status=$?
    if [ $status -ne 0 ] && [ $status -ne 77 ]; then
        echo "FAILED with status $status; again: RILL_SIM=$world ${RILL_TORTURE:+RILL_TORTURE=$RILL_TORTURE }$*"
        grep -vE '^\[ RUN |^\[       OK' "$output" | tail -n 60
        failed=$((failed + 1))
    fi
    seed=$((seed + 1))
done
echo "$((last - first + 1)) seeds, $failed failed"
[ $failed = 0 ]
