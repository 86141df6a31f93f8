/* scan.h - classes of octets, and scans that look at 16 octets at a time.
 *
 * Each scan gives the first octet in [p, end) outside its class, or `end`, and reads nothing beyond
 * `end`. On x86_64 the wide step is SSE2, elsewhere 8 octets in a word; the rest goes one by one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum {
    CLASS_TOKEN = 1,      /* tchar, RFC 9110 5.6.2 */
    CLASS_UNDERSCORE = 2, /* the one token octet of rule 43 */
    CLASS_VALUE = 4,      /* SP, HTAB, VCHAR, obs-text */
    CLASS_VISIBLE = 8,    /* VCHAR */
    CLASS_HOST = 16,      /* unreserved of RFC 3986: what a host name is made of */
    CLASS_PATH = 32,      /* pchar and slash without the percent sign */
    CLASS_PLAIN = 64,     /* in a raw path, an octet that stands for itself; a dot is not one */
};

extern const uint8_t rill__http_class[256];

static inline unsigned class_of(const char *p)
{
    return rill__http_class[(uint8_t)*p];
}

static inline bool is_blank(const char *p)
{
    return *p == ' ' || *p == '\t';
}

static inline uint32_t load4(const char *p)
{
    uint32_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

static inline uint64_t load8(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

static inline const char *scan_class(const char *p, const char *end, unsigned class)
{
    while (p < end && (class_of(p) & class))
        p++;
    return p;
}

#define OCTETS(octet) (0x0101010101010101ull * (octet))

/* Whether a word holds an octet below `bound` (at most 128) or above 126. Exact as a yes or no. */
static inline uint64_t word_below(uint64_t word, uint64_t bound)
{
    return (word - OCTETS(bound)) & ~word & OCTETS(0x80u);
}

/* The first octet that may not stand in a field value: CR and LF, other controls but HTAB, DEL. */
static inline const char *scan_value(const char *p, const char *end)
{
#if defined(__SSE2__)
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);
        __m128i bad = _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('\t')), low),
                                   _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f)));
        unsigned mask = (unsigned)_mm_movemask_epi8(bad);
        if (mask)
            return p + __builtin_ctz(mask);
    }
#else
    for (; end - p >= 8; p += 8) {
        uint64_t word = load8(p);
        if (word_below(word, 0x20) | word_below(word ^ OCTETS(0x7fu), 1)) {
            const char *q = scan_class(p, p + 8, CLASS_VALUE);
            if (q < p + 8)
                return q;
        }
    }
#endif
    return scan_class(p, end, CLASS_VALUE);
}

/* The first octet that is not visible ASCII. */
static inline const char *scan_visible(const char *p, const char *end)
{
#if defined(__SSE2__)
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i good = _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8(0x20)),
                                     _mm_cmplt_epi8(v, _mm_set1_epi8(0x7f)));
        unsigned mask = (unsigned)_mm_movemask_epi8(good) ^ 0xffffu;
        if (mask)
            return p + __builtin_ctz(mask);
    }
#else
    for (; end - p >= 8; p += 8) {
        uint64_t word = load8(p);
        if ((word & OCTETS(0x80u)) | word_below(word, 0x21) | word_below(word ^ OCTETS(0x7fu), 1))
            break;
    }
#endif
    return scan_class(p, end, CLASS_VISIBLE);
}

/* Size of the field name at p, up to the colon among the 16 octets there; 16 if there is none. */
static inline size_t scan_colon16(const char *p)
{
#if defined(__SSE2__)
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    unsigned mask = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8(':')));
    return (size_t)__builtin_ctz(mask | 0x10000u);
#else
    uint64_t first = word_below(load8(p) ^ OCTETS((unsigned)':'), 1);
    uint64_t second = word_below(load8(p + 8) ^ OCTETS((unsigned)':'), 1);
    if (first)
        return (size_t)__builtin_ctzll(first) / 8;
    return second ? 8 + (size_t)__builtin_ctzll(second) / 8 : 16;
#endif
}
