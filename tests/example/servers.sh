# servers.sh - what the scripts that run fetch.c share: a site, the servers that are installed, and curl beside it.
#
# Each server has a configuration and a free port of its own. With $tls not empty they speak TLS, with a certificate
# that the program and curl trust by SSL_CERT_FILE. Whoever sources this exits 77 without curl or python3.
set -u
export LC_ALL=C
for tool in curl python3 ${tls:+openssl}; do
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
failed=0 asked=0 scheme=http
if [ -n "$tls" ]; then
    scheme=https
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1 \
        -addext subjectAltName=IP:127.0.0.1 -out cert.pem -keyout key.pem 2>/dev/null || exit 1
    export SSL_CERT_FILE="$work/cert.pem" CURL_CA_BUNDLE="$work/cert.pem"
fi

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Start a command in the background, and wait until it answers at $base.
start() {
    "$@" >"$work/server.log" 2>&1 &
    pid=$!
    servers="$servers $pid"
    for _ in $(seq 100); do
        curl -s -o /dev/null "$base/small.txt" && return 0
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    echo "skipped: $1 does not start: $(tail -n 1 "$work/server.log")"
    return 1
}

stop() {
    kill "$pid" 2>/dev/null
}

# Start a server of the list by its name, at a new $base. Fails, and says so, where it is not there.
serve() {
    port=$(free_port) base="$scheme://127.0.0.1:$port"
    command -v "$1" >/dev/null || { echo "skipped: $1 is not installed"; return 1; }
    "serve_$1"
}

serve_python3() {
    cat >server.py <<'END'
import http.server, os, ssl, sys

class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.path not in ("/whole", "/cut"):
            return super().do_GET()
        self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + 5000 * b"x")
        if self.path == "/whole": # else the end comes without a close_notify
            self.connection.unwrap()

class Server(http.server.ThreadingHTTPServer):
    def finish_request(self, request, address):
        if len(sys.argv) > 2:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(sys.argv[2], sys.argv[3])
            request = context.wrap_socket(request, server_side=True)
        super().finish_request(request, address)
        request.close()

os.chdir("site")
Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
END
    start python3 server.py "$port" ${tls:+"$work/cert.pem" "$work/key.pem"}
}

serve_nginx() {
    cat >nginx.conf <<END
daemon off; master_process off; pid $work/nginx.pid; error_log $work/nginx.err;
events { }
http { access_log off; gzip on; gzip_types *; gzip_min_length 1; client_body_temp_path $work/b;
 proxy_temp_path $work/p; fastcgi_temp_path $work/f; uwsgi_temp_path $work/u; scgi_temp_path $work/s;
 ${tls:+ssl_certificate $work/cert.pem; ssl_certificate_key $work/key.pem; ssl_protocols ${version:-TLSv1.3};}
 server { listen 127.0.0.1:$port ${tls:+ssl}; root $work/site;
  location = /resumed { keepalive_timeout 0; gzip off; if (\$ssl_session_reused = r) { return 200 resumed; }
   return 200 new; } } }
END
    start nginx -e "$work/nginx.err" -c "$work/nginx.conf"
}

serve_lighttpd() {
    cat >lighttpd.conf <<END
server.document-root = "$work/site"
server.port = $port
server.bind = "127.0.0.1"
index-file.names = ( "index.html" )
END
    [ -z "$tls" ] || cat >>lighttpd.conf <<END
server.modules += ( "mod_openssl" )
ssl.engine = "enable"
ssl.pemfile = "$work/cert.pem"
ssl.privkey = "$work/key.pem"
END
    start lighttpd -D -f "$work/lighttpd.conf"
}

serve_h2o() {
    cat >h2o.conf <<END
listen:
  host: 127.0.0.1
  port: $port
${tls:+  ssl:
    certificate-file: $work/cert.pem
    key-file: $work/key.pem}
compress: ON
hosts: { default: { paths: { /: { file.dir: $work/site } } } }
END
    start h2o -c "$work/h2o.conf"
}

# Files one after the other, at $port, each over a connection of its own that ends the body.
serve_openssl() {
    cd site || exit 1
    start openssl s_server -accept "127.0.0.1:$port" -cert ../cert.pem -key ../key.pem -WWW -quiet
    status=$?
    cd "$work" || exit 1
    return "$status"
}

# What curl gets, as fetch.c prints it.
curl_says() {
    for url in "$@"; do
        curl -s -L --compressed -o body -w '%{http_code} ' "$url"
        echo "$(($(wc -c <body))) $url"
    done
}

# compare NAME URLS...: "$fetch" gets from there what curl gets.
compare() {
    name=$1
    shift
    curl_says "$@" | sort >wanted
    $fetch "$@" 2>said | sort >got
    if ! cmp -s wanted got; then
        echo "$name: not what curl gets"
        diff wanted got | head -n 10
        cat said
        failed=1
    fi
    asked=$((asked + 1))
    echo "$name: $(wc -l <got) answers"
}

# All kinds of URLs of the server at $base, many at once.
compare_site() {
    urls="$base/empty $base/small.txt $base/large.bin $base/numbers.txt $base/none $base/folder"
    for i in $(seq 60); do
        urls="$urls $base/small.txt?$i"
    done
    # shellcheck disable=SC2086
    compare "$1" $urls
}
