/* send.c - an answer on its way.
 *
 * Small answers, head and body, are copied into the stream's buffer: one copy of some hundred octets
 * is cheaper than a message of two parts, and answers to pipelined requests leave in one send. Large
 * bodies go out from where they lie, and files by the kernel.
 *
 * A client that reads nothing is cut after limits.send_timeout: the limit counts silence, so every
 * piece that gets through begins it anew. */
#include "server/conn/send.h"

#include "server/conf/conf.h"
#include "server/conn/conn.h"
#include "server/conn/tables.h"
#include "server/http/date.h"
#include "server/log.h"
#include "server/reply.h"

#include <rill/stream.h>

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

enum { copy_most = 4 << 10, slice = 8 << 20 };

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

/* The limit on silence has passed: it is only a silence if nothing of this piece got through.
 * Returns: 0 (go on); -ECANCELED. */
static int forgive_progress(struct conn *conn, bool progress)
{
    if (conn->why != CONN_TIMEOUT || !progress || rill_uncancel(conn->task) > 0)
        return -ECANCELED;
    conn->why = CONN_NOT_ASKED;
    return 0;
}

static void begin_piece(struct conn *conn)
{
    conn_phase(conn, CONN_SEND, conn->tables->conf->limits.send_timeout);
}

static int send_pieces(struct conn *conn, struct iovec *pieces, size_t count)
{
    int r = 0;
    while (count > 0 && r >= 0) {
        size_t taken = 0;
        begin_piece(conn);
        r = rill_stream_writev(conn->stream, pieces, count, &taken);
        conn->bytes_out += taken;
        if (r == -ECANCELED)
            r = forgive_progress(conn, taken > 0);
        while (count > 0 && taken >= pieces->iov_len) {
            taken -= pieces->iov_len;
            pieces++;
            count--;
        }
        if (count > 0) {
            pieces->iov_base = (char *)pieces->iov_base + taken;
            pieces->iov_len -= taken;
        }
    }
    return r < 0 ? r : 0;
}

static int send_file(struct conn *conn, const struct reply *reply)
{
    uint64_t done = 0;
    int r = 0;
    while (done < reply->file_size && r == 0) {
        uint64_t left = reply->file_size - done, sent = 0;
        begin_piece(conn);
        r = rill_stream_sendfile(conn->stream, reply->file_fd, reply->file_offset + done,
                                 left < slice ? left : slice, &sent);
        done += sent;
        conn->bytes_out += sent;
        if (r == -ECANCELED)
            r = forgive_progress(conn, sent > 0);
    }
    return r;
}

/* Answers that do not fit into the stream's buffer. The request's octets do not survive this. */
static int send_slowly(struct conn *conn, struct reply *reply, rill_span line, rill_span body)
{
    struct iovec pieces[2] = { { reply->head, reply->head_size },
                               { (void *)(uintptr_t)body.at, body.size } };
    size_t count = body.size > 0 ? 2 : 1;
    int r = log_access_wanted() ? request_keep(&conn->request) : 0;
    if (r < 0)
        return r;
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
    return send_pieces(conn, pieces, count);
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

static int send_all(struct conn *conn, struct reply *reply)
{
    rill_span line = connection_line(conn), body = reply->body;
    bool head_only = conn->request.head->method == RILL_HTTP_HEAD;
    int r = 0;
    if (head_only)
        body.size = 0; /* rule 70 */
    if (!put_small(conn, reply, line, body))
        r = send_slowly(conn, reply, line, body);
    if (r == 0 && reply->file_fd >= 0 && !head_only) {
        if (log_access_wanted())
            r = request_keep(&conn->request);
        if (r == 0)
            r = send_file(conn, reply);
    }
    return r;
}

int send_reply(struct conn *conn, struct reply *reply)
{
    conn->last |= reply->close;
    int r = send_all(conn, reply);
    reply_release(reply);
    return r;
}
