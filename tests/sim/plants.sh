#!/bin/sh
# plants.sh - each bug of core/base/plant.h must be found by one of the stories; says after how many runs.
#   plants.sh PROGRAM...: stories, linked with the library that has the bugs
set -u
export LC_ALL=C RILL_SIM_TRACE=1
output=$(mktemp)
trap 'rm -f "$output"' EXIT
missed=0 plant=1
while [ $plant -le 12 ]; do
    found=
    for program in "$@"; do
        RILL_PLANT=$plant timeout 60 "$program" >"$output" 2>&1 && continue
        # A run that ends tells its hash; one that breaks does not.
        runs=$(awk '/simulator: seed .* hash/ { runs++ }
            /exception|broken invariant/ { runs++; exit }
            /^ERROR/ { exit }
            END { print runs + 0 }' "$output")
        found="${program##*/}, runs: $runs"
        break
    done
    echo "plant $plant: ${found:-not found}"
    [ -n "$found" ] || missed=$((missed + 1))
    plant=$((plant + 1))
done
echo "$((12 - missed)) of 12 found"
[ $missed = 0 ]
