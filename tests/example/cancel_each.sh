#!/bin/sh
# cancel_each.sh - each program ends and leaves nothing when the task that waits at its Nth await is cancelled,
# for every N. It may print what it likes and end with any status, but by no signal.
#   cancel_each.sh FOLDER-OF-THE-PAGES PROGRAM...
# Programs that block their thread are left out. RILL_SIM in the environment makes the waits take no time.
set -u
export LC_ALL=C RILL_CANCEL_AT
pages=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tried=0 failed=0 programs=0

fail() {
    echo "FAILED $*"
    tail -n 20 "$work/err"
    failed=$((failed + 1))
}

# A cancel at each await of $1, and once at none.
cancel_each() {
    RILL_CANCEL_AT=0 awaits=0
    while [ "$RILL_CANCEL_AT" -le "$awaits" ]; do
        ${RILL_RUN:-} timeout 60 "$1" >/dev/null 2>"$work/err"
        rc=$?
        set -- "$1" $(sed -n 's/^cancel_at: \([0-9]*\) awaits, \(-*[0-9]*\) blocks left$/\1 \2/p' "$work/err")
        if [ $# != 3 ] || [ $rc -ge 124 ]; then
            fail "$1, cancelled at await $RILL_CANCEL_AT: exit status $rc"
            return
        fi
        [ "$RILL_CANCEL_AT" -gt 0 ] || awaits=$2 left=$3
        [ "$3" = "$left" ] || fail "$1, cancelled at await $RILL_CANCEL_AT: $3 blocks left instead of $left"
        RILL_CANCEL_AT=$((RILL_CANCEL_AT + 1)) tried=$((tried + 1))
    done
}

for program in "$@"; do
    name=${program##*/}
    grep -q "^${name%%_*} .*blocking" "$pages/seconds" && continue
    programs=$((programs + 1))
    cancel_each "$program"
done
echo "$programs programs, $tried points tried"
[ "$failed" = 0 ]
