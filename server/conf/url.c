/* url.c - the url of a gather part: a literal address, and a path with places for the request's.
 *
 * Upstream addresses come from the configuration alone, never from a request: the two placeholders
 * can stand in the path and the query only, and the address is parsed here, once. */
#include "server/conf/schema.h"

#include <errno.h>

#define TAIL  "{tail}"
#define QUERY "{query}"

static int refuse(struct conf_read *read, struct conf_node *node, const char *why)
{
    conf_value_error(read, node, "url \"%s\" %s", conf_quote(node->text).text, why);
    return 0;
}

/* Octets of RFC 3986 section 3.3 and 3.4 (pchar, slash, question mark), a percent sign only before
 * two hexadecimal digits. */
static bool is_path_octet(rill_span text, size_t at)
{
    uint64_t value;
    char c = text.at[at];
    if (c == '%')
        return at + 2 < text.size &&
               rill_parse_hex((rill_span){ text.at + at + 1, 2 }, UINT8_MAX, &value) == 0;
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != 0 && strchr("-._~!$&'()*+,;=:@/?", c));
}

static const char *check_placeholder(rill_span rest, bool in_query, size_t *ret_size)
{
    if (rill_span_starts(rest, RILL_SPAN(TAIL))) {
        *ret_size = sizeof TAIL - 1;
        return in_query ? "has {tail} in its query; write it before the question mark" : NULL;
    }
    if (rill_span_starts(rest, RILL_SPAN(QUERY))) {
        *ret_size = sizeof QUERY - 1;
        return in_query ? NULL : "has {query} in its path; write it behind a question mark";
    }
    return "has braces that are neither {tail} nor {query}; write one of them, or %7B and %7D";
}

/* What is wrong with the path, or NULL and the number of its pieces. */
static const char *check_path(rill_span path, size_t *ret_count)
{
    bool in_query = false, in_text = false;
    size_t size = 1, count = 0;
    for (size_t at = 0; at < path.size; at += size) {
        char c = path.at[at];
        size = 1;
        if (c == '{' || c == '}') {
            const char *wrong = check_placeholder(conf_rest(path, at), in_query, &size);
            if (wrong)
                return wrong;
            in_text = false;
            count++;
            continue;
        }
        if (c == '#')
            return "has a fragment, which is never sent; remove it";
        if (!is_path_octet(path, at))
            return "holds an octet that a URL may not; percent-encode it";
        in_query |= c == '?';
        count += !in_text;
        in_text = true;
    }
    *ret_count = count;
    return NULL;
}

/* `path` was checked, lies in the region and has room for `count` pieces. */
static void cut_pieces(rill_span path, struct conf_piece *pieces, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *brace = memchr(path.at, '{', path.size);
        size_t size = brace ? (size_t)(brace - path.at) : path.size;
        struct conf_piece piece = { CONF_PIECE_TEXT, { path.at, size } };
        if (rill_span_starts(path, RILL_SPAN(TAIL)))
            piece = (struct conf_piece){ CONF_PIECE_TAIL, { path.at, sizeof TAIL - 1 } };
        else if (rill_span_starts(path, RILL_SPAN(QUERY)))
            piece = (struct conf_piece){ CONF_PIECE_QUERY, { path.at, sizeof QUERY - 1 } };
        pieces[i] = piece;
        path = conf_rest(path, piece.text.size);
    }
}

static const char *address_error(rill_span authority, int error)
{
    if (memchr(authority.at, '@', authority.size))
        return "has user information; remove it";
    switch (error) {
    case -EDESTADDRREQ: return "has no port; write it, such as http://127.0.0.1:80/";
    case -ERANGE: return "has no valid port; write one from 1 to 65535";
    default: return "has no literal address; write one, such as http://127.0.0.1:80/";
    }
}

/* Returns: 0 (also when refused: reported); -ENOBUFS. */
static int take_path(struct conf_read *read, struct conf_node *node, rill_span path,
                     struct conf_part *part)
{
    size_t count;
    rill_span copy;
    if (path.size == 0)
        path = RILL_SPAN("/");
    const char *wrong =
        path.at[0] == '/' ? check_path(path, &count) : "has no path before its query; write \"/?\"";
    if (wrong)
        return refuse(read, node, wrong);
    struct conf_piece *pieces = conf_region_alloc(read, count, sizeof *pieces);
    if (!pieces || conf_region_copy(read, path, &copy) < 0)
        return -ENOBUFS;
    cut_pieces(copy, pieces, count);
    part->pieces = pieces;
    part->piece_count = count;
    return 0;
}

int conf_convert_url(struct conf_read *read, const struct conf_setting *setting,
                     struct conf_node *node, void *base)
{
    static const rill_span scheme = RILL_SPAN("http://");
    struct conf_part *part = base;
    (void)setting;
    if (rill_span_starts(node->text, RILL_SPAN("https://")))
        return refuse(read, node, "asks for TLS, which this release lacks; write http://");
    if (!rill_span_starts(node->text, scheme))
        return refuse(read, node, "is no URL; write http://ADDRESS:PORT/PATH");
    rill_span rest = conf_rest(node->text, scheme.size), authority = rest;
    for (size_t i = 0; i < rest.size && authority.size == rest.size; i++)
        if (memchr("/?#", rest.at[i], 3))
            authority.size = i;
    rill_span unix_form = RILL_SPAN("unix:");
    int r = rill_span_starts(authority, unix_form) ? -EINVAL
                                                   : rill_addr_parse(authority, &part->address);
    if (r == 0 && rill_addr_port(&part->address) == 0)
        r = -ERANGE;
    if (r < 0)
        return refuse(read, node, address_error(authority, r));
    r = conf_region_copy(read, authority, &part->host);
    return r < 0 ? r : take_path(read, node, conf_rest(rest, authority.size), part);
}
