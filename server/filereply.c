/* filereply.c - the answers that one file can give: whole, not modified, a part.
 *
 * Rules 83 to 100 of server/http/RULES.md come together here; server/http works them out. What does
 * not depend on the request is made once, in the file's own memory. */
#include "server/filereply.h"

#include "server/http/cond.h"
#include "server/http/date.h"
#include "server/http/range.h"

#include <rill/file.h>
#include <rill/http.h>
#include <rill/mem.h>

#include <errno.h>

enum { tag_max = 40, settled_seconds = 2 };

/* --- Made once --- */

/* The validators and what every answer with octets of a file carries. */
static void add_file_fields(struct reply_head *head, const struct file *file)
{
    char date[date_size];
    date_format(file->modified, date);
    reply_head_field(head, RILL_SPAN("Content-Type"), file->type);
    reply_head_field(head, RILL_SPAN("Last-Modified"), (rill_span){ date, date_size });
    reply_head_field(head, RILL_SPAN("ETag"), file->etag);
    reply_head_field(head, RILL_SPAN("Accept-Ranges"), RILL_SPAN("bytes")); /* rule 99 */
    reply_head_field(head, RILL_SPAN("X-Content-Type-Options"), RILL_SPAN("nosniff"));
}

static void release_file(void *file)
{
    filecache_file_unref(file);
}

/* Write both answers of a new file into `memory`. */
static int compose(struct file *file, const struct reply_fields *fields, char *memory, size_t room)
{
    struct reply_head head;
    reply_head_begin(&head, memory, room, 200, fields);
    add_file_fields(&head, file);
    reply_head_length(&head, (uint64_t)file->stat.st_size);
    int r = reply_head_end(&head, &file->full);
    if (r < 0)
        return r;
    memory += file->full.head_size;
    room -= file->full.head_size;
    reply_head_begin(&head, memory, room, 304, fields);
    reply_head_field(&head, RILL_SPAN("ETag"), file->etag); /* rule 87 */
    r = reply_head_end(&head, &file->not_modified);
    if (r < 0)
        return r;
    if (file->stat.st_size > 0) {
        file->full.file_fd = file->fd;
        file->full.file_size = (uint64_t)file->stat.st_size;
    }
    file->full.release = file->not_modified.release = release_file;
    file->full.arg = file->not_modified.arg = file;
    return 0;
}

/* Whether two seconds have passed since `at` for sure; `now` was cut to seconds. */
static bool is_settled(struct timespec at, int64_t now)
{
    return at.tv_sec <= now - settled_seconds - (at.tv_nsec > 0);
}

/* `"MTIME-SIZE"` in hexadecimal; weak while a change in the same tick of the file system's clock
 * could go unseen. */
static void write_tag(rill_text *text, const struct file *file, bool weak)
{
    const struct timespec *at = &file->stat.st_mtim;
    uint64_t nanoseconds = (uint64_t)at->tv_sec * UINT64_C(1000000000) + (uint64_t)at->tv_nsec;
    rill_text_add(text, weak ? RILL_SPAN("W/\"") : RILL_SPAN("\""));
    rill_text_hex(text, nanoseconds, 0);
    rill_text_char(text, '-');
    rill_text_hex(text, (uint64_t)file->stat.st_size, 0);
    rill_text_char(text, '"');
}

int filereply_make(const struct filereply_source *source, int64_t now, struct file **ret_file)
{
    rill_span type = source->type;
    size_t heads = 2 * (reply_head_room + reply_fields_size(source->fields)) + type.size;
    struct file *file;
    char *memory;
    int r = filecache_file_new(source->owner, source->path, source->fd, source->stat,
                               heads + type.size + tag_max, &file, &memory);
    if (r < 0) {
        rill_file_close(source->fd);
        return r;
    }
    bool settled = is_settled(file->stat.st_mtim, now);
    rill_text tag = { memory, tag_max, 0, false };
    write_tag(&tag, file, !settled);
    file->etag = (rill_span){ memory, tag.used };
    memcpy(memory + tag_max, type.at, type.size);
    file->type = (rill_span){ memory + tag_max, type.size };
    file->modified = file->stat.st_mtim.tv_sec < now ? file->stat.st_mtim.tv_sec : now;
    file->fresh = !settled || !is_settled(file->stat.st_ctim, now);
    r = compose(file, source->fields, memory + tag_max + type.size, heads);
    if (r < 0) {
        filecache_file_unref(file);
        return r;
    }
    *ret_file = file;
    return 0;
}

/* --- Conditions and ranges --- */

/* The value of a field, its lines joined by commas. (rule 41)
 * Returns: 0 and the value, { NULL, 0 } if there is none; -ENOMEM. */
static int joined(const struct request *request, rill_http_field_id id, rill_span *ret_value)
{
    const rill_http_message *head = request->head;
    *ret_value = rill_http_head_value(head, id);
    if ((head->repeated >> id & 1) == 0)
        return 0;
    size_t size = 0;
    for (uint16_t i = head->first[id]; i < head->field_count; i++)
        if (head->fields[i].id == id)
            size += head->fields[i].value.size + 1;
    char *memory = rill_arena_alloc(request->arena, size);
    if (memory == NULL)
        return -ENOMEM;
    rill_text text = { memory, size, 0, false };
    for (uint16_t i = head->first[id]; i < head->field_count; i++) {
        if (head->fields[i].id != id)
            continue;
        if (text.used > 0 || i != head->first[id])
            rill_text_char(&text, ',');
        rill_text_add(&text, rill_http_span(head, head->fields[i].value));
    }
    *ret_value = (rill_span){ memory, text.used };
    return 0;
}

/* A part of the file, as 206. (rules 94, 98) */
static int answer_part(const struct request *request, struct file *file,
                       const struct reply_fields *fields, struct range range,
                       struct reply *ret_reply)
{
    struct reply_head head;
    char span[80];
    rill_text text = { span, sizeof span, 0, false };
    size_t room = reply_head_room + sizeof span + file->type.size + reply_fields_size(fields);
    char *memory = rill_arena_alloc(request->arena, room);
    if (memory == NULL)
        return -ENOMEM;
    rill_text_add(&text, RILL_SPAN("bytes "));
    rill_text_u64(&text, range.first);
    rill_text_char(&text, '-');
    rill_text_u64(&text, range.first + range.size - 1);
    rill_text_char(&text, '/');
    rill_text_u64(&text, (uint64_t)file->stat.st_size);
    reply_head_begin(&head, memory, room, 206, fields);
    add_file_fields(&head, file);
    reply_head_field(&head, RILL_SPAN("Content-Range"), (rill_span){ span, text.used });
    reply_head_length(&head, range.size);
    int r = reply_head_end(&head, ret_reply);
    if (r < 0)
        return r;
    if (file->block != NULL) {
        ret_reply->body = (rill_span){ file->full.body.at + range.first, range.size };
    } else {
        ret_reply->file_fd = file->fd;
        ret_reply->file_offset = range.first;
        ret_reply->file_size = range.size;
    }
    ret_reply->release = release_file;
    ret_reply->arg = file;
    filecache_file_ref(file);
    return 0;
}

/* Nothing of what was asked for is there: 416 with the length. (rules 77, 91) */
static void answer_none(const struct request *request, const struct file *file,
                        const struct reply_fields *fields, struct reply *ret_reply)
{
    char span[40];
    rill_text text = { span, sizeof span, 0, false };
    rill_text_add(&text, RILL_SPAN("bytes */"));
    rill_text_u64(&text, (uint64_t)file->stat.st_size);
    reply_error_with(request->arena, 416, RILL_SPAN("Content-Range"),
                     (rill_span){ span, text.used }, fields, ret_reply);
}

/* Which octets Range asks for, if If-Range still agrees. (rules 90 to 93, 96, 97) */
static int find_range(const struct request *request, const struct cond_target *target,
                      uint64_t size, enum range_result *ret_result, struct range *ret_range)
{
    rill_span value, if_range;
    int r = joined(request, RILL_HTTP_FIELD_RANGE, &value);
    if (r == 0)
        r = joined(request, RILL_HTTP_FIELD_IF_RANGE, &if_range);
    if (r < 0)
        return r;
    *ret_result = RANGE_WHOLE;
    if (if_range.at == NULL || cond_if_range(if_range, target, request->now))
        *ret_result = range_read(value, size, ret_range);
    return 0;
}

static int check_conditions(const struct request *request, const struct cond_target *target,
                            enum cond_result *ret_result)
{
    struct cond_fields fields;
    int r = joined(request, RILL_HTTP_FIELD_IF_MATCH, &fields.match);
    if (r == 0)
        r = joined(request, RILL_HTTP_FIELD_IF_NONE_MATCH, &fields.none_match);
    if (r == 0)
        r = joined(request, RILL_HTTP_FIELD_IF_MODIFIED_SINCE, &fields.modified_since);
    if (r == 0)
        r = joined(request, RILL_HTTP_FIELD_IF_UNMODIFIED_SINCE, &fields.unmodified_since);
    if (r == 0) /* only GET and HEAD come here */
        *ret_result = cond_check(&fields, target, true, request->now);
    return r;
}

int filereply_answer(const struct request *request, struct file *file,
                     const struct reply_fields *fields, struct reply *ret_reply)
{
    static const rill_span none = { NULL, 0 };
    struct cond_target target = { file->etag, file->modified };
    const struct reply *ready = &file->full;
    enum cond_result result;
    struct range range;
    int r = check_conditions(request, &target, &result);
    if (r < 0)
        return r;
    if (result == COND_FAILED || result == COND_BAD) {
        int status = result == COND_FAILED ? 412 : 400;
        reply_error_with(request->arena, status, none, none, fields, ret_reply);
        return 0;
    }
    if (result == COND_NOT_MODIFIED) {
        ready = &file->not_modified;
    } else if (request->head->method == RILL_HTTP_GET && /* rule 89 */
               rill_http_head_get(request->head, RILL_HTTP_FIELD_RANGE) != NULL) {
        enum range_result which;
        r = find_range(request, &target, (uint64_t)file->stat.st_size, &which, &range);
        if (r < 0)
            return r;
        if (which == RANGE_PART)
            return answer_part(request, file, fields, range, ret_reply);
        if (which == RANGE_NONE) {
            answer_none(request, file, fields, ret_reply);
            return 0;
        }
    }
    filecache_file_ref(file);
    *ret_reply = *ready;
    return 0;
}
