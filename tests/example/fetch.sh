#!/bin/sh
# fetch.sh - fetch.c asks the servers that are installed, and gets what curl gets.
#   fetch.sh [LAUNCHER...] PROGRAM
# python3's http.server, nginx, lighttpd and h2o: files of 0 octets to 300 KiB, one that is not there, a folder's
# redirect, many at once, compressed where the server can. Then the deadline of a terminal's patience: Ctrl-C ends
# it with 130. Exits 77 where nothing can be asked.
tls=""
fetch="$*"
. "${0%/*}/servers.sh"

for server in python3 nginx lighttpd h2o; do
    serve "$server" && compare_site "$server" && stop
done
[ "$asked" -gt 0 ] || { echo "no server could be started"; exit 77; }

# Ctrl-C while nobody answers: at once, and with its status.
port=$(free_port)
python3 -c 'import socket, sys, time
s = socket.socket(); s.bind(("127.0.0.1", int(sys.argv[1]))); s.listen()
open("ready", "w").close(); time.sleep(60)' "$port" &
servers="$servers $!"
for _ in $(seq 100); do
    [ -e ready ] && break
    sleep 0.1
done
timeout --preserve-status -s INT 1 "$@" "http://127.0.0.1:$port/" >got 2>said
status=$?
[ "$status" = 130 ] || { echo "Ctrl-C gives $status instead of 130: $(cat said)"; failed=1; }
exit "$failed"
