/* field.h - known field names, seen by the parsers. */
#pragma once

#include <rill/http.h>

/* The id of a name of `size` octets, by name alone: 8 octets must be readable at `name`. A known id
 * means that the name is a token. RILL_HTTP_FIELD_OTHER: not known, perhaps not even a token. */
unsigned rill__http_known_field(const char *name, size_t size);

/* [p, end) without SP and HTAB at both ends. */
rill_span rill__http_trim(const char *p, const char *end);

/* Whether `text` is the word `lower`, in any case. */
static inline bool rill__http_is(rill_span text, rill_span lower)
{
    return text.size == lower.size && rill_span_equal_nocase(text, lower);
}
