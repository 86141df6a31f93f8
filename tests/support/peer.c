/* peer.c - a scripted HTTP server for scenarios of clients. */
#include "tests/support/peer.h"

#include <rill/http.h>
#include <rill/net.h>
#include <rill/task.h>
#include <rill/tls.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { fields_max = 50 };

static void note(struct peer *peer, rill_span octets)
{
    size_t room = sizeof peer->log - 1 - peer->logged;
    size_t size = octets.size < room ? octets.size : room;
    if (size > 0)
        memcpy(peer->log + peer->logged, octets.at, size);
    peer->logged += size;
    peer->log[peer->logged] = 0;
}

static const struct peer_answer *find_answer(struct peer *peer, rill_span line)
{
    for (size_t i = 0; i < PEER_ROWS_MAX; i++) {
        const struct peer_answer *answer = &peer->answers[i];
        if (answer->request == NULL && answer->octets == NULL)
            return NULL;
        if (answer->request != NULL && !rill_span_equal(rill_span_of(answer->request), line))
            continue;
        if (answer->once == 0 || peer->used[i]++ < answer->once)
            return answer;
    }
    return NULL;
}

/* The next head: its size, or 0 at the end. */
static int read_head(rill_stream *stream, rill_http_message *head, rill_span *ret_octets)
    RILL_SUSPENDS;

static int read_head(rill_stream *stream, rill_http_message *head, rill_span *ret_octets)
{
    static const rill_http_limits limits = {
        .line = 8192, .head = 16384, .fields = fields_max, .other_methods = true
    };
    rill_http_head_init(head, head->fields, fields_max);
    for (size_t least = 1;; least = ret_octets->size + 1) {
        int r = rill_stream_peek(stream, least, ret_octets);
        if (r <= 0)
            return r;
        r = rill_http_request_parse(head, ret_octets->at, ret_octets->size, &limits);
        if (r != 0)
            return r;
    }
}

static int read_body(struct peer *peer, rill_stream *stream, const rill_http_message *head)
    RILL_SUSPENDS;

static int read_body(struct peer *peer, rill_stream *stream, const rill_http_message *head)
{
    rill_http_body body;
    rill_http_piece piece;
    rill_span octets;
    int r = rill_http_body_init(&body, head, UINT64_MAX);
    while (r >= 0 && !body.done) {
        r = rill_stream_peek(stream, 1, &octets);
        if (r <= 0)
            return r < 0 ? r : -ENODATA;
        int64_t used = rill_http_body_take(&body, octets.at, octets.size, &piece);
        if (used < 0)
            return (int)used;
        if (piece.kind == RILL_HTTP_PIECE_DATA)
            note(peer, piece.octets);
        rill_stream_consume(stream, (size_t)used);
    }
    return r < 0 ? r : 0;
}

static int wait_for_end(rill_stream *stream) RILL_SUSPENDS;

static int wait_for_end(rill_stream *stream)
{
    rill_span octets;
    int r;
    while ((r = rill_stream_peek(stream, 1, &octets)) > 0)
        rill_stream_consume(stream, octets.size);
    return r;
}

static int answer_one(rill_stream *stream, const struct peer_answer *answer) RILL_SUSPENDS;

static int answer_one(rill_stream *stream, const struct peer_answer *answer)
{
    int r = answer->delay > 0 ? rill_sleep(answer->delay) : 0;
    size_t size = answer->size > 0         ? answer->size
                  : answer->octets != NULL ? strlen(answer->octets)
                                           : 0;
    if (r == 0 && size > 0)
        r = rill_stream_write(stream, answer->octets, size, NULL);
    if (r >= 0)
        r = rill_stream_drain(stream);
    return r;
}

/* Serve one request. 1: another one may come; 0: no more; -errno. */
static int serve_one(struct peer *peer, rill_stream *stream) RILL_SUSPENDS;

static int serve_one(struct peer *peer, rill_stream *stream)
{
    rill_http_field fields[fields_max];
    rill_http_message head = { .fields = fields };
    rill_span octets;
    int r = read_head(stream, &head, &octets);
    if (r <= 0)
        return r;
    peer->requests++;
    peer->under_way++;
    peer->most = peer->under_way > peer->most ? peer->under_way : peer->most;
    const char *end = memmem(octets.at, octets.size, " HTTP/1.", 8);
    const struct peer_answer *answer =
        find_answer(peer, (rill_span){ octets.at, (size_t)(end - octets.at) });
    note(peer, (rill_span){ octets.at, (size_t)r });
    rill_stream_consume(stream, (size_t)r);
    bool early = answer != NULL && answer->early;
    r = early ? 0 : read_body(peer, stream, &head);
    note(peer, RILL_SPAN("|"));
    if (r >= 0 && answer != NULL)
        r = answer_one(stream, answer);
    peer->under_way--;
    if (r < 0 || answer == NULL || answer->end == PEER_CLOSE)
        return r < 0 ? r : 0;
    if (answer->end == PEER_DEAF)
        return rill_sleep(RILL_FOREVER);
    if (answer->end == PEER_HOLD)
        return wait_for_end(stream);
    return early ? rill_first_error(read_body(peer, stream, &head), 1) : 1;
}

static int serve(rill_stream *stream, void *arg)
{
    struct peer *peer = arg;
    int r;
    peer->connections++;
    if (peer->tls != NULL) {
        r = rill_stream_start_tls(stream, &(rill_tls_opts){ .context = peer->tls });
        if (r < 0)
            return r == -ECANCELED ? r : 0;
    }
    while ((r = serve_one(peer, stream)) > 0)
        ;
    return r == -ECANCELED ? r : 0; /* what a connection meets is no error of the server */
}

int peer_start(struct peer *peer, const char *host, const struct peer_answer *answers)
{
    rill_server *server;
    *peer = (struct peer){ .answers = answers };
    int r = rill_start_server(host != NULL ? host : "127.0.0.1", 0, serve, peer, NULL, &server);
    if (r < 0)
        return r;
    rill_addr at = rill_server_address(server);
    peer->server = server;
    peer->port = rill_addr_port(&at);
    snprintf(peer->url, sizeof peer->url, "http://%s:%u", host != NULL ? host : "127.0.0.1",
             peer->port);
    return 0;
}

void peer_end(struct peer *peer)
{
    rill_server_abort_clients(peer->server);
    rill_server_free(peer->server);
    peer->server = NULL;
}

bool peer_saw(const struct peer *peer, const char *text)
{
    return strstr(peer->log, text) != NULL;
}
