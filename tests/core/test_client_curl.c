/* test_client_curl.c - redirects, methods and cookies: curl and the session send the same to one server.
 *
 * Both talk to two scripted servers, of which the second is another origin. Compared is what they received: each
 * request line with the lines that matter, sorted, and the body. (A Content-Type of the caller's is not: curl
 * sends it also with the GET that a redirect made of a POST, the session does as fetch.) Needs curl. */
#include "tests/support/expect.h"
#include "tests/support/peer.h"
#include "tests/support/proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CURL "/usr/bin/curl"

enum { text_max = 8192, steps_max = 4 };

static struct peer here, there;
static char upload[] = "/tmp/rill-curl-XXXXXX"; /* a file with the body */
static char away[7][256];                       /* answers that lead to the other server */

static const struct peer_answer at_here[] = {
    { .request = "GET /301",
      .octets = "HTTP/1.1 301 X\r\nLocation: end\r\nContent-Length: 0\r\n\r\n" },
    { .request = "POST /301",
      .octets = "HTTP/1.1 301 X\r\nLocation: end\r\nContent-Length: 0\r\n\r\n" },
    { .request = "PUT /301",
      .octets = "HTTP/1.1 301 X\r\nLocation: end\r\nContent-Length: 0\r\n\r\n" },
    { .request = "POST /302",
      .octets = "HTTP/1.1 302 X\r\nLocation: /a/../end?q=1#f\r\nContent-Length: 0\r\n\r\n" },
    { .request = "POST /303",
      .octets = "HTTP/1.1 303 X\r\nLocation: ?x\r\nContent-Length: 0\r\n\r\n" },
    { .request = "PUT /303",
      .octets = "HTTP/1.1 303 X\r\nLocation: ./end\r\nContent-Length: 0\r\n\r\n" },
    { .request = "HEAD /303",
      .octets = "HTTP/1.1 303 X\r\nLocation: /end\r\nContent-Length: 0\r\n\r\n" },
    { .request = "POST /307",
      .octets = "HTTP/1.1 307 X\r\nLocation: /end\r\nContent-Length: 0\r\n\r\n" },
    { .request = "PUT /308",
      .octets = "HTTP/1.1 308 X\r\nLocation: /end\r\nContent-Length: 0\r\n\r\n" },
    { .request = "GET /away", .octets = away[0] },
    { .request = "POST /away", .octets = away[1] },
    { .request = "GET /space",
      .octets = "HTTP/1.1 302 X\r\nLocation: /a b\r\nContent-Length: 0\r\n\r\n" },
    { .request = "GET /login/in",
      .octets =
          "HTTP/1.1 302 X\r\nLocation: /login/home\r\nSet-Cookie: path=1\r\n"
          "Set-Cookie: root=2; Path=/\r\nSet-Cookie: other=3; Path=/other\r\n"
          "Set-Cookie: gone=4; Max-Age=0\r\nSet-Cookie: safe=5; Secure; Path=/\r\n"
          "Set-Cookie: strange=6; Domain=example.com\r\nSet-Cookie: old=7; "
          "Expires=Sun, 06 Nov 1994 08:49:37 GMT\r\nSet-Cookie: age=8; Max-Age=100; Path=/\r\n"
          "Set-Cookie: \"quoted\"=\"9 9\"; Path=/\r\nContent-Length: 0\r\n\r\n" },
    { .request = "GET /logout",
      .octets =
          "HTTP/1.1 200 OK\r\nSet-Cookie: root=; Path=/; Max-Age=0\r\nContent-Length: 0\r\n\r\n" },
    { .request = "HEAD /end", .octets = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" },
    { .octets = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi" },
    { .octets = NULL },
};

static const struct peer_answer at_there[] = {
    { .octets = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi" },
    { .octets = NULL },
};

/* Requests of one session, in order. */
static const struct row {
    const char *method;
    const char *paths[steps_max];
    bool body;   /* "data" */
    bool secret; /* a password, a Cookie line, and one of one's own */
} rows[] = {
    { "GET", { "/301" }, false, false },
    { "POST", { "/301" }, true, false },
    { "PUT", { "/301" }, true, false },
    { "POST", { "/302" }, true, false },
    { "POST", { "/303" }, true, false },
    { "PUT", { "/303" }, true, false },
    { "HEAD", { "/303" }, false, false },
    { "POST", { "/307" }, true, false },
    { "PUT", { "/308" }, true, false },
    { "GET", { "/301" }, false, true },
    { "GET", { "/away" }, false, true },
    { "POST", { "/away" }, true, true },
    { "GET", { "/space" }, false, false },
    { "GET", { "/login/in", "/login", "/loginx", "/other/x" }, false, false },
    { "GET", { "/login/in", "/logout", "/login/" }, false, false },
};

/* --- What the servers received. --- */

static bool matters(const char *line)
{
    static const char *const names[] = {
        "Host:", "Authorization:", "Cookie:", "Content-Length:", "X-Own:", "Transfer-Encoding:"
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(line, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Put the cookies of a line in order of their texts: of those with one path curl sends the longer names first, the
 * session the older ones, as the RFC says. */
static void sort_cookies(char *line)
{
    char copy[512], *parts[32], *rest = copy;
    size_t count = 0, used = strlen("Cookie: ");
    snprintf(copy, sizeof copy, "%s", line + used);
    for (char *part; (part = strsep(&rest, ";")) != NULL && count < 32;)
        parts[count++] = part + (*part == ' ');
    qsort(parts, count, sizeof *parts, by_text);
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(parts[i]);
        memcpy(line + used, parts[i], size);
        used += size;
        if (i + 1 < count)
            memcpy(line + used, "; ", 2);
        used += i + 1 < count ? 2 : 0;
    }
}

/* Tell one request, of which *log loses the text. */
static void tell_request(char **log, char *text)
{
    char *lines[64], *end = strstr(*log, "\r\n\r\n"), *bar = end != NULL ? strchr(end, '|') : NULL;
    size_t count = 0;
    if (bar == NULL) {
        *log += strlen(*log);
        return;
    }
    *bar = *end = 0;
    char *line = *log, *next;
    for (; line != NULL && count < 64; line = next) {
        next = strstr(line, "\r\n");
        if (next != NULL) {
            *next = 0;
            next += 2;
        }
        if (strncmp(line, "Cookie: ", 8) == 0)
            sort_cookies(line);
        if (line == *log || matters(line))
            lines[count++] = line;
    }
    qsort(lines + 1, count - 1, sizeof *lines, by_text);
    for (size_t i = 0; i < count; i++)
        snprintf(text + strlen(text), text_max - strlen(text), "  %s\n", lines[i]);
    snprintf(text + strlen(text), text_max - strlen(text), "  [%s]\n", end + 4);
    *log = bar + 1;
}

static void tell_all(char *text)
{
    struct peer *const peers[] = { &here, &there };
    text[0] = 0;
    for (size_t i = 0; i < 2; i++) {
        snprintf(text + strlen(text), text_max - strlen(text), "server %zu\n", i);
        for (char *log = peers[i]->log; *log != 0;)
            tell_request(&log, text);
        peers[i]->logged = 0;
        peers[i]->log[0] = 0;
    }
}

/* --- Who asks. --- */

static int ask_curl(const struct row *row) RILL_SUSPENDS;

static int ask_curl(const struct row *row)
{
    static char urls[steps_max][128];
    const char *argv[32] = { CURL, "-s", "-L", "-b", "", "-o", "/dev/null", "-H", "Expect:" };
    size_t count = 9;
    bool put = strcmp(row->method, "PUT") == 0;
    if (row->body) {
        argv[count++] = put ? "-T" : "-d";
        argv[count++] = put ? upload : "data";
    }
    if (strcmp(row->method, "HEAD") == 0)
        argv[count++] = "-I";
    if (row->secret) {
        static const char *const more[] = { "-u", "me:secret",  "-H", "Cookie: mine=1",
                                            "-H", "X-Own: kept" };
        memcpy(&argv[count], more, sizeof more);
        count += 6;
    }
    for (size_t i = 0; i < steps_max && row->paths[i] != NULL; i++) {
        snprintf(urls[i], sizeof *urls, "%s%s", here.url, row->paths[i]);
        argv[count++] = urls[i];
        argv[count++] = "-o";
        argv[count++] = "/dev/null";
    }
    argv[count - 2] = NULL; /* one output for each URL */
    struct proc proc;
    int r = proc_start(&proc, &(struct proc_spec){ .argv = argv });
    if (r < 0)
        return r;
    while (r == 0 && !proc_has_ended(&proc))
        r = rill_sleep(RILL_MS(2));
    if (r == 0)
        r = proc_wait(&proc, 1000) == 0 ? 0 : -EIO;
    proc_fini(&proc);
    return r;
}

static int ask_once(rill_http_session *session, const struct row *row, const char *path)
    RILL_SUSPENDS;

static int ask_once(rill_http_session *session, const struct row *row, const char *path)
{
    static const rill_http_line lines[] = { { RILL_SPAN("Content-Type"), RILL_SPAN("text/plain") },
                                            { RILL_SPAN("Cookie"), RILL_SPAN("mine=1") },
                                            { RILL_SPAN("X-Own"), RILL_SPAN("kept") } };
    rill_http_request_opts opts = {
        .headers = row->body ? lines : lines + 1,
        .header_count = (size_t)row->body + (row->secret ? 2 : 0),
        .body = row->body ? RILL_SPAN("data") : (rill_span){ NULL, 0 },
        .auth = { row->secret ? "me" : NULL, "secret" },
        .redirects = 10,
    };
    rill_http_response *response;
    rill_span body;
    int r = rill_http_request(session, row->method, path, &opts, &response);
    if (r < 0)
        return r;
    r = rill_http_read_all(response, 1024, &body);
    rill_http_close(response);
    return r;
}

static int ask_session(const struct row *row) RILL_SUSPENDS;

static int ask_session(const struct row *row)
{
    rill_http_session *session;
    int r = rill_http_session_new(&(rill_http_session_opts){ .base_url = here.url }, &session);
    if (r < 0)
        return r;
    for (size_t i = 0; i < steps_max && row->paths[i] != NULL && r == 0; i++)
        r = ask_once(session, row, row->paths[i]);
    return rill_first_error(r, rill_http_session_close(session));
}

/* --- Both. --- */

static void drop_peers(int *mark)
{
    (void)mark;
    peer_end(&here);
    peer_end(&there);
}

static int session_sends_what_curl_sends(void *arg)
{
    static char curls[text_max], ours[text_max];
    static const char *const statuses[] = { "302", "307" };
    __attribute__((cleanup(drop_peers))) int mark = 0;
    (void)mark;
    (void)arg;
    EXPECT_IS(peer_start(&there, NULL, at_there), 0);
    EXPECT_IS(peer_start(&here, NULL, at_here), 0);
    for (size_t i = 0; i < 2; i++)
        snprintf(away[i], sizeof *away,
                 "HTTP/1.1 %s X\r\nLocation: %s/x\r\nContent-Length: 0\r\n\r\n", statuses[i],
                 there.url);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        EXPECT_IS(ask_curl(&rows[i]), 0);
        tell_all(curls);
        EXPECT_IS(ask_session(&rows[i]), 0);
        tell_all(ours);
        if (strcmp(curls, ours) != 0)
            fprintf(stderr, "%s %s, curl:\n%sthe session:\n%s", rows[i].method, rows[i].paths[0],
                    curls, ours);
        EXPECT(strcmp(curls, ours) == 0);
    }
    return 0;
}

static const struct scenario scenarios[] = {
    { .name = "session_sends_what_curl_sends",
      .main = session_sends_what_curl_sends,
      .once = true },
};

int main(void)
{
    if (access(CURL, X_OK) != 0) {
        puts("curl is not installed");
        return 77;
    }
    leave_without_pidfds();
    int fd = mkstemp(upload);
    if (fd < 0 || write(fd, "data", 4) != 4) {
        puts("no temporary file");
        return 1;
    }
    close(fd);
    int r = RUN_SCENARIOS("client_curl", scenarios);
    unlink(upload);
    return r;
}
