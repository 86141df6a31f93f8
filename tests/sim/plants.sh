#!/bin/sh
# plants.sh - each bug of core/base/plant.h must be found by one of the stories; says after how many runs.
#   plants.sh PROGRAM...: stories, linked with the library that has the bugs
set -u
export LC_ALL=C RILL_SIM_TRACE=1
output=$(mktemp)
trap 'rm -f "$output"' EXIT
missed=0 plant=1 shrunk=0
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
        # The smallest world that the story names must still show the bug.
        again=$(sed -n '/^smallest that still fails: /{s///p;q;}' "$output")
        if [ -n "$again" ]; then
            RILL_PLANT=$plant STORY_SHRINK=0 timeout 20 env $again >/dev/null 2>&1 && break
            shrunk=$((shrunk + 1)) found="$found, smallest: ${again% *}"
        fi
        break
    done
    echo "plant $plant: ${found:-not found}"
    [ -n "$found" ] || missed=$((missed + 1))
    plant=$((plant + 1))
done
echo "$((12 - missed)) of 12 found, $shrunk shrunk"
[ $missed = 0 ] && [ $shrunk -gt 0 ]
