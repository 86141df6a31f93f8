/* text.c - spans, the bounded builder, and numbers read from text, all bounded. */
#include <rill/text.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static unsigned char lower(char octet)
{
    unsigned char c = (unsigned char)octet;
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c | 0x20) : c;
}

bool rill_span_equal_nocase(rill_span a, rill_span b)
{
    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++)
        if (lower(a.at[i]) != lower(b.at[i]))
            return false;
    return true;
}

static int digit_of(char octet)
{
    unsigned char c = lower(octet);
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

static int parse(rill_span text, unsigned base, uint64_t max, uint64_t *ret_value)
{
    uint64_t value = 0;
    bool over = false;
    if (text.size == 0)
        return -EINVAL;
    for (size_t i = 0; i < text.size; i++) {
        unsigned digit = (unsigned)digit_of(text.at[i]);
        if (digit >= base)
            return -EINVAL;
        over |= __builtin_mul_overflow(value, base, &value);
        over |= __builtin_add_overflow(value, digit, &value);
    }
    if (over || value > max)
        return -ERANGE;
    *ret_value = value;
    return 0;
}

int rill_parse_u64(rill_span text, uint64_t max, uint64_t *ret_value)
{
    return parse(text, 10, max, ret_value);
}

int rill_parse_hex(rill_span text, uint64_t max, uint64_t *ret_value)
{
    uint64_t value;
    int r = parse(text, 16, max, &value);
    if (r == 0 && text.size > 16)
        r = -ERANGE;
    if (r == 0)
        *ret_value = value;
    return r;
}

void rill_text_u64(rill_text *text, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    rill_text_add(text, (rill_span){ digits + at, sizeof digits - at });
}

void rill_text_hex(rill_text *text, uint64_t value, unsigned width)
{
    char digits[16];
    size_t at = sizeof digits;
    do {
        digits[--at] = "0123456789abcdef"[value & 15];
        value >>= 4;
    } while (at > 0 && (value != 0 || sizeof digits - at < width));
    rill_text_add(text, (rill_span){ digits + at, sizeof digits - at });
}

void rill_text_fmt(rill_text *text, const char *format, ...)
{
    size_t left = text->size - text->used;
    va_list args;
    va_start(args, format);
    int size = vsnprintf(left > 0 ? text->at + text->used : NULL, left, format, args);
    va_end(args);
    /* vsnprintf wants room for its zero octet, which the builder does not count. */
    if (size < 0 || (size_t)size >= left)
        text->full = true;
    else
        text->used += (size_t)size;
}

const char *rill_text_end(rill_text *text)
{
    if (text->size == 0) {
        text->full = true;
        return "";
    }
    if (text->used == text->size) {
        text->full = true;
        text->used--;
    }
    text->at[text->used] = 0;
    return text->at;
}
