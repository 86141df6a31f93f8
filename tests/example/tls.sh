#!/bin/sh
# tls.sh - tls.c with itself, and with openssl's own client and server in both versions of TLS.
#   tls.sh [LAUNCHER...] PROGRAM
# Exits 77 without the program openssl.
set -u
export LC_ALL=C
command -v openssl >/dev/null || { echo "openssl is not installed"; exit 77; }
work=$(mktemp -d)
server=
stop() {
    [ -z "$server" ] || kill "$server" 2>/dev/null
    server=
}
trap 'stop; rm -rf "$work"' EXIT
failed=0

# The text must be in what was said.
expect() {
    grep -q -e "$2" "$work/said" && return
    echo "$1: '$2' is not in:"
    cat "$work/said"
    failed=$((failed + 1))
}

certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=$1" \
        -addext "subjectAltName=DNS:$1" -keyout "$work/key" -out "$work/cert" 2>/dev/null
    cat "$work/cert" "$work/key" >"$work/$1.pem"
}

# For servers that are told one: below those that the kernel gives to clients, so it is free.
port=$((10000 + $$ % 20000))
certificate localhost
certificate other.example

"$@" "$work/localhost.pem" >"$work/said" 2>&1 || failed=$((failed + 1))
expect "both in one" '^client: TLSv1.3, TLS_AES_128_GCM_SHA256, new session, peer CN=localhost$'
expect "both in one" '^back: drop by drop$'

"$@" serve "$port" "$work/localhost.pem" &
server=$!
for version in tls1_2 tls1_3; do
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        { echo "hello from outside"; sleep 0.5; } | timeout 10 openssl s_client -connect "127.0.0.1:$port" \
            -$version -servername localhost -CAfile "$work/localhost.pem" >"$work/said" 2>&1
        grep -q "^CONNECTED" "$work/said" && break
        sleep 0.1
    done
    expect "$version, their client" 'Verify return code: 0 (ok)'
    expect "$version, their client" '^hello from outside$'
done
# Commands of s_client: K asks for new keys, R for another handshake, which is refused.
command_of() {
    { echo "$2"; sleep 0.3; echo "$3"; sleep 0.3; echo "behind it"; sleep 0.5; } |
        timeout 10 openssl s_client -connect "127.0.0.1:$port" "-$1" >"$work/said" 2>&1
    expect "$1, $3" "^$2\$"
}
command_of tls1_3 "before new keys" K
expect "new keys" '^KEYUPDATE$'
expect "new keys" '^behind it$'
command_of tls1_2 "before renegotiation" R
expect "renegotiation" '^RENEGOTIATING$'
expect "renegotiation" 'no renegotiation'
timeout 10 openssl s_client -connect "127.0.0.1:$port" -tls1_1 -cipher ALL:@SECLEVEL=0 </dev/null \
    >"$work/said" 2>&1
expect "TLS 1.1" 'alert protocol version'
stop

for version in tls1_2 tls1_3; do
    port=$((port + 1))
    # It writes lines back, each from its end to its begin.
    openssl s_server -accept "127.0.0.1:$port" -$version -rev -quiet -cert "$work/localhost.pem" \
        >/dev/null 2>&1 &
    server=$!
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        "$@" talk "$port" localhost "$work/localhost.pem" "drop" >"$work/said" 2>&1 && break
        sleep 0.1
    done
    expect "$version, their server" '^client: TLSv1\.[23], .*peer CN=localhost$'
    expect "$version, their server" '^back: pord$'
    "$@" talk "$port" other.example "$work/localhost.pem" "drop" >"$work/said" 2>&1
    expect "another name" 'certificate of other.example: it is for localhost'
    "$@" talk "$port" localhost "$work/other.example.pem" "drop" >"$work/said" 2>&1
    expect "another root" 'certificate of localhost: it is signed by itself and not trusted'
    stop
done
[ "$failed" = 0 ]
