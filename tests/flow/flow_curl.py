#!/usr/bin/env python3
"""flow_curl.py ASKER - redirects and cookies: curl and a session of rill send the same to one server.

Both are led to one scripted server, whatever hosts the URLs name. Compared is what arrives there: request lines
with the lines that matter, cookies in the order of their texts. Where rill differs on purpose the row says why.
Ends with 77 where there is no curl.
"""

import http.server
import re
import shutil
import subprocess
import sys
import threading

MATTERS = ("host", "authorization", "cookie", "referer", "content-length", "transfer-encoding", "x-own")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    script, log = {}, []

    def handle_error(self, *_):
        pass  # a client that is done with a connection may reset it


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        lines = []
        for name, value in self.headers.items():
            if name.lower() == "cookie":
                value = "; ".join(sorted(value.split("; ")))
            if name == "Host":
                value = value.lower()
            if name.lower() in MATTERS:
                lines.append(f"{name}: {value}")
        line = re.sub("%[0-9a-f]{2}", lambda m: m[0].upper(), self.requestline)
        self.server.log.append(" | ".join([line, *sorted(lines), repr(body)]))
        host = self.headers.get("Host", "").lower()
        status, fields = self.server.script.get(host + self.path) or \
            self.server.script.get(self.path) or (200, [])
        head = f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n".encode()
        for field in fields:
            head += (field if isinstance(field, bytes) else field.encode()) + b"\r\n"
        self.wfile.write(head + b"\r\n")

    do_GET = do_POST = do_PUT = do_HEAD = answer

    def log_message(self, *_):
        pass


def run(argv):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=60)
    return done.stdout


class Row:
    """One row: URLs that are asked in order, and what the server says where."""

    def __init__(self, name, urls, script, method="GET", body=None, user=None, header=None, why=None):
        self.name, self.urls, self.script, self.method = name, urls, script, method
        self.body, self.user, self.header, self.why = body, user, header, why

    def curl(self, port):
        argv = ["curl", "-q", "-s", "-L", "--max-redirs", "10", "-b", "", "--connect-to",
                f"::127.0.0.1:{port}", "-H", "Expect:", "--globoff", "--proto-redir", "=http,https",
                "--max-time", "20"]
        if self.method == "HEAD":
            argv.append("-I")
        if self.body is not None:
            argv += ["-d", self.body]
        if self.user is not None:
            argv += ["-u", self.user]
        if self.header is not None:
            argv += ["-H", self.header]
        for url in self.urls:
            argv += ["-o", "/dev/null", url]
        run(argv)

    def rill(self, asker, port):
        run([asker, f"127.0.0.1:{port}", self.method, self.body or "-", self.user or "-",
             self.header or "-", *self.urls])


A, B = "http://a.test", "http://b.test"


def redirect_rows():
    for status in (301, 302, 303, 307, 308):
        for method in ("GET", "POST", "HEAD"):
            body = "data" if method == "POST" else None
            yield Row(f"{method} {status}", [f"{A}/start"], {"/start": (status, ["Location: /end"])},
                      method, body)
            yield Row(f"{method} {status} to another host", [f"{A}/start"],
                      {"/start": (status, [f"Location: {B}/end"])}, method, body, "me:secret",
                      "X-Own: kept")
    for status in (300, 304, 305, 306):
        yield Row(f"GET {status}", [f"{A}/start"], {"/start": (status, ["Location: /end"])},
                  why="curl follows every 3xx, fetch and aiohttp these five")
    differences = {
        "#frag": "the same document again, and so a loop; curl asks for its folder",
        "?": "an empty query is a query (RFC 3986, 5.2.2)",
        "/q?a=b c": "a blank is %20, as in a path; curl makes it a plus in a query",
        "http:/one": "curl takes one slash for two",
        "http:///three": "curl takes three slashes for two",
        "/back\\slash": "octets that no URL may hold are percent-encoded, as browsers do",
        "/a|b": "the same",
        "/{x}": "the same",
        "/<\"^`>": "the same",
        "/q?<\"^`>": "the same",
        "http://b.test./x": "a dot at the end is left out of Host, as it is out of certificates",
        "http://b.test:0/": "port 0 is no port",
        "/100%": "a percent sign that begins no escape is encoded, as yarl does",
        "/%zz": "the same",
        "": "an empty reference is the same URL again (RFC 3986, 5.2.2); curl takes it for none",
        "/%2e%2e/x": "an encoded dot is a dot (RFC 3986, 6.2.2.3)",
        "/a/%2E/x": "the same",
    }
    for where in ("/end", "end", "./end", "../end", "../../../end", "?q=1", "/end#frag", "?q#f", "//b.test/x", B, f"{B}?x=1", "HTTP://B.TEST/Up", f"{B}:8080/", f"{B}:80/",
                  "/a//b", "/a/./b/../c", "/a/..", "/a/.", "/..", "/%7Euser/", "/a b",
                  "/\u00fc", "?\u00fc", "  /lead", "/trail  ", "/;p=1", "/[x]", "/a:b", "a:b", "/a@b",
                  "mailto:me@b.test", "ftp://b.test/", "javascript:alert(1)", f"{B}/../../x",
                  f"{B}:99999/", f"{B}:x/", "http://me:secret@b.test/x", "http://me@a.test/x",
                  "http://[::1]/x", "http://127.0.0.1/x", "http://127.0.0.1:81/x", "http:end",
                  "http://b.te st/", *differences):
        yield Row(f"Location: {where}", [f"{A}/dir/start?old"],
                  {"/dir/start?old": (302, [f"Location: {where}".encode()])},
                  why=differences.get(where))
    for name, secret in (("user", {"user": "me:secret"}), ("header", {"header": "Authorization: X y"}),
                         ("cookie", {"header": "Cookie: mine=1"})):
        for where in (A, f"{A}:8080", "http://x.a.test", B):
            yield Row(f"{name} on the way from {A} to {where}", [f"{A}/start"],
                      {"a.test/start": (302, [f"Location: {where}/end"])}, **secret)
        yield Row(f"{name} there and back", [f"{A}/start"],
                  {"a.test/start": (302, [f"Location: {B}/on"]),
                   "b.test/on": (302, [f"Location: {A}/end"])}, **secret)
    yield Row("a loop", [f"{A}/start"], {"/start": (302, ["Location: /start"])})
    for count in (10, 11):
        yield Row(f"{count} redirects", [f"{A}/0"],
                  {f"/{i}": (302, [f"Location: /{i + 1}"]) for i in range(count)})
    yield Row("two Locations", [f"{A}/start"],
              {"/start": (302, ["Location: /first", "Location: /second"])})


def cookie_rows():
    # Numbers are sections of RFC 6265.
    suffixes = "the list of public suffixes is not there"
    differences = {
        "n=v; Domain=co.uk": suffixes,
        "n=v; domain=b.co.uk; domain=a.co.uk": "of repeated attributes the last one counts (5.3)",
        "n=v; Path=/dir/": "curl takes the last slash off; /dir is not below /dir/ (5.1.4)",
        "n=v; Path=other": "a path without a slash is none (5.2.4)",
        "n=v; Path=": "the same",
        "n=v; Max-Age=abc": "no number is no Max-Age (5.2.2)",
        "n=v; Max-Age=": "the same",
        "n\t=a": "white space round a name goes (5.2)",
    }
    after = ["http://www.a.co.uk/dir/page", "http://www.a.co.uk/dir/", "http://www.a.co.uk/dir",
             "http://www.a.co.uk/dir/sub/x?y", "http://www.a.co.uk/dirt", "http://www.a.co.uk/",
             "http://a.co.uk/dir/page", "http://b.co.uk/dir/page", "http://x.www.a.co.uk/dir/page",
             "http://ba.co.uk/dir/page", "http://www.a.co.uk:8080/dir/page"]
    name = "n" * 96
    for text in (
            "n=v", "n=v; Domain=a.co.uk", "n=v; Domain=.a.co.uk", "n=v; Domain=www.a.co.uk",
            "n=v; Domain=x.www.a.co.uk", "n=v; Domain=b.co.uk", "n=v; Domain=co.uk", "n=v; Domain=uk",
            "n=v; Domain=ww.a.co.uk", "n=v; Domain=A.CO.UK", "n=v; Domain=", "n=v; Domain=a.co.uk.",
            "n=v; Domain=..a.co.uk", "n=v; domain=b.co.uk; domain=a.co.uk",
            "n=v; Path=/dir", "n=v; Path=/dir/", "n=v; Path=/di", "n=v; Path=/", "n=v; Path=other",
            "n=v; Path=", "n=v; Path", "n=v; Path=/dir/page", "n=v; path=/x; path=/",
            "n=v; Path=\"/dir\"", "n=v; PATH=/",
            "n=v; Secure", "n=v; HttpOnly", "n=v; SameSite=Strict", "n=v; Max-Age=0",
            "n=v; Max-Age=-1", "n=v; Max-Age=10", "n=v; Max-Age=abc", "n=v; Max-Age=",
            "n=v; Max-Age=99999999999999999999", "n=v; Max-Age=\"10\"", "n=v; Max-Age=10x",
            "n=v; Expires=Sun, 06 Nov 1994 08:49:37 GMT; Max-Age=10",
            "n=v; Max-Age=0; Expires=Fri, 01 Jan 2038 00:00:00 GMT",
            "n=v; Expires=Sun, 06 Nov 1994 08:49:37 GMT", "n=v; Expires=Fri, 01 Jan 2038 00:00:00 GMT",
            "n=v; Expires=Friday, 01-Jan-38 00:00:00 GMT", "n=v; Expires=Fri Jan  1 00:00:00 2038",
            "n=v; Expires=Sunday, 06-Nov-94 08:49:37 GMT", "n=v; Expires=Sun Nov  6 08:49:37 1994",
            "n=v; Expires=nonsense", "n=v; Expires=", "n=v; Expires=0",
            "n=\"quoted\"", "n=\"a b\"", "n=a\"b", "n= v ", " n = v", "n", "=v", "n=", "", ";", "n=v=w",
            "n=v;;Path=/", "n=v ; Path=/", "n=v;Path=/;", "n=a,b; Path=/", "n=a b; Path=/",
            "__Secure-n=v", "__Secure-n=v; Secure", "__Host-n=v; Path=/", "__Host-n=v; Path=/; Secure",
            "n=a\tb", "n\t=a", "n=\u00fc", "n=v; Unknown=x", f"{name}={'v' * 4000}",
            f"{name}={'v' * 4001}"):
        yield Row(f"Set-Cookie: {text[:60]}", ["http://www.a.co.uk/dir/set", *after],
                  {"/dir/set": (200, [f"Set-Cookie: {text}".encode()])}, why=differences.get(text))
    for host in ("127.0.0.1", "localhost", "single", "[::1]"):
        for text in ("n=v", f"n=v; Domain={host}", "n=v; Domain=0.0.1", "n=v; Domain=1", "n=v; Secure",
                     "__Host-n=v; Path=/; Secure", "n=v; Domain=.localhost"):
            yield Row(f"{host} sets {text}", [f"http://{host}/set", f"http://{host}/",
                                              "http://10.0.0.1/", "http://x.localhost/"],
                      {"/set": (200, [f"Set-Cookie: {text}"])})
    yield Row("a cookie takes the place of its former self", [f"{A}/1", f"{A}/2", f"{A}/3", f"{A}/4"],
              {"/1": (200, ["Set-Cookie: n=1; Path=/", "Set-Cookie: m=1"]),
               "/2": (200, ["Set-Cookie: n=2; Path=/"]),
               "/3": (200, ["Set-Cookie: n=; Path=/; Max-Age=0"])})
    yield Row("two of a name with different paths", [f"{A}/1", f"{A}/d/2"],
              {"/1": (200, ["Set-Cookie: n=1; Path=/", "Set-Cookie: n=2; Path=/d"])})
    yield Row("two of a name with and without a domain", ["http://x.a.test/1", "http://x.a.test/2"],
              {"/1": (200, ["Set-Cookie: n=1; Path=/", "Set-Cookie: n=2; Path=/; Domain=x.a.test"])})
    yield Row("cookies of a redirect", [f"{A}/start", f"{A}/x"],
              {"/start": (302, ["Location: /end", "Set-Cookie: n=1; Path=/"])})
    yield Row("the caller's cookies and the jar's", [f"{A}/1", f"{A}/2"],
              {"/1": (200, ["Set-Cookie: n=1; Path=/"])}, header="Cookie: mine=1",
              why="the caller's come first, as with aiohttp; curl sends two lines or none")
    for count in (50, 51):
        yield Row(f"{count} cookies at once", [f"{A}/1", f"{A}/2"],
                  {"/1": (200, [f"Set-Cookie: n{i:03}=v; Path=/" for i in range(count)])},
                  why=None if count == 50 else "of 51 the first one goes; curl takes the first 50")
    yield Row("as much as a line holds", [f"{A}/1", f"{A}/2"],
              {"/1": (200, [f"Set-Cookie: n{i:03}={'v' * 400}; Path=/" for i in range(40)])},
              why="which of them are left out: curl the last made, rill the last sent")


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    if shutil.which("curl") is None:
        print("SKIPPED: curl is not installed, and it is what this test compares with")
        raise SystemExit(77)
    server = Server(("127.0.0.1", 0), Handler)
    port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    bad = same = differ = 0
    for row in (*redirect_rows(), *cookie_rows()):
        server.script = row.script
        server.log = []
        row.curl(port)
        curls, server.log = server.log, []
        row.rill(sys.argv[1], port)
        if curls == server.log:
            same += 1
            if row.why is not None:
                bad += 1
                print(f"{row.name}: does as curl, though the row says: {row.why}")
            continue
        if row.why is not None:
            differ += 1
            continue
        bad += 1
        print(f"{row.name}\n  curl:")
        print(*(f"    {line}" for line in curls), sep="\n")
        print("  rill:")
        print(*(f"    {line}" for line in server.log), sep="\n")
    print(f"{same} rows as curl, {differ} differ on purpose, {bad} bad")
    raise SystemExit(1 if bad else 0)


main()
