#!/bin/sh
# twice.sh - a program prints its page, for real and in the simulator, where each seed gives the same output
# and the same trace twice.
#   twice.sh PAGE EXIT-STATUS PROGRAM [ARGUMENT...]
set -u
page=$1 status=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "FAILED $*"
    cat "$work"/*.err
    exit 1
}

# Run the program; what it prints and says goes to the files of that name.
run() {
    to=$work/$1
    shift
    ${RILL_RUN:-} "$@" >"$to.out" 2>"$to.err"
    [ $? = "$status" ] || fail "RILL_SIM=${RILL_SIM:-} $*: its exit status is not $status"
}

run real "$@"
diff "$page" "$work/real.out" || fail "$*"
# A machine that is busy may be told of by the watchdog.
awk '/ blocks its loop for [0-9]?[0-9]?[0-9] ms / { blocks = 1; next }
     blocks && /\[0x[0-9a-f]+\]$/ { next }
     { complains = 1 }
     END { exit complains }' "$work/real.err" || fail "$*: it complains"

[ -n "${RILL_SEEDS:-}" ] || exit 0
export RILL_SIM RILL_SIM_TRACE=2
for seed in $RILL_SEEDS; do
    RILL_SIM=$seed
    run first "$@"
    run second "$@"
    diff "$page" "$work/first.out" || fail "RILL_SIM=$seed $*"
    diff "$work/first.out" "$work/second.out" || fail "RILL_SIM=$seed $*: two outputs"
    diff "$work/first.err" "$work/second.err" || fail "RILL_SIM=$seed $*: two traces"
    grep -q '^rill: simulator: ' "$work/first.err" || fail "RILL_SIM=$seed $*: it was not simulated"
done
