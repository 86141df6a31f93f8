/* url.h - http and https URLs: split, normalised, resolved against a base. */
#pragma once

#include <rill/mem.h>
#include <rill/text.h>

enum { RILL__URL_MAX = 32 << 10 }; /* octets of a URL, and of a relative one with its base */

/* A URL that was found good. All text lies in the arena that it was parsed with. */
struct rill__url {
    rill_span text;      /* normalised, without user information and fragment; zero-terminated */
    rill_span authority; /* host and port, as in a Host field: without the scheme's own port */
    rill_span target;    /* path and query, percent-encoded; begins with a slash */
    rill_span user, password; /* decoded; user.at NULL: none */
    const char *host; /* lower case, an IPv6 address without its brackets; zero-terminated */
    uint16_t port;
    bool tls;
    bool has_port; /* it was written down */
};

/* Parse `text`, which may be relative if there is a base (or NULL).
 * Returns: 0; -EINVAL (it is no http or https URL: rill_last_error says why); -ENOMEM. */
int rill__url_parse(rill_arena *arena, rill_span text, const struct rill__url *base,
                    struct rill__url *ret_url);

/* Scheme, host and port of the URL that was parsed last, as it was written: of the next one they are known, since
 * most requests of a program go to few servers. Valid when zeroed. */
struct rill__url_front {
    size_t size;         /* octets of `text`; 0: nothing is known */
    size_t scheme, host; /* of these: the scheme with its slashes; the name behind it */
    uint16_t port;
    bool tls, has_port;
    char text[128];
};

/* rill__url_parse, with what is known of such URLs. */
int rill__url_parse_known(rill_arena *arena, rill_span text, const struct rill__url *base,
                          struct rill__url_front *known, struct rill__url *ret_url);

/* Whether two URLs have the same scheme, host and port. */
bool rill__url_same_origin(const struct rill__url *a, const struct rill__url *b);

/* Append `text` with each %XX in it decoded; never more than text.size octets. */
void rill__url_decode(rill_text *out, rill_span text);
