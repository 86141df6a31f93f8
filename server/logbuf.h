/* logbuf.h - a bounded buffer of log lines between those who log and the one who writes.
 *
 * Lines are formatted straight into free space that is contiguous, and taken out from the front in
 * batches. What is being written keeps its place: the space of a batch is free only after
 * logbuf_consume. When there is no room for a line it is dropped whole. */
#pragma once

#include <rill/text.h>

/* Valid when zeroed: no room. */
struct logbuf {
    char *at;
    size_t size;
    size_t head, tail; /* the lines: [head, tail), or [head, wrap) and [0, tail) */
    size_t wrap;       /* valid if `wrapped` */
    bool wrapped;
};

/* Give it memory of `size` octets.   Returns: 0; -ENOMEM. */
int logbuf_init(struct logbuf *buf, size_t size);

void logbuf_fini(struct logbuf *buf);

/* A builder over free space: the `nth` piece (0 or 1) of it. It may have no room at all. Nothing
 * is kept unless logbuf_add follows; a line that does not fit the first piece may fit the second. */
rill_text logbuf_room(struct logbuf *buf, unsigned nth);

/* Keep the line in the builder, which the last logbuf_room gave. */
void logbuf_add(struct logbuf *buf, const rill_text *line);

/* The oldest octets, `max` at most; empty if there are none. */
rill_span logbuf_peek(const struct logbuf *buf, size_t max);

/* Drop the `size` oldest octets, which logbuf_peek showed. */
void logbuf_consume(struct logbuf *buf, size_t size);
