/* field.h - known field names, looked up by the parsers. */
#pragma once

#include "core/http/scan.h"

#include <rill/http.h>

#define RILL__HTTP_NAME_MAX 22

/* The known names by id, padded with zeros so that whole words can be loaded, and the first id of
 * each length. */
struct rill__http_known {
    char name[24];
    size_t size;
};

extern const struct rill__http_known rill__http_known[RILL_HTTP_FIELD_COUNT + 1];
extern const uint8_t rill__http_group[RILL__HTTP_NAME_MAX + 1];

/* Whether eight octets are these lower-case ones but for the case of letters. Only letters have
 * bit 6 set among the octets of known names, so it makes the mask of the case bit. */
static inline bool rill__http_same(uint64_t octets, uint64_t lower)
{
    return (octets | (lower >> 1 & OCTETS(0x20u))) == lower;
}

/* The id of a name of `size` octets, by name alone: 8 octets must be readable at `name`. A known id
 * means that the name is a token. RILL_HTTP_FIELD_OTHER: not known, perhaps not even a token. */
static inline unsigned rill__http_known_field(const char *name, size_t size)
{
    const struct rill__http_known *known = rill__http_known;
    unsigned id = size <= RILL__HTTP_NAME_MAX ? rill__http_group[size] : 0;
    if (id == 0)
        return RILL_HTTP_FIELD_OTHER;
    if (size < 8) {
        uint64_t word = load8(name) & (((uint64_t)1 << size * 8) - 1);
        for (; known[id].size == size; id++)
            if (rill__http_same(word, load8(known[id].name)))
                return id;
        return RILL_HTTP_FIELD_OTHER;
    }
    /* The first and the last eight octets overlap below 16; above, eight from the middle as well. */
    uint64_t first = load8(name), last = load8(name + size - 8);
    for (; known[id].size == size; id++)
        if (rill__http_same(last, load8(known[id].name + size - 8)) &&
            rill__http_same(first, load8(known[id].name)) &&
            (size <= 16 || rill__http_same(load8(name + 8), load8(known[id].name + 8))))
            return id;
    return RILL_HTTP_FIELD_OTHER;
}

/* [p, end) without SP and HTAB at both ends. */
rill_span rill__http_trim(const char *p, const char *end);

/* Whether `text` is the word `lower`, in any case: 5 to 16 letters, digits and hyphens. */
static inline bool rill__http_is(rill_span text, rill_span lower)
{
    size_t size = lower.size;
    if (text.size != size)
        return false;
    if (size >= 8)
        return rill__http_same(load8(text.at), load8(lower.at)) &&
               rill__http_same(load8(text.at + size - 8), load8(lower.at + size - 8));
    return rill__http_same(load4(text.at), load4(lower.at)) &&
           rill__http_same(load4(text.at + size - 4), load4(lower.at + size - 4));
}
