/* url.c - http and https URLs: split, normalised, resolved against a base.
 *
 * Split as RFC 3986, appendix B, and resolved as its section 5.2, without the doors that a browser leaves
 * open: a control octet, a backslash before the path, a host that is no plain name or address are errors.
 * What a path or query may not hold but people write, like a space, is percent-encoded, as browsers and
 * yarl do. A name that is not ASCII is refused: IDNA would need tables that nobody here has. */
#include "core/client/url.h"

#include "core/base/check.h"
#include "core/http/scan.h"

#include <rill/http.h>
#include <rill/task.h>

#include <errno.h>

/* The pieces of a reference; `at` NULL: not there. */
struct pieces {
    rill_span scheme, authority, path, query;
};

static int bad(const char *why)
{
    return rill_fail(-EINVAL, "bad URL: %s", why);
}

/* --- Splitting. --- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Cut everything before the first of up to three octets off the front of `rest`. */
static rill_span cut(rill_span *rest, const char stops[3])
{
    size_t size = 0;
    while (size < rest->size && rest->at[size] != stops[0] && rest->at[size] != stops[1] &&
           rest->at[size] != stops[2])
        size++;
    rill_span piece = { rest->at, size };
    *rest = (rill_span){ rest->at + size, rest->size - size };
    return piece;
}

static void skip(rill_span *rest, size_t size)
{
    *rest = (rill_span){ rest->at + size, rest->size - size };
}

static rill_span cut_scheme(rill_span *rest)
{
    size_t size = 0;
    while (size < rest->size &&
           (is_letter(rest->at[size]) ||
            (size > 0 && (is_digit(rest->at[size]) || memchr("+-.", rest->at[size], 3) != NULL))))
        size++;
    if (size == 0 || size == rest->size || rest->at[size] != ':')
        return (rill_span){ NULL, 0 };
    rill_span scheme = { rest->at, size };
    skip(rest, size + 1);
    return scheme;
}

static struct pieces split(rill_span text)
{
    struct pieces pieces = { .scheme = cut_scheme(&text) };
    if (text.size >= 2 && text.at[0] == '/' && text.at[1] == '/') {
        skip(&text, 2);
        pieces.authority = cut(&text, "/?#");
    }
    pieces.path = cut(&text, "?##");
    if (text.size > 0 && text.at[0] == '?') {
        skip(&text, 1);
        pieces.query = cut(&text, "###");
    }
    return pieces;
}

/* --- The authority. --- */

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void rill__url_decode(rill_text *out, rill_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        int high = text.at[i] == '%' && i + 2 < text.size ? hex_value(text.at[i + 1]) : -1;
        int low = high >= 0 ? hex_value(text.at[i + 2]) : -1;
        if (low < 0) {
            rill_text_char(out, text.at[i]);
            continue;
        }
        rill_text_char(out, (char)(high << 4 | low));
        i += 2;
    }
}

static int decode(rill_arena *arena, rill_span text, rill_span *ret_text)
{
    rill_text out = { rill_arena_alloc(arena, text.size + 1), text.size, 0, false };
    if (out.at == NULL)
        return -ENOMEM;
    rill__url_decode(&out, text);
    *ret_text = (rill_span){ out.at, out.used };
    return 0;
}

/* Cut `user:password@` off the front of an authority. */
static int take_user(rill_arena *arena, rill_span *authority, struct rill__url *url)
{
    const char *at = authority->size > 0 ? memrchr(authority->at, '@', authority->size) : NULL;
    if (at == NULL)
        return 0;
    rill_span info = { authority->at, (size_t)(at - authority->at) };
    skip(authority, info.size + 1);
    rill_span user = cut(&info, ":::");
    if (info.size > 0)
        skip(&info, 1);
    int r = decode(arena, user, &url->user);
    if (r == 0)
        r = decode(arena, info, &url->password);
    if (r == 0 && url->user.size > 0 && memchr(url->user.at, ':', url->user.size) != NULL)
        return bad("a colon in the user's name");
    return r;
}

/* Whether the last label of a name is a number: then it has to be an IPv4 address as everybody reads it,
 * since inet_aton and browsers take 127.1 and 0x7f000001 for addresses, too. */
static bool is_strange_address(rill_span name)
{
    size_t at = name.size, dots = 0, digits = 0;
    while (at > 0 && name.at[at - 1] != '.')
        at--;
    if (at == name.size || !is_digit(name.at[at]))
        return false;
    for (size_t i = at; i < name.size; i++)
        digits += is_digit(name.at[i]);
    if (digits < name.size - at && (name.at[at] != '0' || (name.at[at + 1] | 0x20) != 'x'))
        return false; /* a label like 3com */
    for (size_t i = 0; i < name.size; i++) {
        dots += name.at[i] == '.';
        if (!is_digit(name.at[i]) && name.at[i] != '.')
            return true;
    }
    return dots != 3;
}

/* The text of a host for connecting: lower case, without brackets. */
static char *host_text(rill_arena *arena, rill_span name)
{
    if (name.at[0] == '[')
        name = (rill_span){ name.at + 1, name.size - 2 };
    char *text = rill_arena_copy(arena, name.at, name.size);
    for (size_t i = 0; text != NULL && i < name.size; i++)
        text[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] | 0x20 : text[i]);
    return text;
}

static int parse_authority(rill_arena *arena, rill_span authority, struct rill__url *url)
{
    rill_http_host host;
    int r = take_user(arena, &authority, url);
    if (r < 0)
        return r;
    if (authority.size == 0)
        return bad("it has no host");
    for (size_t i = 0; i < authority.size; i++)
        if ((unsigned char)authority.at[i] >= 0x80)
            return bad("its host is not ASCII: write an international name in its xn-- form");
    if (authority.at[authority.size - 1] == ':')
        authority.size--; /* an empty port is the scheme's own */
    if (rill_http_host_parse(authority, &host) < 0)
        return bad("its host or port is no good");
    if (is_strange_address(host.name))
        return bad("its host is neither a name nor an address");
    url->has_port = host.port != 0;
    url->port = url->has_port ? host.port : url->tls ? 443 : 80;
    url->host = host_text(arena, host.name);
    return url->host == NULL ? -ENOMEM : 0;
}

/* --- The target. --- */

/* Whether an octet may stand in a path or a query as it is: visible ASCII but "<>\\^`{|}#. */
static bool is_plain(char c)
{
    static const uint64_t plain[2] = { 0xaffffff200000000, 0x47fffffeafffffff };
    unsigned char octet = (unsigned char)c;
    return octet < 128 && (plain[octet >> 6] >> (octet & 63) & 1);
}

static void add_escape(rill_text *out, char c)
{
    static const char digits[] = "0123456789ABCDEF";
    rill_text_char(out, '%');
    rill_text_char(out, digits[(unsigned char)c >> 4]);
    rill_text_char(out, digits[c & 15]);
}

/* Append `text`, with what it may not hold percent-encoded. */
static void add_encoded(rill_text *out, rill_span text)
{
    for (size_t i = 0, begin = 0; i <= text.size; i++) {
        if (i < text.size && is_plain(text.at[i]) &&
            (text.at[i] != '%' || (i + 2 < text.size && hex_value(text.at[i + 1]) >= 0 &&
                                   hex_value(text.at[i + 2]) >= 0)))
            continue;
        rill_text_add(out, (rill_span){ text.at + begin, i - begin });
        if (i < text.size)
            add_escape(out, text.at[i]);
        begin = i + 1;
    }
}

/* Whether a path stays as it is: nothing to be encoded, and nothing that could be a dot segment. */
static bool is_simple(rill_span path)
{
    enum { usual = CLASS_PATH | CLASS_PLAIN }; /* all of a path but dots */

    const char *p = path.at, *end = path.at + path.size;
    for (; p < end; p++)
        if ((class_of(p) & usual) != usual && (*p != '.' || p == path.at || p[-1] == '/'))
            return false;
    return true;
}

/* How many dots a segment is, each plain or as %2e: 1, 2, or 0 for any other segment. */
static int dots_of(rill_span segment)
{
    int dots = 0;
    for (size_t i = 0; i < segment.size && dots < 3; dots++) {
        if (segment.at[i] == '.')
            i++;
        else if (segment.size - i >= 3 && memcmp(segment.at + i, "%2", 2) == 0 &&
                 (segment.at[i + 2] | 0x20) == 'e')
            i += 3;
        else
            return 0;
    }
    return dots < 3 ? dots : 0;
}

/* Append the segments of a path to those in `out` from `begin` on, which end in a slash; dot segments go
 * (RFC 3986, 5.2.4). */
static void add_path(rill_text *out, size_t begin, rill_span path)
{
    if (is_simple(path)) {
        rill_text_add(out, path);
        return;
    }
    while (path.size > 0 || out->used == begin) {
        rill_span segment = cut(&path, "///");
        bool last = path.size == 0;
        int dots = dots_of(segment);
        if (!last)
            skip(&path, 1);
        if (dots == 2 && out->used > begin + 1) {
            out->used--;
            while (out->at[out->used - 1] != '/')
                out->used--;
        }
        if (dots > 0)
            continue;
        add_encoded(out, segment);
        if (!last)
            rill_text_char(out, '/');
        else
            break;
    }
}

/* Where the path of a target ends, and the query with its question mark begins. */
static size_t path_size(rill_span target)
{
    const char *mark = memchr(target.at, '?', target.size);
    return mark != NULL ? (size_t)(mark - target.at) : target.size;
}

/* Append path and query of a reference (RFC 3986, 5.2.2). `base` NULL: it has an authority of its own. */
static void add_target(rill_text *out, const struct pieces *pieces, const struct rill__url *base)
{
    size_t begin = out->used, own = base != NULL ? path_size(base->target) : 0;
    rill_span path = pieces->path, query = pieces->query;
    if (base != NULL && path.size == 0) {
        rill_text_add(out, query.at != NULL ? (rill_span){ base->target.at, own } : base->target);
    } else if (base != NULL && path.at[0] != '/') {
        while (base->target.at[own - 1] != '/')
            own--;
        rill_text_add(out, (rill_span){ base->target.at, own });
        add_path(out, begin, path);
    } else {
        rill_text_char(out, '/');
        if (path.size > 0) {
            skip(&path, 1);
            add_path(out, begin, path);
        }
    }
    if (query.at != NULL) {
        rill_text_char(out, '?');
        add_encoded(out, query);
    }
}

/* --- A URL. --- */

static int check_octets(rill_span text)
{
    if (text.size > RILL__URL_MAX)
        return bad("it is longer than 32 KiB");
    const char *end = text.at + text.size;
    for (const char *p = scan_visible(text.at, end); p < end; p = scan_visible(p + 1, end))
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return bad("it holds a control octet");
    return 0;
}

/* Write the normalised text and note where its parts lie. */
static int compose(rill_arena *arena, const struct pieces *pieces, const struct rill__url *base,
                   struct rill__url *url)
{
    bool own_port = url->port == (url->tls ? 443 : 80), literal = strchr(url->host, ':') != NULL;
    size_t base_size = base != NULL ? base->target.size : 0;
    size_t size = 24 + strlen(url->host) + base_size + 3 * (pieces->path.size + pieces->query.size);
    rill_text text = { rill_arena_alloc(arena, size), size, 0, false };
    if (text.at == NULL)
        return -ENOMEM;
    rill_text_add(&text, url->tls ? RILL_SPAN("https://") : RILL_SPAN("http://"));
    size_t authority = text.used;
    rill_text_add(&text, literal ? RILL_SPAN("[") : RILL_SPAN(""));
    rill_text_add(&text, rill_span_of(url->host));
    rill_text_add(&text, literal ? RILL_SPAN("]") : RILL_SPAN(""));
    if (!own_port) {
        rill_text_char(&text, ':');
        rill_text_u64(&text, url->port);
    }
    url->authority = (rill_span){ text.at + authority, text.used - authority };
    size_t target = text.used;
    add_target(&text, pieces, base);
    url->target = (rill_span){ text.at + target, text.used - target };
    rill_text_end(&text);
    CHECK(!text.full);
    url->text = (rill_span){ text.at, text.used };
    return url->target.size > RILL__URL_MAX ? bad("it is longer than 32 KiB") : 0;
}

/* Who is asked: by the reference itself, or as the base says. */
static int find_host(rill_arena *arena, const struct pieces *pieces, const struct rill__url *base,
                     struct rill__url *url)
{
    if (pieces->scheme.at != NULL) {
        url->tls = rill_span_equal_nocase(pieces->scheme, RILL_SPAN("https"));
        if (!url->tls && !rill_span_equal_nocase(pieces->scheme, RILL_SPAN("http")))
            return bad("its scheme is not http or https");
        if (pieces->authority.at == NULL)
            return bad("it has no host");
    } else if (base == NULL) {
        return bad("it is relative, and there is no base_url");
    } else {
        url->tls = base->tls;
    }
    if (pieces->authority.at != NULL)
        return parse_authority(arena, pieces->authority, url);
    url->host = base->host;
    url->port = base->port;
    url->has_port = base->has_port;
    url->user = base->user;
    url->password = base->password;
    return 0;
}

/* --- URLs that are written as they are normalised: nearly all are. --- */

/* Whether a target that begins with a slash stays as it is. */
static bool is_normal_target(rill_span target)
{
    const char *mark = memchr(target.at, '?', target.size);
    rill_span path = { target.at, mark != NULL ? (size_t)(mark - target.at) : target.size };
    return is_simple(path) && (mark == NULL || scan_class(mark + 1, target.at + target.size,
                                                          CLASS_PATH) == target.at + target.size);
}

static bool has_capital(rill_span text)
{
    bool found = false;
    for (size_t i = 0; i < text.size; i++)
        found |= (unsigned char)(text.at[i] - 'A') < 26;
    return found;
}

/* Whether an authority is a lower-case name or an IPv4 address, perhaps with a port that is not the scheme's own:
 * just what the normalised text has. */
static bool take_normal_host(rill_span authority, struct rill__url_front *front)
{
    rill_http_host host;
    if (authority.size == 0 || authority.at[0] == '[' || has_capital(authority) ||
        rill_http_host_parse(authority, &host) < 0 || is_strange_address(host.name))
        return false;
    uint16_t usual = front->tls ? 443 : 80;
    front->host = host.name.size;
    front->has_port = host.port != 0;
    front->port = front->has_port ? host.port : usual;
    if (!front->has_port)
        return authority.size == front->host;
    return authority.at[front->host] == ':' && authority.at[front->host + 1] != '0' &&
           front->port != usual;
}

/* Find out what a URL begins with, if that is normal. */
static bool take_front(rill_span text, struct rill__url_front *front)
{
    front->tls = rill_span_starts(text, RILL_SPAN("https://"));
    if (!front->tls && !rill_span_starts(text, RILL_SPAN("http://")))
        return false;
    front->scheme = front->tls ? 8 : 7;
    const char *slash = memchr(text.at + front->scheme, '/', text.size - front->scheme);
    front->size = slash != NULL ? (size_t)(slash - text.at) : 0;
    if (slash == NULL)
        return false;
    rill_span authority = { text.at + front->scheme, front->size - front->scheme };
    return take_normal_host(authority, front);
}

static bool is_known(rill_span text, const struct rill__url_front *known)
{
    return known->size > 0 && text.size > known->size && text.at[known->size] == '/' &&
           memcmp(text.at, known->text, known->size) == 0;
}

/* Take a URL as it is written; what is known serves again, or gives way.
 * Returns: 1; 0 (something has to be done to it first); -ENOMEM. */
static int take_normal(rill_arena *arena, rill_span text, struct rill__url_front *known,
                       struct rill__url *url)
{
    if (text.size > RILL__URL_MAX)
        return 0;
    if (!is_known(text, known)) {
        known->size = 0;
        if (!take_front(text, known) || known->size > sizeof known->text) {
            known->size = 0;
            return 0;
        }
        memcpy(known->text, text.at, known->size);
    }
    rill_span target = { text.at + known->size, text.size - known->size };
    if (!is_normal_target(target))
        return 0;
    char *copy = rill_arena_alloc(arena, text.size + 1 + known->host + 1);
    if (copy == NULL)
        return -ENOMEM;
    memcpy(copy, text.at, text.size);
    copy[text.size] = 0;
    char *host = copy + text.size + 1;
    memcpy(host, copy + known->scheme, known->host);
    host[known->host] = 0;
    *url = (struct rill__url){ .text = { copy, text.size },
                               .authority = { copy + known->scheme, known->size - known->scheme },
                               .target = { copy + known->size, target.size },
                               .host = host,
                               .port = known->port,
                               .tls = known->tls,
                               .has_port = known->has_port };
    return 1;
}

/* The same for a path, and query, of the base's origin. */
static int take_normal_path(rill_arena *arena, rill_span text, const struct rill__url *base,
                            struct rill__url *url)
{
    if (base == NULL || text.size == 0 || text.size > RILL__URL_MAX || text.at[0] != '/' ||
        (text.size > 1 && text.at[1] == '/') || !is_normal_target(text))
        return 0;
    size_t front = base->text.size - base->target.size;
    char *copy = rill_arena_alloc(arena, front + text.size + 1);
    if (copy == NULL)
        return -ENOMEM;
    memcpy(copy, base->text.at, front);
    memcpy(copy + front, text.at, text.size);
    copy[front + text.size] = 0;
    *url = *base;
    url->text = (rill_span){ copy, front + text.size };
    url->authority =
        (rill_span){ copy + (base->authority.at - base->text.at), base->authority.size };
    url->target = (rill_span){ copy + front, text.size };
    return 1;
}

static int normalise(rill_arena *arena, rill_span text, const struct rill__url *base,
                     struct rill__url *url)
{
    struct pieces pieces = split(text);
    int r = check_octets(text);
    if (r == 0)
        r = find_host(arena, &pieces, base, url);
    if (r == 0)
        r = compose(arena, &pieces, pieces.authority.at == NULL ? base : NULL, url);
    return r;
}

int rill__url_parse_known(rill_arena *arena, rill_span text, const struct rill__url *base,
                          struct rill__url_front *known, struct rill__url *ret_url)
{
    struct rill__url url = { .port = 0 };
    if (text.size == 0)
        text = RILL_SPAN("");
    int r = take_normal_path(arena, text, base, &url);
    if (r == 0)
        r = take_normal(arena, text, known, &url);
    if (r == 0)
        r = normalise(arena, text, base, &url);
    if (r >= 0)
        *ret_url = url;
    return r < 0 ? r : 0;
}

int rill__url_parse(rill_arena *arena, rill_span text, const struct rill__url *base,
                    struct rill__url *ret_url)
{
    struct rill__url_front unknown = { .size = 0 };
    return rill__url_parse_known(arena, text, base, &unknown, ret_url);
}

bool rill__url_same_origin(const struct rill__url *a, const struct rill__url *b)
{
    return a->tls == b->tls && a->port == b->port && strcmp(a->host, b->host) == 0;
}
