/* logbuf.c - a bounded buffer of log lines between those who log and the one who writes.
 *
 * Lines lie in one run, or in two once the writer lags: the run at the front of the memory is then
 * the younger one. Whenever everything is written the buffer starts over at its first octet, so a
 * quiet log touches few pages however large its limit is. */
#include "server/logbuf.h"

#include <rill/mem.h>

#include <errno.h>

int logbuf_init(struct logbuf *buf, size_t size)
{
    char *memory = rill_alloc(size);
    if (memory == NULL)
        return -ENOMEM;
    *buf = (struct logbuf){ .at = memory, .size = size };
    return 0;
}

void logbuf_fini(struct logbuf *buf)
{
    rill_free(buf->at);
    *buf = (struct logbuf){ 0 };
}

rill_text logbuf_room(struct logbuf *buf, unsigned nth)
{
    size_t from = nth == 0 ? buf->tail : 0, to = 0;
    if (buf->at == NULL) /* init had no memory: there is no room */
        return (rill_text){ 0 };
    if (nth == 0)
        to = buf->wrapped ? buf->head : buf->size;
    else if (!buf->wrapped)
        to = buf->head;
    return (rill_text){ buf->at + from, to > from ? to - from : 0, 0, false };
}

void logbuf_add(struct logbuf *buf, const rill_text *line)
{
    size_t from = (size_t)(line->at - buf->at);
    if (from != buf->tail) {
        buf->wrap = buf->tail;
        buf->wrapped = true;
    }
    buf->tail = from + line->used;
}

rill_span logbuf_peek(const struct logbuf *buf, size_t max)
{
    size_t end = buf->wrapped ? buf->wrap : buf->tail;
    size_t size = end - buf->head;
    if (size == 0) /* perhaps there is no memory either */
        return (rill_span){ 0 };
    return (rill_span){ buf->at + buf->head, size < max ? size : max };
}

void logbuf_consume(struct logbuf *buf, size_t size)
{
    buf->head += size;
    if (buf->wrapped && buf->head == buf->wrap) {
        buf->head = 0;
        buf->wrapped = false;
    }
    if (!buf->wrapped && buf->head == buf->tail)
        buf->head = buf->tail = 0;
}
