/* text.h - spans of octets, a bounded text builder, and numbers read from text.
 *
 * A span borrows octets that lie somewhere else and need not end in zero. The builder never writes
 * past its end and remembers that something did not fit, so a caller checks once, at the end. */
#pragma once

#include <string.h>

#include <rill/base.h>

typedef struct rill_span {
    const char *at;
    size_t size;
} rill_span;

/* A span over a string literal, usable in static initialisers. */
#define RILL_SPAN(literal) ((rill_span){ "" literal, sizeof(literal) - 1 })

#ifdef __cplusplus
extern "C" {
#endif

/** A span over a zero-terminated text.   Returns: the span, empty for NULL.   Thread: any.   Since: 0.1 */
static inline rill_span rill_span_of(const char *text)
{
    return (rill_span){ text, text ? strlen(text) : 0 };
}

/** Whether two spans hold the same octets.   Returns: true if so.   Thread: any.   Since: 0.1 */
static inline bool rill_span_equal(rill_span a, rill_span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

/** As rill_span_equal, taking ASCII letters of either case as equal.
 *  Returns: true if equal.   Thread: any.   Since: 0.1 */
RILL_API bool rill_span_equal_nocase(rill_span a, rill_span b);

/** Whether `text` begins with `prefix`.   Returns: true if so.   Thread: any.   Since: 0.1 */
static inline bool rill_span_starts(rill_span text, rill_span prefix)
{
    return text.size >= prefix.size &&
           (prefix.size == 0 || memcmp(text.at, prefix.at, prefix.size) == 0);
}

/** Read a decimal number: digits only, at least one, all of the span.
 *  Returns: 0 and the number in *ret_value; -EINVAL (no digits, or another octet);
 *           -ERANGE (above `max`).   Thread: any.   Like: strtoull(3), but strict.   Since: 0.1 */
RILL_API int rill_parse_u64(rill_span text, uint64_t max, uint64_t *ret_value)
    __attribute__((warn_unused_result));

/** Read a hexadecimal number of 1 to 16 digits of either case: all of the span.
 *  Returns: 0 and the number; -EINVAL; -ERANGE (above `max`, or too many digits).
 *  Thread: any.   Since: 0.1 */
RILL_API int rill_parse_hex(rill_span text, uint64_t max, uint64_t *ret_value)
    __attribute__((warn_unused_result));

/* A bounded builder over the caller's memory. `full` is set once something did not fit; what did
 * fit stays. Not zero-terminated unless rill_text_end is called.
 *
 *     char memory[64];
 *     rill_text text = { memory, sizeof memory, 0, false };
 *     rill_text_add(&text, RILL_SPAN("Content-Length: "));
 *     rill_text_u64(&text, size);
 *     if (text.full) return -EMSGSIZE;
 */
typedef struct rill_text {
    char *at;
    size_t size; /* octets at `at` */
    size_t used;
    bool full;
} rill_text;

/** Append a span, whole or not at all.   Returns: nothing; sets `full` if it does not fit.
 *  Thread: any.   Since: 0.1 */
static inline void rill_text_add(rill_text *text, rill_span span)
{
    if (span.size > text->size - text->used) {
        text->full = true;
        return;
    }
    if (span.size > 0)
        memcpy(text->at + text->used, span.at, span.size);
    text->used += span.size;
}

/** Append one octet.   Returns: nothing; sets `full` if it does not fit.   Thread: any.   Since: 0.1 */
static inline void rill_text_char(rill_text *text, char octet)
{
    if (text->used == text->size)
        text->full = true;
    else
        text->at[text->used++] = octet;
}

/** Append a number in decimal.   Returns: nothing; sets `full` if it does not fit.
 *  Thread: any.   Since: 0.1 */
RILL_API void rill_text_u64(rill_text *text, uint64_t value);

/** Append a number in lower-case hexadecimal, with zeros up to `digits` (0: as many as needed).
 *  Returns: nothing; sets `full` if it does not fit.   Thread: any.   Since: 0.1 */
RILL_API void rill_text_hex(rill_text *text, uint64_t value, unsigned digits);

/** Append formatted text, whole or not at all.   Returns: nothing; sets `full` if it does not fit.
 *  Thread: any.   Like: snprintf(3).   Since: 0.1 */
RILL_API void rill_text_fmt(rill_text *text, const char *format, ...) RILL_PRINTF(2, 3);

/** Put a zero octet behind what is there; cuts the last octet to make room if need be (and sets `full`).
 *  Returns: the text.   Thread: any.   Since: 0.1 */
RILL_API const char *rill_text_end(rill_text *text);

#ifdef __cplusplus
}
#endif
