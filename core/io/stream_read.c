/* stream_read.c - reading by what is wanted: some octets, so many, a line, up to a separator.
 *
 * As asyncio's reader does it: an error of the connection is told at once, before octets that came ahead
 * of it (rill_stream_peek still shows them); the limit bounds what stands before a separator. Nothing is
 * taken from the stream until all that was asked for is there, so a cancel loses nothing. */
#include "core/io/stream.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

/* Wait until `least` octets are there. 1; 0: the stream ended before; an error, also one that is known. */
static int want(rill_stream *stream, size_t least) RILL_SUSPENDS;

static int want(rill_stream *stream, size_t least)
{
    return rill__stream_fill(stream, stream->recv_error != 0 ? SIZE_MAX : least);
}

static size_t take(rill_stream *stream, char *buf, size_t most)
{
    size_t size = stream->size < most ? stream->size : most;
    if (size > 0)
        memcpy(buf, stream->at, size);
    rill_stream_consume(stream, size);
    return size;
}

int rill_stream_read(rill_stream *stream, void *buf, size_t size)
{
    int r = want(stream, size > 0);
    return r < 0 ? r : (int)take(stream, buf, size < INT_MAX ? size : INT_MAX);
}

int rill_stream_read_exactly(rill_stream *stream, void *buf, size_t size, size_t *ret_got)
{
    size_t got = 0;
    int r;
    do {
        size_t left = size - got;
        r = want(stream, left < stream->limit ? left : stream->limit);
        if (r >= 0)
            got += take(stream, (char *)buf + got, left);
    } while (r > 0 && got < size);
    if (ret_got != NULL)
        *ret_got = got;
    if (r < 0)
        return r;
    return got == size ? 0 : -ENODATA;
}

/* --- Separators. --- */

/* Where a separator lies in what is there; `end` 0: it does not. */
struct match {
    size_t start, end;
};

/* Which separator ends first, looking from `from` on; of several that end there the shortest. */
static struct match find(const rill_stream *stream, const rill_span *seps, size_t count,
                         size_t from)
{
    struct match best = { 0, 0 };
    for (size_t i = 0; i < count; i++) {
        const char *found =
            memmem(stream->at + from, stream->size - from, seps[i].at, seps[i].size);
        if (found == NULL)
            continue;
        size_t start = (size_t)(found - stream->at), end = start + seps[i].size;
        if (best.end == 0 || end < best.end || (end == best.end && start > best.start))
            best = (struct match){ start, end };
    }
    return best;
}

/* Wait for a separator of at most `longest` octets. 1; 0: the stream ended before; -EMSGSIZE: more than
 * the limit stands before it. *ret_match is set for 1 and -EMSGSIZE. */
static int search(rill_stream *stream, const rill_span *seps, size_t count, size_t longest,
                  struct match *ret_match) RILL_SUSPENDS;

static int search(rill_stream *stream, const rill_span *seps, size_t count, size_t longest,
                  struct match *ret_match)
{
    size_t from = 0, least = 0;
    for (;;) {
        int r = want(stream, least);
        if (r < 0)
            return r;
        if (stream->size > from)
            *ret_match = find(stream, seps, count, from);
        else
            *ret_match = (struct match){ 0, 0 };
        if (ret_match->end > 0)
            return ret_match->start > stream->limit ? -EMSGSIZE : 1;
        from = stream->size >= longest ? stream->size + 1 - longest : 0;
        if (from > stream->limit)
            return -EMSGSIZE;
        if (r == 0)
            return 0;
        least = stream->size + 1;
    }
}

static int length_of(rill_span slice)
{
    return slice.size < INT_MAX ? (int)slice.size : INT_MAX;
}

int rill_stream_read_line(rill_stream *stream, rill_span *ret_line)
{
    static const rill_span end_of_line = { "\n", 1 };
    struct match match;
    int r = search(stream, &end_of_line, 1, 1, &match);
    if (r == -EMSGSIZE)
        rill_stream_consume(stream, match.end > 0 ? match.end : stream->size);
    if (r < 0)
        return r;
    r = rill__stream_slice(stream, r > 0 ? match.end : stream->size, ret_line);
    return r < 0 ? r : length_of(*ret_line);
}

int rill_stream_read_until(rill_stream *stream, const rill_span *seps, size_t count,
                           rill_span *ret_slice)
{
    struct match match;
    size_t longest = 0;
    for (size_t i = 0; i < count; i++) {
        if (seps[i].size == 0)
            return -EINVAL;
        longest = seps[i].size > longest ? seps[i].size : longest;
    }
    if (longest == 0)
        return -EINVAL;
    int r = search(stream, seps, count, longest, &match);
    if (r < 0)
        return r;
    bool found = r > 0;
    r = rill__stream_slice(stream, found ? match.end : stream->size, ret_slice);
    if (r < 0)
        return r;
    return found ? length_of(*ret_slice) : -ENODATA;
}
