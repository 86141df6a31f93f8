#!/bin/sh
# fetch_tls.sh - fetch.c asks the servers that are installed over TLS, and gets what curl gets.
#   fetch_tls.sh [LAUNCHER...] PROGRAM
# As fetch.sh with python3, nginx (TLS 1.2 and 1.3), lighttpd and h2o, and `openssl s_server`. nginx says which
# sessions were resumed. A body that ends with the connection is whole behind a close_notify and an error without
# one; a server that is not trusted is not asked. Exits 77 where nothing can be asked.
tls=1
fetch="$*"
. "${0%/*}/servers.sh"

wrong() {
    echo "$1: $(head -n 5 got)"
    failed=1
}

# Connections that are not kept, 4 at once: the first ones are new, others are resumed.
resume() {
    # shellcheck disable=SC2046
    $fetch $(yes "$base/resumed" | head -n 40) >got 2>&1
    [ "$(grep -c '^200 [37] ' got)" = 40 ] || wrong "not all of 40 were answered"
    resumed=$(grep -c '^200 7 ' got)
    [ "$resumed" -gt 0 ] || wrong "no session was resumed"
    echo "$1: $resumed of 40 sessions resumed"
}

for version in TLSv1.2 TLSv1.3; do
    serve nginx && compare_site "nginx, $version" && resume "nginx, $version" && stop
done
for server in lighttpd h2o; do
    serve "$server" && compare_site "$server" && stop
done
serve openssl && compare "openssl s_server" "$base/small.txt" "$base/large.bin" "$base/numbers.txt" && stop
if serve python3; then
    compare_site python3
    compare "python3, ended" "$base/whole"
    $fetch "$base/cut" >got 2>&1
    grep -q '^200 ' got && wrong "a body that was cut passed for a whole one"
    grep -q . got || wrong "nothing is said of a body that was cut"
    echo "python3, cut: $(head -n 1 got)"
    SSL_CERT_FILE=/dev/null $fetch "$base/small.txt" >got 2>&1
    grep -q 'it is signed by itself and not trusted' got || wrong "who is not trusted was asked"
    stop
fi
[ "$asked" -gt 0 ] || { echo "no server could be started"; exit 77; }
exit "$failed"
