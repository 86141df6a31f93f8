/* exchange.c - a connection's worth of messages, read in a given split and told as text. */
#include "tests/fuzz/exchange.h"

#include "tests/fuzz/fuzz.h"

#include <string.h>

#define TEXT_MAX (4u << 20)

struct reader {
    message *m;
    const uint8_t *data;
    size_t at, have; /* consumed, received */
    rill_http_body body;
    bool in_body;
    rill_text text;
    size_t trailers; /* where the trailers of this message begin in the text; 0: not yet */
    exchange *result;
    void (*each)(const rill_http_message *head);
};

static void tell(struct reader *r, const char *what)
{
    rill_text_add(&r->text, rill_span_of(what));
}

/* One step in a head.   Returns: whether there is more to do with what was received. */
static bool head_step(struct reader *r)
{
    message *m = r->m;
    rill_span received = { (const char *)r->data + r->at, r->have - r->at };
    message_step(m, received);
    if (m->result == 0)
        return false;
    tell(r, m->text);
    if (m->result < 0)
        return false;
    PROMISE((size_t)m->result <= received.size);
    r->at += (size_t)m->result;
    if (r->each)
        r->each(&m->head);
    r->in_body = true;
    return rill_http_body_init(&r->body, &m->head, 1u << 20) == 0;
}

static bool body_step(struct reader *r)
{
    rill_http_piece piece;
    if (r->body.done) {
        r->result->messages++;
        r->in_body = false;
        r->trailers = 0;
        message_restart(r->m);
        tell(r, "\n--\n");
        return true;
    }
    size_t size = r->have - r->at;
    if (size == 0)
        return false;
    const char *p = guard_put(&r->m->guard, r->data + r->at, size);
    int64_t n = rill_http_body_take(&r->body, p, size, &piece);
    if (n < 0)
        return false;
    PROMISE(n > 0 && (size_t)n <= size);
    PROMISE(piece.octets.size <= (size_t)n);
    if (piece.kind == RILL_HTTP_PIECE_TRAILER && r->trailers == 0)
        r->trailers = r->text.used;
    if (piece.kind == RILL_HTTP_PIECE_DATA || piece.kind == RILL_HTTP_PIECE_TRAILER)
        rill_text_add(&r->text, piece.octets);
    r->at += (size_t)n;
    return true;
}

static bool failed(const struct reader *r)
{
    return r->m->result < 0 || (r->in_body && r->body.refuse_status != 0);
}

static size_t part(uint64_t *seed)
{
    if (*seed <= 1)
        return *seed == 0 ? SIZE_MAX : 1;
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed % 4 == 0 ? 1 : *seed / 4 % 97 + 1;
}

static void tell_end(struct reader *r)
{
    /* How much of a refused trailer section came out before does depend on splits. */
    if (r->in_body && r->trailers > 0 && failed(r))
        r->text.used = r->trailers;
    if (r->in_body)
        rill_text_fmt(&r->text, "\nbody %d, refused %u rule %u, total %llu",
                      rill_http_body_end(&r->body), r->body.refuse_status, r->body.refuse_rule,
                      (unsigned long long)r->body.total);
    else if (!failed(r))
        tell(r, "incomplete");
    rill_text_fmt(&r->text, "\nat %zu", failed(r) ? 0 : r->at);
    PROMISE(!r->text.full);
}

exchange exchange_read(int slot, int kind, rill_http_method method, const uint8_t *data,
                       size_t size, uint64_t seed, void (*each)(const rill_http_message *head))
{
    static char texts[2][TEXT_MAX];
    static message m;
    exchange result = { texts[slot], 0, 0 };
    struct reader r = { .m = &m, .data = data, .result = &result, .each = each };
    r.text = (rill_text){ texts[slot], TEXT_MAX, 0, false };
    if (!m.guard.map)
        message_init(&m, kind);
    m.kind = kind;
    m.method = method;
    message_restart(&m);
    while (!failed(&r) && r.have < size) {
        size_t more = part(&seed);
        r.have = more < size - r.have ? r.have + more : size;
        while (r.in_body ? body_step(&r) : head_step(&r))
            ;
    }
    tell_end(&r);
    result.size = r.text.used;
    return result;
}

void exchange_check(int kind, rill_http_method method, const uint8_t *data, size_t size,
                    void (*each)(const rill_http_message *head))
{
    uint64_t seed = size * 0x9e3779b97f4a7c15u + 2;
    exchange whole = exchange_read(0, kind, method, data, size, 0, each);
    for (size_t i = 0; i < size; i++)
        seed = (seed ^ data[i]) * 0x100000001b3u;
    for (int run = 0; run < 3; run++) {
        if (run == 0 && size > 1024)
            continue; /* octet by octet is quadratic here */
        exchange split = exchange_read(1, kind, method, data, size,
                                       run == 0 ? 1 : (seed + (unsigned)run) | 2, NULL);
        PROMISE(split.messages == whole.messages);
        PROMISE(split.size == whole.size && memcmp(split.text, whole.text, whole.size) == 0);
    }
}
