#!/bin/sh
# torture.sh - each program ends and leaves nothing when the task that waits at its Nth await is cancelled, or its
# Nth allocation fails, for every N. It may print what it likes and end with any status, but by no signal. What it
# leaves when nothing goes wrong are the stacks of generators that no loop has driven.
#   torture.sh FOLDER-OF-THE-PAGES PROGRAM...
# Programs that block their thread are left out. RILL_SIM in the environment makes the waits take no time.
set -u
export LC_ALL=C
pages=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tried=0 failed=0 programs=0

# Run $1 with the environment $2; how many awaits, allocations and blocks go to $awaits, $allocations, $left.
run() {
    env "$2" ${RILL_RUN:-} timeout 60 "$1" >/dev/null 2>"$work/err"
    rc=$? tried=$((tried + 1))
    counts=$(sed -n 's/^fault_at: \([0-9]*\) awaits, \([0-9]*\) allocations, \(-*[0-9]*\) blocks left$/awaits=\1 allocations=\2 left=\3/p' "$work/err")
    if [ -z "$counts" ] || [ $rc -ge 124 ]; then
        echo "FAILED $2 $1: exit status $rc"
    else
        eval "$counts"
        [ "$left" -ge 0 ] && [ "$left" -le "$usual" ] && return
        echo "FAILED $2 $1: $left blocks left"
    fi
    tail -n 20 "$work/err"
    failed=$((failed + 1))
}

for program in "$@"; do
    name=${program##*/}
    grep -q "^${name%%_*} .*blocking" "$pages/seconds" && continue
    programs=$((programs + 1)) awaits=0 allocations=0 usual=3
    run "$program" RILL_CANCEL_AT=0
    usual=$left
    last_await=$awaits last_allocation=$allocations
    for at in $(seq "$last_await"); do
        run "$program" "RILL_CANCEL_AT=$at"
    done
    for at in $(seq "$last_allocation"); do
        run "$program" "RILL_FAIL_AT=$at"
    done
done
echo "$programs programs, $tried points tried"
[ "$failed" = 0 ]
