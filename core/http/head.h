/* head.h - what the parts of the head parser share: stages, refusal, the start line, the meaning. */
#pragma once

#include <rill/http.h>

#include <errno.h>

/* What is being read. */
enum { KIND_REQUEST, KIND_RESPONSE, KIND_TRAILER };

/* Where the parser goes on, at the octet head.scan of the line that begins at head.line. */
enum {
    STAGE_START,   /* nothing seen yet */
    STAGE_BLANK,   /* empty lines before a request */
    STAGE_METHOD,  /* within the method */
    STAGE_TARGET,  /* within the target */
    STAGE_VERSION, /* at the version, which is looked at again until its line is complete */
    STAGE_STATUS,  /* at version and status of a response, likewise */
    STAGE_REASON,  /* within the reason phrase */
    STAGE_LINE,    /* at the first octet of a field line, or of the line that ends the head */
    STAGE_NAME,    /* within a name */
    STAGE_VALUE,   /* within a value; name and id of the field are already in its slot */
    STAGE_DONE,
    STAGE_REFUSED,
};

/* head.options: what Connection said, and how far the authority is known. */
enum {
    OPTION_CLOSE = 1,
    OPTION_KEEP_ALIVE = 2,
    OPTION_UPGRADE = 4,
};

/* Refuse the message.   Returns: -EBADMSG. */
int rill__http_refuse(rill_http_message *head, unsigned status, unsigned rule);

/* Go on with the start line.   Returns: 1 (complete: head.scan is at the first field line);
 * 0 (more octets needed); -EBADMSG. */
int rill__http_request_line(rill_http_message *head, const char *end,
                            const rill_http_limits *limits);
int rill__http_status_line(rill_http_message *head, const char *end,
                           const rill_http_limits *limits);

/* rill_http_host_parse in the form the head needs.
 * Returns: the size of the name, and the port or 0 in the upper 32 bits; -EBADMSG. */
int64_t rill__http_host_scan(const char *p, size_t size);

/* Take note of the field just added, the last in the table, if it is one that decides about the
 * message.   Returns: 0; -EBADMSG. */
int rill__http_note_field(rill_http_message *head, unsigned id);

/* Decide about framing and persistence, once the head is complete.   Returns: 0; -EBADMSG. */
int rill__http_frame(rill_http_message *head);

/* The ids that rill__http_note_field looks at. */
#define NOTED                                                                                  \
    ((uint64_t)1 << RILL_HTTP_FIELD_HOST | (uint64_t)1 << RILL_HTTP_FIELD_EXPECT |             \
     (uint64_t)1 << RILL_HTTP_FIELD_CONNECTION | (uint64_t)1 << RILL_HTTP_FIELD_CONTENT_TYPE | \
     (uint64_t)1 << RILL_HTTP_FIELD_AUTHORIZATION | (uint64_t)1 << RILL_HTTP_FIELD_CONTENT_LENGTH)

/* Count the field in the slot behind the last one, of which everything is set.
 * Returns: 1; -EBADMSG. */
static inline int rill__http_add_field(rill_http_message *head, unsigned id)
{
    uint64_t bit = (uint64_t)1 << id;
    if (head->known & bit)
        head->repeated |= bit;
    else
        head->first[id] = head->field_count;
    head->known |= bit;
    head->field_count++;
    return (bit & NOTED) && rill__http_note_field(head, id) < 0 ? -EBADMSG : 1;
}
