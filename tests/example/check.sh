#!/bin/sh
# check.sh - each example prints what its page says, byte by byte.
#   check.sh FOLDER-OF-THE-PAGES PROGRAM...
# All programs run at once, for they mostly sleep. The page of sNN_name is sNN.out; in it {t} stands for
# a time, {site} for a file and a line, {id} for a number that is the same wherever it stands.
set -u
export LC_ALL=C
pages=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for program in "$@"; do
    name=${program##*/}
    { ${RILL_RUN:-} "$program" >"$work/$name.out" 2>"$work/$name.err"; echo $? >"$work/$name.rc"; } &
done
wait

failed=0
for program in "$@"; do
    name=${program##*/}
    page=$pages/${name%%_*}.out
    if [ "$(cat "$work/$name.rc")" != 0 ] || [ -s "$work/$name.err" ] ||
        ! awk '
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
            }' "$page" "$work/$name.out"; then
        echo "FAILED $name: exit status $(cat "$work/$name.rc")"
        cat "$work/$name.err"
        failed=1
    fi
done
echo "$# examples"
exit $failed
