#!/bin/sh
# interrupt.sh - the program that cleans up on Ctrl-C, with Ctrl-C at a moment of each seed: all is put away,
# and each seed gives the same output and the same trace twice.
#   interrupt.sh SEEDS PROGRAM
set -u
seeds=$1 program=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "FAILED RILL_SIM=$RILL_SIM $program: $*"
    cat "$work/first.out"
    tail -n 40 "$work/first.err"
    exit 1
}

export RILL_SIM RILL_SIM_TRACE=2
seed=1
while [ $seed -le "$seeds" ]; do
    RILL_SIM=$seed,shuffle,sigint
    for run in first second; do
        ${RILL_RUN:-} "$program" >"$work/$run.out" 2>"$work/$run.err"
        status=$?
        case $status,$(tail -n 1 "$work/$run.out") in
        130,interrupted | 1,"deadline passed") ;; # it came later than the program's own end
        *) fail "exit status $status" ;;
        esac
    done
    # A worker that was cancelled before its first step has nothing to put away, and nothing was too long.
    grep -q 'too long, left' "$work/first.out" && grep -q 'some.*left' "$work/first.out" &&
        fail "something was left lying"
    cmp "$work/first.out" "$work/second.out" || fail "two outputs"
    cmp "$work/first.err" "$work/second.err" || fail "two traces"
    sed -n 's/^.* \([0-9.]*\) us  signal .*/\1/p' "$work/first.err" >>"$work/moments"
    seed=$((seed + 1))
done
moments=$(sort -u "$work/moments" | wc -l)
echo "$seeds seeds, $moments moments"
[ "$moments" -gt $((seeds / 2)) ]
