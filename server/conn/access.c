/* access.c - the access record of one request, made only if somebody wants it. */
#include "server/conn/access.h"

#include "server/conf/conf.h"
#include "server/conn/tables.h"
#include "server/log.h"
#include "server/route.h"

#include <rill/loop.h>
#include <rill/mem.h>
#include <rill/net.h>

#include <errno.h>
#include <string.h>

/* The word for how a request ended whose end nobody noted. */
static const char *end_word(const struct conn *conn, int status, int result)
{
    if (result == 0)
        return status == 504 ? "deadline" : "done";
    if (result == -ECANCELED)
        return conn->why == CONN_TIMEOUT       ? "cut"
               : conn->why == CONN_CLIENT_GONE ? "client-gone"
                                               : "drain";
    return result == -ENOMEM || result == -EIO ? "error" : "client-gone";
}

static uint64_t ids;

/* The first half of all request ids of this worker, so that no two workers share one. */
static uint64_t id_prefix(void)
{
    static uint64_t prefix;
    if (prefix == 0)
        rill_random(&prefix, sizeof prefix);
    return prefix;
}

/* The client's address without its port and the brackets that kept them apart, asked for once: a
 * connection that broke has none any more. */
static void note_address(struct conn *conn)
{
    rill_addr addr;
    char memory[RILL_ADDR_TEXT_MAX];
    rill_text text = { memory, sizeof memory, 0, false };
    size_t skip = 0;
    if (rill_socket_peer(rill_stream_fd(conn->stream), &addr) < 0)
        return;
    rill_addr_format(&addr, &text);
    if (addr.any.sa_family != AF_UNIX)
        while (text.used > 0 && text.at[--text.used] != ':')
            ;
    if (text.used > 2 && memory[0] == '[') {
        skip = 1;
        text.used--;
    }
    conn->address = rill_copy(memory + skip, text.used - skip);
}

void access_begin(struct conn *conn)
{
    conn->begun = 0;
    if (!log_access_wanted())
        return;
    conn->begun_wall = rill_wall_clock();
    conn->begun = rill_now();
    if (conn->address == NULL)
        note_address(conn);
}

/* The version, once the request line was understood. */
static rill_span proto_of(const rill_http_message *head)
{
    if (head->resource.size == 0)
        return (rill_span){ NULL, 0 };
    return head->minor == 0 ? RILL_SPAN("HTTP/1.0") : RILL_SPAN("HTTP/1.1");
}

void access_record(const struct conn *conn, int status, int result)
{
    const struct request *request = &conn->request;
    const rill_http_message *head = request->head;
    const struct conf_route *route = request->route != NULL ? request->route->conf : NULL;
    const char *end = conn->end != NULL ? conn->end : end_word(conn, status, result);
    char listener[RILL_ADDR_TEXT_MAX];
    rill_text listener_text = { listener, sizeof listener, 0, false };
    if (route != NULL && !route->access_log && conn->rule == 0)
        return;
    if (status == 0 && strcmp(end, "client-gone") == 0)
        status = 499; /* rule 107 */
    rill_addr_format(&conn->client->listener->address, &listener_text);
    log_access(&(struct log_access){
        .time = conn->begun_wall,
        .id = { id_prefix(), ++ids },
        .conn = conn->client->number,
        .worker = (unsigned)log_slot(),
        .generation = conn->tables->generation,
        .listener = { listener, listener_text.used },
        .client = rill_span_of(conn->address),
        .proto = proto_of(head),
        .method = rill_http_span(head, head->method_name),
        .host = rill_http_head_value(head, RILL_HTTP_FIELD_HOST),
        .target = rill_http_span(head, head->target),
        .route = route != NULL ? route->path : (rill_span){ NULL, 0 },
        .parts = request->parts,
        .part_count = request->part_count,
        .status = (unsigned)status,
        .rule = conn->rule,
        .end = end,
        .bytes_in = conn->bytes_in,
        .bytes_out = conn->bytes_out,
        .body_out = conn->bytes_out > conn->head_out ? conn->bytes_out - conn->head_out : 0,
        .head_us = -1,
        .first_byte_us = -1,
        .total_us = (rill_now() - conn->begun) / 1000,
        .referer = rill_http_head_value(head, RILL_HTTP_FIELD_REFERER),
        .agent = rill_http_head_value(head, RILL_HTTP_FIELD_USER_AGENT),
    });
}
