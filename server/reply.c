/* reply.c - the one form that every answer has, and how its head is made.
 *
 * Error answers lie in static memory, one block a status, made at first use: they are there when
 * nothing else is. A worker is one process with one thread, so the blocks are its own. */
#include "server/reply.h"

#include "server/conf/conf.h"

#include <rill/http.h>

#include <errno.h>

#define DATE_PLACE "Thu, 01 Jan 1970 00:00:00 GMT"

enum { error_first = 300, error_last = 599 };

static void add(rill_text *text, rill_span name, rill_span value)
{
    rill_text_add(text, name);
    rill_text_add(text, RILL_SPAN(": "));
    rill_text_add(text, value);
    rill_text_add(text, RILL_SPAN("\r\n"));
}

void reply_head_begin(struct reply_head *head, char *memory, size_t size, int status,
                      const struct reply_fields *fields)
{
    head->text = (rill_text){ memory, size, 0, false };
    head->fields = fields;
    head->status = status;
    rill_http_write_status(&head->text, (unsigned)status);
    rill_text_add(&head->text, RILL_SPAN("Date: "));
    head->date_at = (uint32_t)head->text.used;
    rill_text_add(&head->text, RILL_SPAN(DATE_PLACE "\r\n"));
}

static bool is_replaced(const struct reply_fields *fields, rill_span name)
{
    for (size_t i = 0; fields != NULL && i < fields->count; i++)
        if (rill_span_equal_nocase(fields->at[i].name, name))
            return true;
    return false;
}

void reply_head_field(struct reply_head *head, rill_span name, rill_span value)
{
    if (!is_replaced(head->fields, name))
        add(&head->text, name, value);
}

void reply_head_length(struct reply_head *head, uint64_t size)
{
    if (head->status < 200 || head->status == 204 || head->status == 304)
        return;
    rill_http_write_length(&head->text, size);
}

int reply_head_end(struct reply_head *head, struct reply *ret_reply)
{
    for (size_t i = 0; head->fields != NULL && i < head->fields->count; i++)
        add(&head->text, head->fields->at[i].name, head->fields->at[i].value);
    rill_http_write_end(&head->text);
    if (head->text.full || head->text.used > UINT32_MAX)
        return -EMSGSIZE;
    *ret_reply = (struct reply){
        .status = head->status,
        .head_size = (uint32_t)head->text.used,
        .date_at = head->date_at,
        .head = head->text.at,
        .file_fd = -1,
    };
    return 0;
}

size_t reply_fields_size(const struct reply_fields *fields)
{
    size_t size = 0;
    for (size_t i = 0; fields != NULL && i < fields->count; i++)
        size += fields->at[i].name.size + fields->at[i].value.size + 4; /* ": " and CRLF */
    return size;
}

void reply_body_behind(struct reply *reply, size_t size)
{
    reply->body = (rill_span){ reply->head + reply->head_size, size };
}

int reply_make(rill_arena *arena, int status, rill_span type, rill_span body,
               const struct reply_fields *fields, struct reply *ret_reply)
{
    struct reply_head head;
    size_t size = reply_head_room + type.size + reply_fields_size(fields);
    char *memory = rill_arena_alloc(arena, size + body.size);
    if (memory == NULL)
        return -ENOMEM;
    reply_head_begin(&head, memory, size, status, fields);
    if (body.size > 0)
        reply_head_field(&head, RILL_SPAN("Content-Type"), type);
    reply_head_length(&head, body.size);
    int r = reply_head_end(&head, ret_reply);
    if (r < 0)
        return r;
    if (body.size > 0)
        memcpy(memory + ret_reply->head_size, body.at, body.size);
    reply_body_behind(ret_reply, body.size);
    return 0;
}

/* Write a whole error answer. What 429 and 503 say is when to come again: there is no better guess
 * than soon. (rule 77) */
static int write_error(char *memory, size_t size, int status, rill_span name, rill_span value,
                       const struct reply_fields *fields, struct reply *ret_reply)
{
    rill_span reason = rill_http_reason((unsigned)status);
    struct reply_head head;
    reply_head_begin(&head, memory, size, status, fields);
    reply_head_field(&head, RILL_SPAN("Content-Type"), RILL_SPAN("text/plain; charset=utf-8"));
    reply_head_length(&head, reason.size + 5);
    if (name.size > 0)
        reply_head_field(&head, name, value);
    if (status == 429 || status == 503)
        reply_head_field(&head, RILL_SPAN("Retry-After"), RILL_SPAN("1"));
    int r = reply_head_end(&head, ret_reply);
    if (r < 0)
        return r;
    size_t head_size = head.text.used;
    rill_text_u64(&head.text, (uint64_t)status);
    rill_text_char(&head.text, ' ');
    rill_text_add(&head.text, reason);
    rill_text_char(&head.text, '\n');
    if (head.text.full)
        return -EMSGSIZE;
    reply_body_behind(ret_reply, head.text.used - head_size);
    return 0;
}

void reply_error(int status, struct reply *ret_reply)
{
    static struct fixed {
        struct reply reply; /* status 0: not made yet */
        char memory[256];
    } fixed[error_last - error_first + 1];

    static const rill_span none = { NULL, 0 };

    if (status < error_first || status > error_last)
        status = 500;
    struct fixed *own = &fixed[status - error_first];
    if (own->reply.status == 0)
        (void)write_error(own->memory, sizeof own->memory, status, none, none, NULL, &own->reply);
    *ret_reply = own->reply;
}

void reply_error_with(rill_arena *arena, int status, rill_span name, rill_span value,
                      const struct reply_fields *fields, struct reply *ret_reply)
{
    if (name.size == 0 && (fields == NULL || fields->count == 0)) {
        reply_error(status, ret_reply);
        return;
    }
    size_t size = reply_head_room + name.size + value.size + reply_fields_size(fields);
    char *memory = rill_arena_alloc(arena, size);
    if (memory == NULL || write_error(memory, size, status, name, value, fields, ret_reply) < 0)
        reply_error(503, ret_reply);
}

void reply_add_slash(rill_arena *arena, int status, rill_span path, rill_span query,
                     const struct reply_fields *fields, struct reply *ret_reply)
{
    size_t size = 3 * path.size + query.size + 3;
    char *memory = rill_arena_alloc(arena, size);
    if (memory == NULL) {
        reply_error(503, ret_reply);
        return;
    }
    rill_text text = { memory, size, 0, false };
    rill_http_location_encode(&text, path);
    rill_text_char(&text, '/');
    if (query.size > 0) {
        rill_text_char(&text, '?');
        rill_text_add(&text, query);
    }
    reply_error_with(arena, status, RILL_SPAN("Location"), (rill_span){ memory, text.used }, fields,
                     ret_reply);
}
