/* utf8.c - how long a UTF-8 character is, and whether it is one. */
#include "server/http/utf8.h"

/* What the second octet may be behind the first; only these four differ. */
static void bounds_behind(unsigned char first, unsigned char *low, unsigned char *high)
{
    *low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;  /* below, shorter forms exist */
    *high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf; /* surrogates; beyond U+10FFFF */
}

size_t utf8_size(const char *at, size_t left)
{
    const unsigned char *octets = (const unsigned char *)at;
    unsigned char first = octets[0], low, high;
    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    size_t size = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    bounds_behind(first, &low, &high);
    if (size > left || octets[1] < low || octets[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++)
        if ((octets[i] & 0xc0) != 0x80)
            return 0;
    return size;
}
