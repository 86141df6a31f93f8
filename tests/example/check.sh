#!/bin/sh
# check.sh - each example prints what its page says, byte by byte, and takes as long as `seconds` says.
#   check.sh FOLDER-OF-THE-PAGES PROGRAM...
# All programs run at once, for they mostly sleep; those that took too long run again. The page of sNN_name
# is sNN.out; in it {t} stands for a time, {site} for a file and a line, {id} for a number that is the same
# wherever it stands. With RILL_SIM in the environment they run in the simulator: there the time is
# exact, and programs that block their thread are left out. What the watchdog says of those on
# standard error is left out; nothing else may be there. RILL_LATE is what they may take longer for real.
set -u
export LC_ALL=C
pages=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
late=${RILL_LATE:-0.2}
[ -z "${RILL_SIM:-}" ] || { late=0.001; export RILL_SIM_TRACE=2; }

# What PROGRAM prints, says and takes.
run() {
    begin=$(date +%s%N)
    ${RILL_RUN:-} "$1" >"$work/$name.out" 2>"$work/$name.said"
    echo $? >"$work/$name.rc"
    echo $(($(date +%s%N) - begin)) >"$work/$name.ns"
    : >"$work/$name.err"
    # A simulated loop counts its steps and its time from its begin on; the lines are its trace.
    awk -v err="$work/$name.err" -v ns="$work/$name.ns" -v simulated="${RILL_SIM:-}" '
        simulated != "" && $3 == "us" {
            if ($1 <= step)
                before += now
            step = $1
            now = $2
            next
        }
        simulated != "" && /^rill: simulator: / { next }
        / blocks its loop for [0-9]?[0-9]?[0-9] ms / { blocks = 1; next } # the machine may be busy
        blocks && /\[0x[0-9a-f]+\]$/ { next }
        { print >err }
        END { if (simulated != "") printf "%.0f\n", (before + now) * 1000 >ns }' "$work/$name.said"
}

# Whether it took as long as it should; those that `seconds` does not list may take any time.
in_time() {
    awk -v name="${name%%_*}" -v took="$(cat "$work/$name.ns")" -v late="$late" '
        $1 == name && (took < $2 * 1e9 || took > ($2 + late) * 1e9) {
            print took / 1e9 " seconds instead of " $2
            exit 1
        }' "$pages/seconds"
}

# Whether it printed what its page says.
fits() {
    awk '
        function fits(want, got, name, value) {
            while (match(want, /\{(t|site|id)\}/)) {
                if (substr(got, 1, RSTART - 1) != substr(want, 1, RSTART - 1))
                    return 0
                name = substr(want, RSTART + 1, RLENGTH - 2)
                got = substr(got, RSTART)
                want = substr(want, RSTART + RLENGTH)
                if (!match(got, name == "site" ? "^[^ ]+:[0-9]+" : "^[0-9]+(\\.[0-9]+)?"))
                    return 0
                value = substr(got, 1, RLENGTH)
                if (name == "id" && id != "" && value != id)
                    return 0
                if (name == "id")
                    id = value
                got = substr(got, RLENGTH + 1)
            }
            return want == got
        }
        FILENAME == ARGV[1] { page[++lines] = $0; next }
        !fits(page[++line], $0) {
            print "line " line ": " $0
            print "instead of: " page[line]
            bad = 1
        }
        END {
            if (line != lines)
                print line + 0 " lines instead of " lines + 0
            exit bad || line != lines
        }' "$pages/${name%%_*}.out" "$work/$name.out"
}

skipped() {
    [ -n "${RILL_SIM:-}" ] && grep -q "^${name%%_*} .*blocking" "$pages/seconds"
}

# All of them at once; then those together that were late. A machine that has more to run than it has
# processors proves nothing against a program that is late three times.
behind=$*
for round in 1 2 3; do
    for program in $behind; do
        name=${program##*/}
        skipped || run "$program" &
    done
    wait
    behind=$(for program in $behind; do
        name=${program##*/}
        skipped || in_time >"$work/late" || echo "$program"
    done)
done

if [ -z "${RILL_SIM:-}" ] && awk -v cpus="$(nproc)" '$1 <= cpus { exit 1 }' /proc/loadavg; then
    late=3
fi

failed=0
for program in "$@"; do
    name=${program##*/}
    skipped && continue
    if ! fits || [ "$(cat "$work/$name.rc")" != 0 ] || [ -s "$work/$name.err" ] || ! in_time; then
        echo "FAILED $name: exit status $(cat "$work/$name.rc")"
        cat "$work/$name.err"
        failed=1
    fi
done
echo "$# examples"
exit $failed
