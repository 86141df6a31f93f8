#!/bin/sh
# What the release flags promise is in the program: read it and count.
#   flow_hardening.sh PROGRAM
set -u
export LC_ALL=C
command -v readelf >/dev/null || {
    echo "readelf is not installed"
    exit 77
}
elf=$(readelf -hldsW "$1") || exit 1
passed=0 total=0

# expect WHAT yes|no PATTERN
expect() {
    total=$((total + 1))
    found=no
    printf '%s\n' "$elf" | grep -Eq "$3" && found=yes
    if [ "$found" = "$2" ]; then
        passed=$((passed + 1))
    else
        echo "not so: $1"
    fi
}

expect "loaded anywhere (PIE)" yes 'FLAGS_1.*PIE'
expect "all symbols bound at start" yes 'FLAGS_1.*NOW'
expect "relocations read-only afterwards" yes 'GNU_RELRO'
expect "no executable stack" yes 'GNU_STACK .* RW +0x'
expect "no segment both writable and executable" no ' RWE '
expect "code without relocations" no 'TEXTREL'
expect "no library path of the build" no '(RPATH|RUNPATH)'
expect "stack protector" yes '__stack_chk_fail'
expect "fortified calls" yes ' __(memcpy|memmove|memset|snprintf|vsnprintf|fprintf|vfprintf|printf|read|poll|longjmp)_chk'
echo "$passed of $total hardening checks"
[ "$passed" = "$total" ]
