/* upload.c - the body of a request: what it is, and sending it.
 *
 * A body is a list of pieces with a known size, or comes from the caller's producer, in chunks. A server may
 * refuse before it has read all: the rest is not sent then, and its answer counts. It may also read no more, and
 * a write would wait for it: so a second task listens while a body is sent that the socket may not hold. What one
 * answers that accepts waits in the stream until the body is sent. */
#include "core/client/session.h"

#include "core/io/stream.h"

#include <rill/file.h>
#include <rill/group.h>
#include <rill/task.h>
#include <rill/timeout.h>

#include <errno.h>
#include <sys/stat.h>

enum {
    at_once = 64 << 10,   /* octets between two looks for an early answer */
    chunk_max = 16 << 10, /* octets asked of a producer */
    chunk_end = 2,        /* CRLF */
    status_at = 9,        /* "HTTP/1.1 413" */
    interim_room = 16 << 10,
    heard_max = 16 /* interim responses while a body is sent */
};

/* --- What it is. --- */

/* How many octets of a file are meant. */
static int find_size(struct rill__piece *piece) RILL_SUSPENDS;

static int find_size(struct rill__piece *piece)
{
    struct stat stat;
    piece->size = piece->file->size;
    if (piece->size > 0)
        return 0;
    int r = rill_file_stat(piece->file->fd, &stat);
    if (r < 0)
        return r;
    if (!S_ISREG(stat.st_mode))
        return rill_fail(-EINVAL, "the body's file is no regular file and has no size");
    uint64_t size = (uint64_t)stat.st_size;
    piece->size = size > piece->file->offset ? size - piece->file->offset : 0;
    return 0;
}

static int add_sizes(struct rill__upload *upload) RILL_SUSPENDS;

static int add_sizes(struct rill__upload *upload)
{
    for (size_t i = 0; i < upload->piece_count; i++) {
        struct rill__piece *piece = &upload->pieces[i];
        int r = 0;
        if (piece->file != NULL)
            r = find_size(piece);
        else
            piece->size = piece->octets.size;
        if (r == 0 && __builtin_add_overflow(upload->size, piece->size, &upload->size))
            r = -EINVAL;
        if (r < 0)
            return r;
    }
    return 0;
}

static int one_piece(struct rill__upload *upload, const rill_http_request_opts *opts,
                     rill_arena *arena)
{
    upload->pieces = rill_arena_alloc_zero(arena, 1, sizeof *upload->pieces);
    if (upload->pieces == NULL)
        return -ENOMEM;
    upload->piece_count = 1;
    upload->pieces[0] = (struct rill__piece){ .octets = opts->body, .file = opts->file };
    upload->content_type = RILL_SPAN("application/octet-stream");
    return 0;
}

int rill__upload_init(struct rill__upload *upload, const rill_http_request_opts *opts,
                      rill_arena *arena)
{
    bool octets = opts->body.at != NULL, file = opts->file != NULL, form = opts->form != NULL,
         parts = opts->parts != NULL, produce = opts->produce != NULL;
    int r = 0;
    *upload = (struct rill__upload){ .produce = opts->produce, .produce_arg = opts->produce_arg };
    if (octets + file + form + parts + produce > 1)
        return rill_fail(-EINVAL, "the request has more than one body");
    if (octets || file)
        r = one_piece(upload, opts, arena);
    else if (form)
        r = rill__form_encode(opts, arena, upload);
    else if (parts)
        r = rill__form_parts(opts, arena, upload);
    else if (produce)
        upload->content_type = RILL_SPAN("application/octet-stream");
    return r < 0 || upload->pieces == NULL ? r : add_sizes(upload);
}

void rill__upload_drop(struct rill__upload *upload)
{
    *upload = (struct rill__upload){ .pieces = NULL };
}

/* --- Sending it. --- */

/* Whether the server has answered with an error or a redirect, before it has read all: as curl takes it, with
 * less than 300 it may well answer while it reads on. */
static bool is_refused(const rill_stream *stream)
{
    return stream->size > status_at && stream->at[status_at] >= '3';
}

/* Whether there is still a point in sending. */
static bool is_wanted(const rill_stream *stream)
{
    return !is_refused(stream) && !rill_stream_peer_ended(stream);
}

static int send_octets(rill_stream *stream, rill_span octets, bool *ret_whole) RILL_SUSPENDS;

static int send_octets(rill_stream *stream, rill_span octets, bool *ret_whole)
{
    for (size_t at = 0; at < octets.size;) {
        size_t left = octets.size - at, size = left < at_once ? left : at_once;
        *ret_whole = is_wanted(stream);
        if (!*ret_whole)
            return 0;
        int r = rill_stream_write(stream, octets.at + at, size, NULL);
        if (r < 0)
            return r;
        at += size;
    }
    return 0;
}

static int send_file(rill_stream *stream, const struct rill__piece *piece, bool *ret_whole)
    RILL_SUSPENDS;

static int send_file(rill_stream *stream, const struct rill__piece *piece, bool *ret_whole)
{
    for (uint64_t at = 0; at < piece->size;) {
        uint64_t left = piece->size - at, size = left < at_once ? left : at_once;
        *ret_whole = is_wanted(stream);
        if (!*ret_whole)
            return 0;
        int r = rill_stream_sendfile(stream, piece->file->fd, piece->file->offset + at, size, NULL);
        if (r < 0)
            return r == -ENODATA ? rill_fail(r, "the body's file became shorter") : r;
        at += size;
    }
    return 0;
}

/* Send `used` octets of a chunk that lie behind room for its head. */
static int send_chunk(rill_stream *stream, char *room, size_t used, bool *ret_whole) RILL_SUSPENDS;

static int send_chunk(rill_stream *stream, char *room, size_t used, bool *ret_whole)
{
    rill_text head = { room, RILL_HTTP_CHUNK_HEAD_MAX, 0, false };
    rill_http_write_chunk(&head, used);
    char *at = room + RILL_HTTP_CHUNK_HEAD_MAX - head.used;
    memmove(at, room, head.used);
    memcpy(room + RILL_HTTP_CHUNK_HEAD_MAX + used, "\r\n", chunk_end);
    return send_octets(stream, (rill_span){ at, head.used + used + chunk_end }, ret_whole);
}

static int send_produced(struct rill__upload *upload, rill_stream *stream, bool *ret_whole)
    RILL_SUSPENDS;

static int send_produced(struct rill__upload *upload, rill_stream *stream, bool *ret_whole)
{
    char *room = rill_alloc(RILL_HTTP_CHUNK_HEAD_MAX + chunk_max + chunk_end);
    if (room == NULL)
        return -ENOMEM;
    int r;
    upload->begun = true;
    do {
        r = upload->produce(upload->produce_arg, room + RILL_HTTP_CHUNK_HEAD_MAX, chunk_max);
        if (r > chunk_max)
            r = rill_fail(-EINVAL, "the producer gave more octets than there is room for");
        if (r > 0) {
            int sent = send_chunk(stream, room, (size_t)r, ret_whole);
            r = sent < 0 ? sent : r;
        }
    } while (r > 0 && *ret_whole);
    rill_free(room);
    return r == 0 ? send_octets(stream, RILL_HTTP_CHUNK_LAST, ret_whole) : r < 0 ? r : 0;
}

static int send_all(struct rill__upload *upload, rill_stream *stream, bool *ret_whole)
    RILL_SUSPENDS;

static int send_all(struct rill__upload *upload, rill_stream *stream, bool *ret_whole)
{
    int r = 0;
    *ret_whole = true;
    if (upload->produce != NULL)
        return send_produced(upload, stream, ret_whole);
    for (size_t i = 0; i < upload->piece_count && r == 0 && *ret_whole; i++)
        r = upload->pieces[i].file != NULL
                ? send_file(stream, &upload->pieces[i], ret_whole)
                : send_octets(stream, upload->pieces[i].octets, ret_whole);
    return r;
}

/* --- Listening meanwhile. --- */

/* Wait for the first digit of a status; an interim response is taken off the stream.
 * Returns: the digit; 0 (nothing more comes, or no response that one could skip); -errno. */
static int hear(rill_stream *stream) RILL_SUSPENDS;

static int hear(rill_stream *stream)
{
    rill_span octets;
    int r;
    for (size_t least = status_at + 3; least < interim_room; least = octets.size + 1) {
        r = rill_stream_peek(stream, least, &octets);
        if (r <= 0)
            return r;
        if (octets.at[status_at] != '1' || memcmp(octets.at + status_at, "101", 3) == 0)
            return (unsigned char)octets.at[status_at];
        const char *end = memmem(octets.at, octets.size, "\r\n\r\n", 4);
        if (end == NULL)
            continue;
        rill_stream_consume(stream, (size_t)(end + 4 - octets.at));
        return '1';
    }
    return 0;
}

struct listener {
    rill_stream *stream;
    rill_group *group; /* which it ends */
};

static int listen_meanwhile(void *arg)
{
    const struct listener *listener = arg;
    int heard = '1';
    for (int i = 0; i < heard_max && heard == '1'; i++)
        heard = hear(listener->stream);
    if (heard == -ECANCELED || (heard > 0 && is_wanted(listener->stream)))
        return heard < 0 ? heard : 0;
    (void)rill_group_cancel(listener->group, "the server has answered");
    return 0;
}

/* As send_all. It is no error if the server has refused: what was not sent is not whole. */
static int send_listening(struct rill__upload *upload, rill_stream *stream, bool *ret_whole)
    RILL_SUSPENDS;

static int send_listening(struct rill__upload *upload, rill_stream *stream, bool *ret_whole)
{
    rill_group group = { 0 };
    struct listener listener = { stream, &group };
    int r = rill_group_enter(&group);
    if (r < 0)
        return r;
    r = rill_group_go(&group, RILL_CORO(listen_meanwhile, &listener));
    if (r == 0)
        r = send_all(upload, stream, ret_whole);
    if (r < 0)
        *ret_whole = false;
    else
        (void)rill_group_cancel(&group, "the body is sent");
    r = rill_group_leave(&group, r);
    rill_group_fini(&group);
    return r;
}

int rill__upload_send(struct rill__upload *upload, rill_stream *stream, bool *ret_whole)
{
    return upload->produce != NULL || upload->size > at_once
               ? send_listening(upload, stream, ret_whole)
               : send_all(upload, stream, ret_whole);
}

int rill__upload_ask(rill_stream *stream, bool *ret_wanted)
{
    rill_scope scope = { 0 };
    int r = rill_timeout(&scope, RILL_SEC(1));
    if (r < 0)
        return r;
    r = rill_scope_leave(&scope, hear(stream));
    *ret_wanted = r == '1' || r == -ETIME;
    return r == -ECANCELED || r == -ENOMEM ? r : 0;
}
