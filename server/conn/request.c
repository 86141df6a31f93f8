/* request.c - keeping a request over a suspension: a copy in its arena of all that it points to. */
#include "server/conn/request.h"

#include <errno.h>
#include <string.h>

static bool is_inside(rill_span span, const rill_http_message *head)
{
    return span.at >= head->at && span.at <= head->at + head->size;
}

static rill_span moved(rill_span span, const rill_http_message *from, const char *to)
{
    if (is_inside(span, from))
        span.at = to + (span.at - from->at);
    return span;
}

/* A path that was decoded does not lie in the head; its tail lies in the path. */
static int keep_path(struct request *request)
{
    if (is_inside(request->path, request->head))
        return 0;
    char *copy = rill_arena_copy(request->arena, request->path.at, request->path.size);
    if (copy == NULL)
        return -ENOMEM;
    if (request->tail.at != NULL)
        request->tail.at = copy + (request->tail.at - request->path.at);
    request->path.at = copy;
    return 0;
}

int request_keep(struct request *request)
{
    const rill_http_message *from = request->head;
    if (request->kept)
        return 0;
    size_t fields_size = from->field_count * sizeof *from->fields;
    rill_http_message *head = rill_arena_alloc(request->arena, sizeof *head);
    rill_http_field *fields = rill_arena_alloc(request->arena, fields_size);
    char *octets = rill_arena_alloc(request->arena, from->size);
    if (head == NULL || fields == NULL || octets == NULL || keep_path(request) < 0)
        return -ENOMEM;
    memcpy(octets, from->at, from->size);
    memcpy(fields, from->fields, fields_size);
    *head = *from;
    head->at = octets;
    head->fields = fields;
    request->path = moved(request->path, from, octets);
    request->tail = moved(request->tail, from, octets);
    request->query = moved(request->query, from, octets);
    request->head = head;
    request->kept = true;
    return 0;
}
