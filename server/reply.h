/* reply.h - the one form that every answer has, and how its head is made.
 *
 * A reply is a complete head and at most one body: octets in memory, or a range of an open file. The
 * head lacks two things, which the sender adds: the 29 octets of the date, patched at `date_at`
 * right before sending, and a `Connection` line before the final empty line where one is needed.
 * The sender also drops the body for HEAD. A head may be shared by many connections (a route's
 * fixed answer, a cached file): all its users lie in one worker and patch the same date.
 *
 * No function here allocates, except from an arena it is given. */
#pragma once

#include <rill/mem.h>
#include <rill/text.h>

struct conf_pair;

struct reply {
    int status;
    uint32_t head_size; /* with the final empty line */
    uint32_t date_at;   /* where in `head` the 29 octets of the date go */
    int file_fd;        /* -1: no file; else the body is a range of this file and `body` is empty */
    char *head;
    rill_span body; /* may lie directly behind the head: then one send does both */
    uint64_t file_offset, file_size;
    bool close;                 /* the connection must not be used for another request */
    void (*release)(void *arg); /* NULL, or called once the answer was sent or dropped */
    void *arg;
};

/* The fields that a route sets: each replaces a field of that name that the answer had. */
struct reply_fields {
    const struct conf_pair *at;
    size_t count;
};

/* A head in the making:
 *
 *     struct reply_head head;
 *     reply_head_begin(&head, memory, sizeof memory, 200, &route->fields);
 *     reply_head_field(&head, RILL_SPAN("Content-Type"), type);
 *     reply_head_length(&head, size);
 *     r = reply_head_end(&head, &reply);
 */
struct reply_head {
    rill_text text;
    const struct reply_fields *fields; /* NULL: none */
    int status;
    uint32_t date_at;
};

/* Write the status line and the place of the date into `memory`. `fields` (or NULL) stays borrowed
 * until reply_head_end. */
void reply_head_begin(struct reply_head *head, char *memory, size_t size, int status,
                      const struct reply_fields *fields);

/* Add a field line, unless the route's fields replace it. The caller vouches for the octets. */
void reply_head_field(struct reply_head *head, rill_span name, rill_span value);

/* Add Content-Length. Statuses that must not have one (1xx, 204, 304) get none. (rule 76) */
void reply_head_length(struct reply_head *head, uint64_t size);

/* Add the route's fields and the final empty line, and fill status, head and date of *ret_reply;
 * everything else of it becomes "no body".
 * Returns: 0; -EMSGSIZE (the memory is too small; *ret_reply is untouched). */
int reply_head_end(struct reply_head *head, struct reply *ret_reply);

/* What a head needs at most for its status line, date, length and the names of a few fields, or
 * an error answer with its body; the values and reply_fields_size come on top. */
enum { reply_head_room = 320 };

/* The octets that these fields need in a head. */
size_t reply_fields_size(const struct reply_fields *fields);

/* Say that `size` octets of body lie directly behind the head. */
void reply_body_behind(struct reply *reply, size_t size);

/* A whole answer, body copied behind the head, in one block of the arena. Without a body it has no
 * Content-Type.
 * Returns: 0; -ENOMEM. */
int reply_make(rill_arena *arena, int status, rill_span type, rill_span body,
               const struct reply_fields *fields, struct reply *ret_reply);

/* The answer for an error: one line of text, status and reason phrase. It lies in static memory
 * and needs none, so it also works when there is none left. Statuses: 300 to 599; another is 500.
 * 503 and 429 carry `Retry-After: 1`. */
void reply_error(int status, struct reply *ret_reply);

/* As reply_error, with the route's fields and one more line, `name: value`, if `name` is not
 * empty. Without memory in the arena it is the plain 503. */
void reply_error_with(rill_arena *arena, int status, rill_span name, rill_span value,
                      const struct reply_fields *fields, struct reply *ret_reply);

/* The redirect from a path to the same with a slash behind it, the query kept. `Location` is an
 * absolute path with exactly one leading slash. (rule 35)   Without memory it is the plain 503. */
void reply_add_slash(rill_arena *arena, int status, rill_span path, rill_span query,
                     const struct reply_fields *fields, struct reply *ret_reply);

/* Drop the reply: whoever sent it, or decided not to, calls this once. */
static inline void reply_release(struct reply *reply)
{
    void (*release)(void *arg) = reply->release;
    reply->release = NULL;
    if (release != NULL)
        release(reply->arg);
}
