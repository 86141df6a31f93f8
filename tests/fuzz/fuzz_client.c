/* fuzz_client.c - a response as the client reads it: head, framing, compression, in random splits.
 *
 * Client and server run in the simulator. The first octet chooses the method and seeds the splits, of what is sent
 * and of what is read. Oracle: the response means the same whole and in pieces, and nothing is left
 * behind. */
#include "core/base/mem.h"
#include "tests/fuzz/fuzz.h"

#include <rill.h>

#include <string.h>

enum { body_max = 1 << 20 };

struct reading {
    const char *octets;
    size_t size;
    uint32_t seed; /* 0: whole */
    bool head;
    int rc, status;
    size_t got;
    char body[body_max];
};

static struct reading readings[2];

/* A size from 1 to `most`; all of it without a seed. */
static size_t some(struct reading *reading, size_t most)
{
    if (reading->seed == 0)
        return most;
    reading->seed = reading->seed * 1664525u + 1013904223u;
    size_t size = 1 + (reading->seed >> 8) % 37;
    return size < most ? size : most;
}

static int serve(rill_stream *stream, void *arg)
{
    struct reading *reading = arg;
    rill_span head;
    int r = rill_stream_read_until(stream, &RILL_SPAN("\r\n\r\n"), 1, &head);
    for (size_t at = 0; at < reading->size && r >= 0;) {
        size_t size = some(reading, reading->size - at);
        r = rill_stream_write(stream, reading->octets + at, size, NULL);
        if (r >= 0)
            r = rill_stream_drain(stream);
        if (r >= 0 && reading->seed != 0)
            r = rill_sleep(0);
        at += size;
    }
    return r == -ECANCELED ? r : 0;
}

static int read_body(struct reading *reading, rill_http_response *response) RILL_SUSPENDS;

static int read_body(struct reading *reading, rill_http_response *response)
{
    for (;;) {
        size_t room = body_max - reading->got;
        if (room == 0)
            return -EMSGSIZE;
        int r = rill_http_read(response, reading->body + reading->got, some(reading, room));
        if (r <= 0)
            return r;
        reading->got += (size_t)r;
    }
}

static int request(struct reading *reading, rill_http_session *session, const char *url)
    RILL_SUSPENDS;

static int request(struct reading *reading, rill_http_session *session, const char *url)
{
    rill_http_request_opts opts = { .redirects = -1, .total = RILL_SEC(60) };
    rill_http_response *response;
    int r = rill_http_request(session, reading->head ? "HEAD" : "GET", url, &opts, &response);
    if (r < 0)
        return r;
    reading->status = rill_http_status(response);
    r = read_body(reading, response);
    rill_http_close(response);
    return r;
}

static int run(void *arg)
{
    struct reading *reading = arg;
    rill_server *server;
    rill_http_session *session;
    char url[64];
    int r = rill_start_server("127.0.0.1", 0, serve, reading, NULL, &server);
    PROMISE(r == 0);
    rill_addr at = rill_server_address(server);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", rill_addr_port(&at));
    PROMISE(rill_http_session_new(NULL, &session) == 0);
    reading->rc = request(reading, session, url);
    PROMISE(rill_http_session_close(session) == 0);
    rill_server_abort_clients(server);
    rill_server_free(server);
    return 0;
}

static void read_one(struct reading *reading, const uint8_t *data, size_t size, uint32_t seed)
{
    rill_sim_opts sim = { .seed = 1 };
    int64_t live = rill__mem_live();
    reading->octets = (const char *)data + 1;
    reading->size = size - 1;
    reading->seed = seed;
    reading->head = data[0] % 8 == 0;
    reading->status = 0;
    reading->got = 0;
    PROMISE(rill_run_with(RILL_CORO(run, reading), &(rill_loop_opts){ .sim = &sim }) == 0);
    PROMISE(rill__mem_live() == live);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 8 << 10)
        return 0;
    read_one(&readings[0], data, size, 0);
    read_one(&readings[1], data, size, data[0] + 1u);
    PROMISE(readings[0].status == readings[1].status);
    PROMISE((readings[0].rc == 0) == (readings[1].rc == 0));
    if (readings[0].rc == 0) {
        PROMISE(readings[0].got == readings[1].got);
        PROMISE(memcmp(readings[0].body, readings[1].body, readings[0].got) == 0);
    }
    return 0;
}
