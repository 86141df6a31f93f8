/* test_client_session.c - requests of a session: what is sent, what comes back, how it ends. */
#include "core/base/mem.h"
#include "tests/support/asking.h"

#include <rill/net.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define OK   "HTTP/1.1 200 OK\r\n"
#define GOOD OK "Content-Length: 2\r\n\r\nhi"

static const struct peer_answer always_good[] = { { .octets = GOOD }, { .octets = NULL } };

/* --- What is sent. --- */

static int each_method_is_sent_by_its_function(void *arg)
{
    static int (*const calls[])(rill_http_session *, const char *, const rill_http_request_opts *,
                                rill_http_response **) = {
        rill_http_get,    rill_http_post, rill_http_put,     rill_http_patch,
        rill_http_delete, rill_http_head, rill_http_options,
    };
    static const char *const heads[] = { "GET / ",    "POST / ", "PUT / ",    "PATCH / ",
                                         "DELETE / ", "HEAD / ", "OPTIONS / " };
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(always_good, NULL), 0);
    for (size_t i = 0; i < 7; i++) {
        rill_http_response *response;
        EXPECT_IS(calls[i](session, "/", NULL, &response), 0);
        int status = rill_http_status(response);
        rill_http_close(response);
        EXPECT_IS(status, 200);
        EXPECT(peer_saw(&peer, heads[i]));
        if (i == 5) /* the peer sent a body behind the head of HEAD: not a connection to keep */
            EXPECT(peer.connections <= 2);
    }
    return 0;
}

static int headers_of_the_request_override_those_of_the_session(void *arg)
{
    static const rill_http_line all[] = { { RILL_SPAN("X-One"), RILL_SPAN("session") },
                                          { RILL_SPAN("User-Agent"), RILL_SPAN("mine") } };
    static const rill_http_line own[] = { { RILL_SPAN("x-one"), RILL_SPAN("request") },
                                          { RILL_SPAN("accept"), RILL_SPAN("text/html") } };
    rill_http_session_opts opts = { .headers = all, .header_count = 2 };
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(always_good, &opts), 0);
    EXPECT_IS(ask("GET", "/a", NULL), 200);
    EXPECT(peer_saw(&peer, "X-One: session\r\nUser-Agent: mine\r\nAccept: */*\r\n"));
    peer.logged = 0;
    EXPECT_IS(ask("GET", "/b", &(rill_http_request_opts){ .headers = own, .header_count = 2 }),
              200);
    EXPECT(peer_saw(&peer, "User-Agent: mine\r\nx-one: request\r\naccept: text/html\r\n"));
    EXPECT(!peer_saw(&peer, "session"));
    return 0;
}

static int relative_urls_are_resolved_against_the_base(void *arg)
{
    char base[96];
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(peer_start(&peer, NULL, always_good), 0);
    snprintf(base, sizeof base, "%s/api/v1/", peer.url);
    EXPECT_IS(rill_http_session_new(&(rill_http_session_opts){ .base_url = base }, &session), 0);
    EXPECT_IS(ask("GET", "users?id=1", NULL), 200);
    EXPECT(peer_saw(&peer, "GET /api/v1/users?id=1 HTTP/1.1\r\n"));
    EXPECT_IS(ask("GET", "../v2/", NULL), 200);
    EXPECT(peer_saw(&peer, "GET /api/v2/ HTTP/1.1\r\n"));
    EXPECT_IS(ask("GET", peer.url, NULL), 200);
    EXPECT(peer_saw(&peer, "GET / HTTP/1.1\r\n"));
    return 0;
}

static int authorization_comes_from_the_url_the_request_or_the_session(void *arg)
{
    char url[96];
    rill_http_session_opts opts = { .auth = { "all", "of it" } };
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(always_good, &opts), 0);
    EXPECT_IS(ask("GET", "/", NULL), 200);
    EXPECT(peer_saw(&peer, "Authorization: Basic YWxsOm9mIGl0\r\n"));
    EXPECT_IS(ask("GET", "/", &(rill_http_request_opts){ .auth = { "me", "x" } }), 200);
    EXPECT(peer_saw(&peer, "Authorization: Basic bWU6eA==\r\n"));
    snprintf(url, sizeof url, "http://user:p%%40ss@127.0.0.1:%u/", peer.port);
    EXPECT_IS(ask("GET", url, NULL), 200);
    EXPECT(peer_saw(&peer, "Authorization: Basic dXNlcjpwQHNz\r\n"));
    EXPECT_IS(ask("GET", url, &(rill_http_request_opts){ .auth = { "me", "x" } }), -EINVAL);
    EXPECT(!peer_saw(&peer, "user:"));
    return 0;
}

static int body_of_octets_is_sent_with_its_length(void *arg)
{
    static char large[40 << 10];
    char line[64];
    rill_http_request_opts opts = { .body = RILL_SPAN("hello") };
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(always_good, NULL), 0);
    EXPECT_IS(ask("POST", "/", &opts), 200);
    EXPECT(peer_saw(&peer,
                    "Content-Type: application/octet-stream\r\nContent-Length: 5\r\n\r\nhello|"));
    memset(large, 'x', sizeof large);
    opts.body = (rill_span){ large, sizeof large };
    EXPECT_IS(ask("PUT", "/", &opts), 200);
    snprintf(line, sizeof line, "Content-Length: %zu\r\n", sizeof large);
    EXPECT(peer_saw(&peer, line));
    opts.body = RILL_SPAN("");
    peer.logged = 0;
    EXPECT_IS(ask("POST", "/", &opts), 200);
    EXPECT(peer_saw(&peer, "Content-Length: 0\r\n\r\n|"));
    EXPECT_IS(ask("DELETE", "/", NULL), 200);
    EXPECT_IS(peer.connections, 1);
    return 0;
}

static int forms_are_sent_as_browsers_do(void *arg)
{
    static const rill_http_line form[] = { { RILL_SPAN("a b"), RILL_SPAN("1&2=3") },
                                           { RILL_SPAN("name"), RILL_SPAN("J\xc3\xb6rg*") } };
    rill_http_request_opts opts = { .form = form, .form_count = 2 };
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(always_good, NULL), 0);
    EXPECT_IS(ask("POST", "/", &opts), 200);
    EXPECT(peer_saw(&peer, "Content-Type: application/x-www-form-urlencoded\r\n"));
    EXPECT(peer_saw(&peer, "\r\n\r\na+b=1%262%3D3&name=J%C3%B6rg*|"));
    return 0;
}

/* A temporary file with `text` in it, unlinked: its descriptor. */
static int file_with(const char *text)
{
    char path[] = "/tmp/rill-client-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0)
        return -errno;
    unlink(path);
    return write(fd, text, strlen(text)) < 0 ? -errno : fd;
}

static int multipart_form_has_fields_and_files(void *arg)
{
    OWNED_FD int fd = file_with("0123456789");
    rill_http_file file = { .fd = fd, .offset = 2, .size = 3 };
    const rill_http_form_part parts[] = {
        { .name = "field", .value = RILL_SPAN("value") },
        { .name = "qu\"ote", .filename = "a\r\nb.txt", .value = RILL_SPAN("in memory") },
        { .name = "file", .filename = "f", .content_type = "text/plain", .file = &file },
    };
    rill_http_request_opts opts = { .parts = parts, .part_count = 3 };
    char boundary[64] = "", text[1024];
    (void)arg;
    OWNED_SESSION;
    EXPECT(fd >= 0);
    EXPECT_IS(begin_asking(always_good, NULL), 0);
    EXPECT_IS(ask("POST", "/", &opts), 200);
    const char *at = strstr(peer.log, "multipart/form-data; boundary=");
    EXPECT(at != NULL && sscanf(at, "multipart/form-data; boundary=%63[0-9a-f]", boundary) == 1);
    snprintf(text, sizeof text,
             "\r\n\r\n--%s\r\nContent-Disposition: form-data; name=\"field\"\r\n\r\nvalue\r\n"
             "--%s\r\nContent-Disposition: form-data; name=\"qu%%22ote\"; "
             "filename=\"a%%0D%%0Ab.txt\"\r\n"
             "Content-Type: application/octet-stream\r\n\r\nin memory\r\n"
             "--%s\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n"
             "Content-Type: text/plain\r\n\r\n234\r\n--%s--\r\n|",
             boundary, boundary, boundary, boundary);
    EXPECT(peer_saw(&peer, text));
    return 0;
}

static int file_is_sent_from_its_offset_to_its_end(void *arg)
{
    OWNED_FD int fd = file_with("0123456789");
    rill_http_file file = { .fd = fd, .offset = 6 };
    rill_http_request_opts opts = { .file = &file };
    (void)arg;
    OWNED_SESSION;
    EXPECT(fd >= 0);
    EXPECT_IS(begin_asking(always_good, NULL), 0);
    EXPECT_IS(ask("PUT", "/", &opts), 200);
    EXPECT(peer_saw(&peer, "Content-Length: 4\r\n\r\n6789|"));
    return 0;
}

/* Gives "piece N;" `left` times, with an await between. */
static int produce(void *arg, void *buf, size_t size)
{
    int *left = arg;
    if (*left == 0)
        return 0;
    int r = rill_sleep(0);
    return r < 0 ? r : snprintf(buf, size, "piece %d;", (*left)--);
}

static int body_of_a_producer_is_sent_in_chunks(void *arg)
{
    int left = 3;
    rill_http_request_opts opts = { .produce = produce, .produce_arg = &left };
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(always_good, NULL), 0);
    EXPECT_IS(ask("POST", "/", &opts), 200);
    EXPECT(peer_saw(&peer, "Transfer-Encoding: chunked\r\n\r\npiece 3;piece 2;piece 1;|"));
    EXPECT(!peer_saw(&peer, "Content-Length"));
    return 0;
}

static int fail_to_produce(void *arg, void *buf, size_t size)
{
    (void)buf;
    (void)size;
    return ++*(int *)arg < 3 ? snprintf(buf, size, "x") : -ENOTSUP;
}

static int error_of_a_producer_ends_the_request(void *arg)
{
    int calls = 0;
    rill_http_request_opts opts = { .produce = fail_to_produce, .produce_arg = &calls };
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(always_good, NULL), 0);
    EXPECT_IS(ask("POST", "/", &opts), -ENOTSUP);
    EXPECT_IS(ask("GET", "/", NULL), 200);
    EXPECT_IS(peer.connections, 2);
    return 0;
}

/* The server refuses the body before it has come, and reads no more. */
static int early_answer_ends_the_sending(void *arg)
{
    static char large[4 << 20];
    static const struct peer_answer answers[] = {
        { .request = "POST /",
          .octets = "HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n",
          .early = true,
          .end = PEER_CLOSE },
        { .octets = GOOD },
        { .octets = NULL },
    };
    rill_http_request_opts opts = { .body = { large, sizeof large } };
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(answers, NULL), 0);
    int r = ask("POST", "/", &opts);
    EXPECT(r == 413 || r == -ECONNRESET); /* a reset may overtake the answer */
    EXPECT_IS(ask("GET", "/", NULL), 200);
    EXPECT_IS(peer.connections, 2);
    return 0;
}

/* It answers first and reads then, as one does that sends back what it gets. */
static int answer_of_a_server_that_reads_on_comes_behind_the_body(void *arg)
{
    static const struct peer_answer answers[] = { { .octets = GOOD, .early = true },
                                                  { .octets = NULL } };
    static char large[20 << 10];
    rill_http_request_opts opts = { .body = { large, sizeof large } };
    int left = 3;
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(answers, NULL), 0);
    memset(large, 'x', sizeof large);
    EXPECT_IS(ask("POST", "/", &opts), 200);
    opts = (rill_http_request_opts){ .produce = produce, .produce_arg = &left };
    EXPECT_IS(ask("POST", "/", &opts), 200);
    EXPECT_IS(ask("GET", "/", NULL), 200); /* behind the body that was read meanwhile */
    EXPECT(peer_saw(&peer, "piece 3;piece 2;piece 1;"));
    EXPECT_IS(peer.connections, 1);
    return 0;
}

static int request_with_two_bodies_is_refused(void *arg)
{
    rill_http_request_opts opts = { .body = RILL_SPAN("x"), .produce = produce };
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(always_good, NULL), 0);
    EXPECT_IS(ask("POST", "/", &opts), -EINVAL);
    EXPECT(error_says("more than one body"));
    EXPECT_IS(ask("GET", "no-scheme:x", NULL), -EINVAL);
    EXPECT_IS(ask("CONNECT", "/", NULL), -EINVAL);
    EXPECT_IS(ask("", "/", NULL), -EINVAL);
    EXPECT_IS(peer.connections, 0);
    return 0;
}

/* --- Limits. --- */

static int ask_root(void *arg)
{
    int r = ask("GET", arg != NULL ? arg : "/", NULL);
    return r == 200 ? 0 : r < 0 ? r : -EBADMSG;
}

/* `count` requests at once, the last one for `url`, and all are answered. */
static int ask_at_once(size_t count, char *url) RILL_SUSPENDS;

static int ask_at_once(size_t count, char *url)
{
    rill_group group = { 0 };
    int r = rill_group_enter(&group);
    if (r < 0)
        return r;
    for (size_t i = 0; i < count && r == 0; i++)
        r = rill_group_go(&group, RILL_CORO(ask_root, i + 1 == count ? url : NULL));
    r = rill_group_leave(&group, r);
    rill_group_fini(&group);
    return r;
}

/* Slow enough for all to come before the first answer, also over the simulator's network. */
static const struct peer_answer *slow(void)
{
    static struct peer_answer answers[] = { { .octets = GOOD }, { .octets = NULL } };
    answers[0].delay = in_simulator() ? RILL_MS(100) : RILL_MS(1);
    return answers;
}

static int limits_bound_the_requests_at_once(void *arg)
{
    static const struct {
        size_t limit, per_host;
        unsigned most;
    } rows[] = { { 3, 0, 3 }, { 0, 2, 2 }, { 0, 0, 8 }, { SIZE_MAX, 1, 1 } };

    (void)arg;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rill_http_session_opts opts = { .limit = rows[i].limit,
                                        .limit_per_host = rows[i].per_host };
        OWNED_SESSION;
        EXPECT_IS(begin_asking(slow(), &opts), 0);
        EXPECT_IS(ask_at_once(8, NULL), 0);
        EXPECT_IS(peer.requests, 8);
        EXPECT_IS(peer.most, rows[i].most);
        EXPECT_IS(peer.connections, rows[i].most);
    }
    return 0;
}

/* A second name of the same server is another host. */
static int full_host_does_not_hold_up_another(void *arg)
{
    rill_http_session_opts opts = { .limit_per_host = 1 };
    static char url[64];
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(slow(), &opts), 0);
    snprintf(url, sizeof url, "http://localhost:%u/", peer.port);
    EXPECT_IS(ask_at_once(3, url), 0);
    EXPECT_IS(peer.most, 2);
    return 0;
}

/* With one connection the first to come is the first to be asked for, whatever its host. */
static int waiting_requests_are_served_in_order_of_arrival(void *arg)
{
    static char urls[][32] = { "http://a.test/1", "http://b.test/2", "http://a.test/3",
                               "http://c.test/4" };
    rill_http_session_opts opts = { .limit = 1 };
    rill_group group = { 0 };
    rill_addr at;
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(peer_start(&peer, NULL, slow()), 0);
    at = rill_server_address(peer.server);
    opts.address = &at;
    EXPECT_IS(rill_http_session_new(&opts, &session), 0);
    int r = rill_group_enter(&group);
    for (int i = 0; i < 4 && r == 0; i++) {
        r = rill_group_go(&group, RILL_CORO(ask_root, urls[i]));
        if (r == 0)
            r = rill_sleep(0); /* the simulator may shuffle those that begin in one turn */
    }
    r = rill_group_leave(&group, r);
    rill_group_fini(&group);
    EXPECT_IS(r, 0);
    const char *log = peer.log;
    for (int i = 0; i < 4; i++) {
        log = strstr(log, urls[i] + strlen("http://a.test"));
        EXPECT(log != NULL);
    }
    return 0;
}

/* Of more hosts than connections may be kept, those that were asked last keep theirs. */
static int no_more_connections_are_kept_than_the_limit(void *arg)
{
    static const char *const urls[] = { "http://a.test/", "http://b.test/", "http://c.test/",
                                        "http://b.test/", "http://c.test/", "http://a.test/" };
    static const unsigned connections[] = { 1, 2, 3, 3, 3, 4 };
    rill_http_session_opts opts = { .limit = 2 };
    rill_addr at;
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(peer_start(&peer, NULL, always_good), 0);
    at = rill_server_address(peer.server);
    opts.address = &at;
    EXPECT_IS(rill_http_session_new(&opts, &session), 0);
    for (size_t i = 0; i < 6; i++) {
        EXPECT_IS(ask("GET", urls[i], NULL), 200);
        EXPECT_IS(peer.connections, connections[i]);
    }
    return 0;
}

static int waiting_for_a_connection_is_bounded_by_connect(void *arg)
{
    rill_http_session_opts opts = { .limit = 1, .connect = RILL_MS(5) };
    rill_http_response *held;
    static const struct peer_answer answers[] = { { .octets = OK "Content-Length: 9\r\n\r\nhi" },
                                                  { .octets = NULL } };
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(answers, &opts), 0);
    EXPECT_IS(rill_http_get(session, "/", NULL, &held), 0);
    int r = ask("GET", "/", NULL);
    bool told = error_says("(connect)");
    rill_http_close(held);
    EXPECT_IS(r, -ETIME);
    EXPECT(told);
    return 0;
}

/* --- Bounds of time. --- */

static int silence_is_bounded_by_sock_read_and_total(void *arg)
{
    static const struct peer_answer answers[] = {
        { .request = "GET /silent", .octets = NULL, .end = PEER_HOLD },
        { .request = "GET /half", .octets = OK "Content-Length: 9\r\n\r\nhalf", .end = PEER_HOLD },
        { .octets = NULL },
    };

    static const struct {
        rill_http_request_opts opts;
        const char *text;
    } rows[] = { { { .sock_read = RILL_MS(4) }, "(sock_read)" },
                 { { .total = RILL_MS(4) }, "(total)" },
                 { { .total = RILL_MS(4), .sock_read = RILL_SEC(9) }, "(total)" } };

    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(answers, NULL), 0);
    for (size_t i = 0; i < 3; i++) {
        EXPECT_IS(ask("GET", "/silent", &rows[i].opts), -ETIME);
        EXPECT(error_says(rows[i].text));
        EXPECT(error_says("GET http://127.0.0.1:"));
        EXPECT_IS(ask("GET", "/half", &rows[i].opts), -ETIME);
        EXPECT(error_says(rows[i].text));
    }
    return 0;
}

/* Each piece comes in time, and they may take longer in all. */
static int sock_read_counts_from_the_last_octets(void *arg)
{
    rill_http_request_opts opts = { .sock_read = RILL_SEC(5) };
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(slow(), NULL), 0);
    for (int i = 0; i < 3; i++)
        EXPECT_IS(ask("GET", "/", &opts), 200);
    EXPECT_IS(peer.connections, 1);
    return 0;
}

static int keepalive_bounds_the_time_without_use(void *arg)
{
    rill_http_session_opts opts = { .keepalive = RILL_MS(4) };
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(always_good, &opts), 0);
    EXPECT_IS(ask("GET", "/", NULL), 200);
    EXPECT_IS(rill_sleep(RILL_MS(8)), 0);
    EXPECT_IS(ask("GET", "/", NULL), 200);
    EXPECT_IS(peer.connections, 2);
    return 0;
}

/* What a request on a kept connection takes from the allocator: the response, with room for its texts and a
 * small body. The least of some counts: octets that come in pieces are put together in memory. */
static int request_on_a_kept_connection_allocates_little(void *arg)
{
    uint64_t least = UINT64_MAX;
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(always_good, NULL), 0);
    for (int i = 0; i < 8; i++) {
        uint64_t before = rill__mem_count();
        EXPECT_IS(ask("GET", "/", NULL), 200);
        uint64_t count = rill__mem_count() - before;
        least = count < least ? count : least;
    }
    EXPECT(least <= (in_simulator() ? 6 : 1));
    return 0;
}

/* --- The end. --- */

static int closing_the_session_ends_what_is_under_way(void *arg)
{
    static const struct peer_answer answers[] = {
        { .request = "GET /open", .octets = OK "Content-Length: 9\r\n\r\nhi", .end = PEER_HOLD },
        { .octets = NULL, .request = "GET /", .end = PEER_HOLD },
        { .octets = NULL },
    };
    rill_http_session_opts opts = { .limit = 2 };
    rill_http_response *open = NULL;
    char buf[16];
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(answers, &opts), 0);
    EXPECT_IS(rill_http_get(session, "/open", NULL, &open), 0);
    rill_task *asking = kept(rill_create_task(RILL_CORO(ask_root, NULL)));
    rill_task *waiting = kept(rill_create_task(RILL_CORO(ask_root, NULL)));
    rill_future *const tasks[] = { asking, waiting };
    int r = rill_sleep(RILL_MS(2));
    if (r == 0)
        r = all_begun(2, tasks);
    rill_http_session *closing = session;
    session = NULL;
    r = rill_first_error(r, rill_http_session_close(closing));
    int read = rill_http_read(open, buf, sizeof buf);
    rill_http_close(open);
    EXPECT_IS(r, 0);
    EXPECT_IS(read, -ESHUTDOWN);
    EXPECT_IS(rill_await(asking), -ESHUTDOWN);
    EXPECT_IS(rill_await(waiting), -ESHUTDOWN);
    return 0;
}

static rill_http_response *reading;

static int read_to_the_end(void *arg)
{
    char buf[16];
    int r;
    (void)arg;
    while ((r = rill_http_read(reading, buf, sizeof buf)) > 0)
        ;
    rill_http_close(reading);
    reading = NULL;
    return r;
}

static void close_reading(void *arg)
{
    (void)arg;
    rill_http_close(reading); /* its task did not begin */
    reading = NULL;
}

/* The reader waits, or octets for it come in the turn of the close. */
static int closing_the_session_ends_a_reader(void *arg)
{
    static const struct peer_answer answers[] = {
        { .octets = OK "Content-Length: 9\r\n\r\nhi", .end = PEER_HOLD }, { .octets = NULL }
    };
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(answers, NULL), 0);
    EXPECT_IS(rill_http_get(session, "/", NULL, &reading), 0);
    after_run(close_reading, NULL);
    rill_task *task = kept(rill_create_task(RILL_CORO(read_to_the_end, NULL)));
    int r = rill_sleep(RILL_MS(1));
    rill_http_session *closing = session;
    session = NULL;
    r = rill_first_error(r, rill_http_session_close(closing));
    EXPECT_IS(r, 0);
    EXPECT_IS(rill_await(task), -ESHUTDOWN);
    return 0;
}

static int session_of_nothing_closes(void *arg)
{
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(rill_http_session_close(NULL), 0);
    EXPECT_IS(begin_asking(always_good, NULL), 0);
    rill_http_session *closing = session;
    session = NULL;
    EXPECT_IS(rill_http_session_close(closing), 0);
    return 0;
}

static int options_that_are_no_good_are_refused(void *arg)
{
    static const rill_http_line lines[] = { { RILL_SPAN("Host"), RILL_SPAN("x") } };
    static const rill_http_session_opts rows[] = {
        { .base_url = "/relative" },
        { .base_url = "ftp://host/" },
        { .auth = { "a:b", "c" } },
        { .headers = lines, .header_count = 1 },
    };
    (void)arg;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rill_http_session *none;
        int r = rill_http_session_new(&rows[i], &none);
        EXPECT(r == -EINVAL || r == -ENOMEM);
    }
    return 0;
}

static const struct scenario scenarios[] = {
    SCENARIO(each_method_is_sent_by_its_function),
    SCENARIO(headers_of_the_request_override_those_of_the_session),
    SCENARIO(relative_urls_are_resolved_against_the_base),
    SCENARIO(authorization_comes_from_the_url_the_request_or_the_session),
    SCENARIO(body_of_octets_is_sent_with_its_length),
    SCENARIO(forms_are_sent_as_browsers_do),
    SCENARIO(multipart_form_has_fields_and_files),
    SCENARIO(file_is_sent_from_its_offset_to_its_end),
    SCENARIO(body_of_a_producer_is_sent_in_chunks),
    SCENARIO(error_of_a_producer_ends_the_request),
    SCENARIO_ONCE(early_answer_ends_the_sending),
    SCENARIO_ONCE(answer_of_a_server_that_reads_on_comes_behind_the_body),
    SCENARIO(request_with_two_bodies_is_refused),
    SCENARIO(limits_bound_the_requests_at_once),
    SCENARIO(full_host_does_not_hold_up_another),
    SCENARIO(waiting_requests_are_served_in_order_of_arrival),
    SCENARIO(no_more_connections_are_kept_than_the_limit),
    SCENARIO(waiting_for_a_connection_is_bounded_by_connect),
    SCENARIO(silence_is_bounded_by_sock_read_and_total),
    SCENARIO(sock_read_counts_from_the_last_octets),
    SCENARIO(keepalive_bounds_the_time_without_use),
    SCENARIO_ONCE(request_on_a_kept_connection_allocates_little),
    SCENARIO(closing_the_session_ends_what_is_under_way),
    SCENARIO(closing_the_session_ends_a_reader),
    SCENARIO(session_of_nothing_closes),
    SCENARIO(options_that_are_no_good_are_refused),
};

int main(void)
{
    return RUN_SCENARIOS("client_session", scenarios);
}
