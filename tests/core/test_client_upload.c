/* test_client_upload.c - bodies of requests whose server answers early, or is asked before they are sent. */
#include "tests/support/asking.h"

#include <rill/task.h>

#include <errno.h>
#include <stdio.h>

#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"
#define GOOD     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
#define REFUSED  "HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n"
#define FAILED   "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n"

static char large[32 << 20]; /* more than the sockets hold */

/* Octets without an end. Time passes meanwhile, also where it is simulated. */
static int produce_much(void *arg, void *buf, size_t size)
{
    unsigned *calls = arg;
    memset(buf, 'x', size);
    int r = ++*calls % 64 == 0 ? rill_sleep(RILL_MS(1)) : 0;
    return r < 0 ? r : (int)size;
}

/* One piece, and then nothing, for ever. */
static int produce_once(void *arg, void *buf, size_t size)
{
    int *calls = arg;
    if ((*calls)++ > 0)
        return rill_sleep(RILL_FOREVER);
    return snprintf(buf, size, "piece");
}

/* The server refuses a body and reads nothing of it: the write that waits for it ends, and its answer counts. */
static int refusal_ends_a_write_that_waits(void *arg)
{
    static const struct peer_answer answers[] = {
        { .request = "POST /", .octets = REFUSED, .early = true, .end = PEER_DEAF },
        { .request = "PUT /", .octets = CONTINUE REFUSED, .early = true, .end = PEER_DEAF },
        { .octets = GOOD },
        { .octets = NULL },
    };
    int calls = 0;
    unsigned pieces = 0;
    rill_http_request_opts octets = { .body = { large, sizeof large } };
    rill_http_request_opts much = { .produce = produce_much, .produce_arg = &pieces };
    rill_http_request_opts once = { .produce = produce_once, .produce_arg = &calls };
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(answers, NULL), 0);
    EXPECT_IS(ask("POST", "/", &octets), 413);
    EXPECT_IS(ask("POST", "/", &much), 413);
    EXPECT_IS(ask("POST", "/", &once), 413); /* it is the producer that waits */
    EXPECT_IS(ask("PUT", "/", &octets), 413);
    EXPECT_IS(ask("GET", "/", NULL), 200);
    EXPECT_IS(peer.connections, 5); /* none of them is good for another request */
    return 0;
}

/* The server goes while a body is sent to it, and leaves no answer. */
static int end_of_the_server_ends_the_sending(void *arg)
{
    static const struct peer_answer answers[] = {
        { .request = "POST /", .octets = NULL, .early = true, .end = PEER_CLOSE },
        { .octets = NULL },
    };
    unsigned pieces = 0;
    rill_http_request_opts opts = { .produce = produce_much, .produce_arg = &pieces };
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(answers, NULL), 0);
    EXPECT_IS(ask("POST", "/", &opts), -ECONNRESET);
    return 0;
}

static int body_is_sent_when_the_server_says_so(void *arg)
{
    static const struct peer_answer answers[] = {
        { .request = "POST /", .octets = CONTINUE GOOD, .early = true, .delay = RILL_MS(1) },
        { .request = "PUT /", .octets = GOOD },
        { .octets = NULL },
    };
    rill_http_request_opts opts = { .body = RILL_SPAN("octets"), .expect100 = true };
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(answers, NULL), 0);
    EXPECT_IS(ask("POST", "/", &opts), 200);
    EXPECT_IS(ask("GET", "/none", &(rill_http_request_opts){ .expect100 = true }), -ECONNRESET);
    EXPECT(peer_saw(&peer, "Expect: 100-continue\r\n\r\n|octetsGET /none"));
    EXPECT(strstr(strstr(peer.log, "GET /none"), "Expect") == NULL); /* it has no body */
    return 0;
}

/* It answers at once: the body is not sent, and the connection not used again. */
static int body_is_not_sent_to_a_server_that_has_answered(void *arg)
{
    static const struct peer_answer answers[] = {
        { .request = "POST /", .octets = FAILED, .early = true, .end = PEER_HOLD },
        { .request = "PUT /", .octets = GOOD, .early = true, .end = PEER_HOLD },
        { .octets = GOOD },
        { .octets = NULL },
    };
    rill_http_request_opts opts = { .body = RILL_SPAN("octets"), .expect100 = true };
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(answers, NULL), 0);
    EXPECT_IS(ask("POST", "/", &opts), 417);
    EXPECT_IS(ask("PUT", "/", &opts), 200);
    EXPECT_IS(ask("GET", "/", NULL), 200);
    EXPECT(!peer_saw(&peer, "octets"));
    EXPECT_IS(peer.connections, 3);
    return 0;
}

/* A server that knows nothing of it is waited for a second. */
static int body_is_sent_to_a_server_that_is_silent(void *arg)
{
    static const struct peer_answer answers[] = { { .octets = GOOD }, { .octets = NULL } };
    rill_http_request_opts opts = { .body = RILL_SPAN("octets"), .expect100 = true };
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(answers, NULL), 0);
    rill_time begun = rill_now();
    EXPECT_IS(ask("POST", "/", &opts), 200);
    EXPECT(rill_now() - begun >= RILL_SEC(1));
    EXPECT(peer_saw(&peer, "octets|"));
    EXPECT_IS(ask("GET", "/", NULL), 200);
    EXPECT_IS(peer.connections, 1);
    return 0;
}

/* A kept connection that has died is found out before the body is sent, and what is idempotent is sent again. */
static int kept_connection_that_died_is_told_from_a_refusal(void *arg)
{
    static const struct peer_answer answers[] = {
        { .octets = GOOD, .once = 1 },
        { .octets = NULL, .request = "PUT /", .early = true, .end = PEER_CLOSE, .once = 1 },
        { .octets = CONTINUE GOOD, .early = true },
        { .octets = NULL },
    };
    rill_http_request_opts opts = { .body = RILL_SPAN("octets"), .expect100 = true };
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(answers, NULL), 0);
    EXPECT_IS(ask("GET", "/", NULL), 200);
    EXPECT_IS(ask("PUT", "/", &opts), 200);
    EXPECT_IS(peer.connections, 2);
    EXPECT_IS(peer.requests, 3);
    return 0;
}

static const struct scenario scenarios[] = {
    SCENARIO_ONCE(refusal_ends_a_write_that_waits),
    SCENARIO(end_of_the_server_ends_the_sending),
    SCENARIO(body_is_sent_when_the_server_says_so),
    SCENARIO(body_is_not_sent_to_a_server_that_has_answered),
    SCENARIO_ONCE(body_is_sent_to_a_server_that_is_silent),
    SCENARIO(kept_connection_that_died_is_told_from_a_refusal),
};

int main(void)
{
    return RUN_SCENARIOS("client_upload", scenarios);
}
