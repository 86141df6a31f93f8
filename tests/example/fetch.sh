#!/bin/sh
# fetch.sh - fetch.c asks the servers that are installed, and gets what curl gets.
#   fetch.sh [LAUNCHER...] PROGRAM
# python3's http.server, nginx, lighttpd and h2o, each on a free port with a configuration of its own: files of
# 0 octets to 300 KiB, one that is not there, a folder's redirect, many at once, compressed where the server
# can. Then the deadline of a terminal's patience: Ctrl-C ends it with 130. Exits 77 where nothing can be asked.
set -u
export LC_ALL=C
for tool in curl python3; do
    command -v "$tool" >/dev/null || { echo "$tool is not installed"; exit 77; }
done
work=$(mktemp -d)
servers=""
trap 'for pid in $servers; do kill "$pid" 2>/dev/null; done; rm -rf "$work"' EXIT
cd "$work" || exit 1
chmod 755 "$work"
mkdir -p site/folder
: >site/empty
printf 'drop by drop\n' >site/small.txt
head -c 300000 /dev/urandom >site/large.bin
seq 1 50000 >site/numbers.txt
echo hello >site/folder/index.html
chmod -R a+rX site
failed=0 asked=0

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Start NAME with its command line, in the background, and wait until it answers at $port.
start() {
    "$@" >"$work/server.log" 2>&1 &
    pid=$!
    servers="$servers $pid"
    for _ in $(seq 100); do
        curl -s -o /dev/null "http://127.0.0.1:$port/small.txt" && return 0
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    echo "skipped: $1 does not start: $(tail -n 1 "$work/server.log")"
    return 1
}

# What curl gets, as fetch.c prints it.
curl_says() {
    for url in "$@"; do
        curl -s -L --compressed -o body -w '%{http_code} ' "$url"
        echo "$(($(wc -c <body))) $url"
    done
}

ask() {
    name=$1 base="http://127.0.0.1:$port"
    shift
    urls="$base/empty $base/small.txt $base/large.bin $base/numbers.txt $base/none $base/folder"
    for i in $(seq 60); do
        urls="$urls $base/small.txt?$i"
    done
    # shellcheck disable=SC2086
    curl_says $urls | sort >wanted
    # shellcheck disable=SC2086
    "$@" $urls 2>said | sort >got
    if ! cmp -s wanted got; then
        echo "$name: not what curl gets"
        diff wanted got | head -n 10
        cat said
        failed=1
    fi
    asked=$((asked + 1))
    kill "$pid" 2>/dev/null
    echo "$name: $(wc -l <got) answers"
}

port=$(free_port)
start python3 -m http.server --bind 127.0.0.1 --directory "$work/site" "$port" && ask python3 "$@"

if command -v nginx >/dev/null; then
    port=$(free_port)
    cat >nginx.conf <<END
daemon off; master_process off; pid $work/nginx.pid; error_log $work/nginx.err;
events { }
http { access_log off; gzip on; gzip_types *; gzip_min_length 1; client_body_temp_path $work/b;
 proxy_temp_path $work/p; fastcgi_temp_path $work/f; uwsgi_temp_path $work/u; scgi_temp_path $work/s;
 server { listen 127.0.0.1:$port; root $work/site; } }
END
    start nginx -e "$work/nginx.err" -c "$work/nginx.conf" && ask nginx "$@"
fi
if command -v lighttpd >/dev/null; then
    port=$(free_port)
    cat >lighttpd.conf <<END
server.document-root = "$work/site"
server.port = $port
server.bind = "127.0.0.1"
index-file.names = ( "index.html" )
END
    start lighttpd -D -f "$work/lighttpd.conf" && ask lighttpd "$@"
fi
if command -v h2o >/dev/null; then
    port=$(free_port)
    cat >h2o.conf <<END
listen: { host: 127.0.0.1, port: $port }
compress: ON
hosts: { default: { paths: { /: { file.dir: $work/site } } } }
END
    start h2o -c "$work/h2o.conf" && ask h2o "$@"
fi
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
