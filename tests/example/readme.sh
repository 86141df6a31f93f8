#!/bin/sh
# readme.sh - README.md keeps its word: the program is readme.c and prints what is said, the
# configuration passes --check; and each file that ARCHITECTURE.md names is there.
#   readme.sh SOURCE-FOLDER PROGRAM RILLD
set -eu
readme=$1/README.md program=$2 rilld=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "README.md: $*" >&2
    exit 1
}

# The text of the only block of that language.
block() {
    awk -v language="$1" '
        /^```/ && inside { inside = 0; next }
        $0 == "```" language { inside = 1; next }
        inside' "$readme"
}

block c >"$work/readme.c"
diff -u "$1/tests/example/readme.c" "$work/readme.c" || fail "its program is not tests/example/readme.c"

"$program" >"$work/output" || fail "the program fails"
[ "$(wc -l <"$work/output")" = 1 ] || fail "the program prints more than a line"
grep -qF "It prints \`$(cat "$work/output")\`" "$readme" || fail "the program prints $(cat "$work/output")"

mkdir -p "$work/www" "$work/data"
echo hello >"$work/data/motd.txt"
block yaml | sed "s|/srv/|$work/|" >"$work/rilld.yaml"
grep -q '^routes:' "$work/rilld.yaml" || fail "there is no configuration"
"$rilld" --config "$work/rilld.yaml" --check >"$work/check" 2>&1 || {
    cat "$work/check" >&2
    fail "its configuration is refused"
}

cd "$1"
for name in $(grep -o '`[a-z0-9_/]*\.[chS]`' ARCHITECTURE.md | tr -d '`' | sort -u); do
    [ -n "$(find core include server tests -path "*/$name" -print -quit)" ] || [ -f "$name" ] || {
        echo "ARCHITECTURE.md: there is no $name" >&2
        exit 1
    }
done
