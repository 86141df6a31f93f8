#!/bin/sh
# plants.sh - each bug of core/base/plant.h must be found by one of the stories.
#   plants.sh PROGRAM...: stories, linked with the library that has the bugs
set -u
export LC_ALL=C
output=$(mktemp)
trap 'rm -f "$output"' EXIT
missed=0 plant=1
while [ $plant -le 12 ]; do
    found=
    for program in "$@"; do
        RILL_PLANT=$plant timeout 60 "$program" >"$output" 2>&1 && continue
        seed=$(grep -o 'seed [0-9][0-9]*' "$output" | head -n 1)
        found="${program##*/}${seed:+, $seed}"
        break
    done
    echo "plant $plant: ${found:-not found}"
    [ -n "$found" ] || missed=$((missed + 1))
    plant=$((plant + 1))
done
[ $missed = 0 ]
