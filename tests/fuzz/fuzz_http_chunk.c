/* fuzz_http_chunk.c - the chunked coding (F2).
 *
 * Oracle: data, framing and trailers add up to what was consumed; the framing keeps its budget; every
 * split gives the same data; and trailers taken here pass the parser for trailers. */
#include "tests/fuzz/fuzz.h"

#include "tests/support/guard.h"

#include <rill/http.h>

#include <errno.h>
#include <string.h>

#define INPUT_MAX (128u << 10)

struct outcome {
    char *data, *trailers;
    size_t data_size, trailer_size, consumed;
    int64_t error;
    bool done;
    unsigned rule;
};

static void keep(char *to, size_t *used, rill_span octets)
{
    memcpy(to + *used, octets.at, octets.size);
    *used += octets.size;
}

static void take(struct outcome *o, const uint8_t *data, size_t size, size_t step)
{
    static guard page;
    rill_http_message head = { .framing = RILL_HTTP_BODY_CHUNKED };
    rill_http_body body;
    rill_http_piece piece;
    if (!page.map)
        guard_init(&page, INPUT_MAX);
    PROMISE(rill_http_body_init(&body, &head, UINT64_MAX) == 0);
    while (o->consumed < size && !body.done) {
        size_t part = size - o->consumed < step ? size - o->consumed : step;
        const char *at = guard_put(&page, data + o->consumed, part);
        int64_t n = rill_http_body_take(&body, at, part, &piece);
        if (n < 0) {
            o->error = n;
            break;
        }
        PROMISE(n > 0 && (size_t)n <= part);
        PROMISE(piece.octets.size <= (size_t)n);
        o->consumed += (size_t)n;
        if (piece.kind == RILL_HTTP_PIECE_DATA)
            keep(o->data, &o->data_size, piece.octets);
        else if (piece.kind == RILL_HTTP_PIECE_TRAILER)
            keep(o->trailers, &o->trailer_size, piece.octets);
    }
    o->done = body.done;
    o->rule = body.refuse_rule;
    PROMISE(body.total == o->data_size);
    PROMISE(body.overhead <= (100 << 10) + body.total / 16 + (o->error < 0));
    if (o->error == 0)
        PROMISE(o->data_size + o->trailer_size + body.overhead == o->consumed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char memory[4][INPUT_MAX];
    if (size == 0 || size > INPUT_MAX)
        return 0;
    struct outcome whole = { .data = memory[0], .trailers = memory[1] };
    struct outcome split = { .data = memory[2], .trailers = memory[3] };
    take(&whole, data, size, size);
    take(&split, data, size, size > 4096 ? 61 : 1 + size % 3);
    PROMISE(whole.done == split.done && whole.error == split.error && whole.rule == split.rule);
    if (whole.error < 0)
        return 0;
    PROMISE(whole.consumed == split.consumed && whole.data_size == split.data_size);
    PROMISE(memcmp(whole.data, split.data, whole.data_size) == 0);
    PROMISE(whole.trailer_size == split.trailer_size);
    PROMISE(memcmp(whole.trailers, split.trailers, whole.trailer_size) == 0);
    if (whole.done) {
        static rill_http_field fields[100];
        rill_http_message head;
        rill_http_head_init(&head, fields, 100);
        int r = rill_http_trailer_parse(&head, whole.trailers, whole.trailer_size, NULL);
        PROMISE(r == (int)whole.trailer_size);
    }
    return 0;
}
