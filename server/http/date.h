/* date.h - the dates of HTTP: written in one format, read in three. (9110 §5.6.7)
 *
 * Nothing here knows what time it is: the caller passes seconds since 1970 in UTC. No locale, no
 * library calendar, so the result depends on the arguments alone. */
#pragma once

#include <rill/text.h>

enum { date_size = 29 }; /* octets of "Sun, 06 Nov 1994 08:49:37 GMT" */

/* Write `seconds` as IMF-fixdate; times outside the years 0 to 9999 become the nearest inside.
 * Returns nothing; fills exactly date_size octets, no zero octet. */
void date_format(int64_t seconds, char *ret_text);

/* The text of one second, made again only when the second changes. Valid when zeroed. */
struct date_cache {
    int64_t second;
    char text[date_size]; /* text[0] is 0 while there is none */
};

/* The date_size octets for `seconds`, valid until the next call. */
const char *date_cached(struct date_cache *cache, int64_t seconds);

/* Read a date in any of the three formats; `now` settles the century of a two-digit year: it is
 * the latest one that is not more than 50 years ahead. (rule 75)
 * Returns: 0 and the seconds; -EINVAL (anything else than exactly one such date). */
int date_parse(rill_span text, int64_t now, int64_t *ret_seconds);
