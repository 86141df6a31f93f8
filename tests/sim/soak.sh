#!/bin/sh
# soak.sh - stories of the simulator for a long time, each in one process, with fresh seeds and faults.
#   soak.sh MINUTES PROGRAM...
# Each run of a story checks what it leaves behind; here it is seen that the processes do not grow. Their
# memory is looked at every five seconds; the first quarter of the time is for what is made once.
set -u
export LC_ALL=C STORY_SEEDS=1000000000
minutes=$1
shift
work=$(mktemp -d)
pids=
trap 'kill $pids 2>/dev/null; wait; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

first=$(date +%s)
export STORY_SEED="$first"
for program in "$@"; do
    name=${program##*/}
    "$program" >"$work/$name.out" 2>&1 &
    pids="$pids $!"
    echo "$! $name" >>"$work/programs"
done

end=$((first + minutes * 60)) begin=$((first + minutes * 15))
while now=$(date +%s) && [ "$now" -lt "$end" ]; do
    while read -r pid name; do
        kb=$(awk '/^VmRSS:/ { print $2 }' "/proc/$pid/status" 2>/dev/null)
        if [ -z "$kb" ]; then
            echo "FAILED $name after $((now - first)) s; seeds from $first on"
            tail -n 40 "$work/$name.out"
            exit 1
        fi
        [ "$now" -lt "$begin" ] || echo "$now $kb $name" >>"$work/memory"
    done <"$work/programs"
    sleep 5
done

# The line that fits best. A quarter of a MiB is what allocators and page tables do by themselves.
awk -v first="$first" '
    { x = $1 - first; n[$3]++; sx[$3] += x; sy[$3] += $2; sxx[$3] += x * x; sxy[$3] += x * $2 }
    !($3 in from) { from[$3] = x }
    { to[$3] = x }
    END {
        for (name in n) {
            spread = n[name] * sxx[name] - sx[name] * sx[name]
            slope = spread > 0 ? (n[name] * sxy[name] - sx[name] * sy[name]) / spread : 0
            grown = slope * (to[name] - from[name])
            printf "%s: %.0f KiB, %+.0f KiB/h in %d s\n", name, sy[name] / n[name], slope * 3600,
                to[name] - from[name]
            if (grown > 256 + (to[name] - from[name]) * 1024 / 3600) {
                print "FAILED " name ": it grows"
                bad = 1
            }
        }
        exit bad
    }' "$work/memory"
