/* send.c - an answer on its way.
 *
 * Small answers, head and body, are copied into the stream's buffer: one copy of some hundred octets
 * is cheaper than a message of two parts, and answers to pipelined requests leave in one send. Large
 * bodies go out from where they lie, and files by the kernel.
 *
 * While an answer waits for the client, conn.c looks at what the client takes: see is_stuck there. */
#include "server/conn/send.h"

#include "server/conf/conf.h"
#include "server/conn/conn.h"
#include "server/conn/tables.h"
#include "server/http/date.h"
#include "server/reply.h"

#include <rill/stream.h>

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

enum { copy_most = 4 << 10 };

static struct date_cache date;

/* The line that says what becomes of the connection; empty where the protocol's default says it. */
static rill_span connection_line(const struct conn *conn)
{
    if (conn->last)
        return RILL_SPAN("Connection: close\r\n");
    if (conn->request.head->minor == 0)
        return RILL_SPAN("Connection: keep-alive\r\n");
    return (rill_span){ NULL, 0 };
}

/* Write the head, with `line` before its final empty line. */
static void put_head(char *to, const struct reply *reply, rill_span line)
{
    memcpy(to, reply->head, reply->head_size);
    if (line.size > 0) {
        memcpy(to + reply->head_size - 2, line.at, line.size);
        memcpy(to + reply->head_size - 2 + line.size, "\r\n", 2);
    }
}

static int send_file(struct conn *conn, const struct reply *reply)
{
    uint64_t sent;
    int r = rill_stream_sendfile(conn->stream, reply->file_fd, reply->file_offset, reply->file_size,
                                 &sent);
    conn->bytes_out += sent;
    if (r == -ENODATA)
        conn->end = "cut"; /* the file got shorter (rule 100) */
    return r;
}

/* Answers that do not fit into the stream's buffer. The request's octets do not survive this. */
static int send_slowly(struct conn *conn, struct reply *reply, rill_span line, rill_span body)
{
    struct iovec pieces[2] = { { reply->head, reply->head_size },
                               { (void *)(uintptr_t)body.at, body.size } };
    size_t count = body.size > 0 ? 2 : 1, taken;
    memcpy(reply->head + reply->date_at, date_cached(&date, conn->request.now), date_size);
    if (line.size > 0) {
        pieces[0].iov_len += line.size;
        pieces[0].iov_base = rill_arena_alloc(&conn->arena, pieces[0].iov_len);
        if (pieces[0].iov_base == NULL)
            return -ENOMEM;
        put_head(pieces[0].iov_base, reply, line);
    } else if (count == 2 && body.at == reply->head + reply->head_size) {
        pieces[0].iov_len += body.size; /* they lie in one block: one piece */
        count = 1;
    }
    int r = rill_stream_writev(conn->stream, pieces, count, &taken);
    conn->bytes_out += taken;
    return r < 0 ? r : 0;
}

/* Copy a small answer, or the head before a file, into the stream's buffer.   Returns: whether it did. */
static bool put_small(struct conn *conn, const struct reply *reply, rill_span line, rill_span body)
{
    size_t size = reply->head_size + line.size + body.size;
    char *room = size <= copy_most ? rill_stream_room(conn->stream, size) : NULL;
    if (room == NULL)
        return false;
    put_head(room, reply, line);
    memcpy(room + reply->date_at, date_cached(&date, conn->request.now), date_size);
    if (body.size > 0)
        memcpy(room + reply->head_size + line.size, body.at, body.size);
    rill_stream_put(conn->stream, size);
    conn->bytes_out += size;
    return true;
}

/* The part that may wait for the client. */
static int send_waiting(struct conn *conn, struct reply *reply, rill_span line, rill_span body,
                        bool is_put, bool has_file)
{
    int r = conn->begun != 0 ? request_keep(&conn->request) : 0; /* the record tells of it */
    conn_sending(conn, conn->tables->conf->limits.send_timeout);
    if (r == 0 && !is_put)
        r = send_slowly(conn, reply, line, body);
    if (r == 0 && has_file)
        r = send_file(conn, reply);
    return r;
}

static int send_all(struct conn *conn, struct reply *reply)
{
    rill_span line = connection_line(conn), body = reply->body;
    bool head_only = conn->request.head->method == RILL_HTTP_HEAD; /* rule 70 */
    bool has_file = reply->file_fd >= 0 && reply->file_size > 0 && !head_only;
    if (head_only)
        body.size = 0;
    conn->head_out = reply->head_size + (uint32_t)line.size;
    bool is_put = put_small(conn, reply, line, body);
    if (is_put && !has_file)
        return 0;
    return send_waiting(conn, reply, line, body, is_put, has_file);
}

int send_reply(struct conn *conn, struct reply *reply)
{
    conn->last |= reply->close;
    int r = send_all(conn, reply);
    reply_release(reply);
    return r;
}
