/* cookie.c - the cookies of a session: taken from responses, given to requests (RFC 6265).
 *
 * Where the RFC leaves a choice, or browsers have left it, curl's is made: a Secure cookie is taken from,
 * and given to, https and this machine only, and no other may hide it; names with __Secure- and __Host-
 * keep their promise. Without the list of public suffixes a cookie for a name without a dot is refused,
 * unless it is the host's own name. The jar is bounded: what was used longest ago goes. */
#include "core/client/cookie.h"

#include <rill/loop.h>

#include <errno.h>

enum {
    cookies_max = 3000,
    per_domain_max = 50,
    cookie_max = 4096, /* octets of name and value */
    path_max = 1024,
    sent_max = 8190 /* octets of a Cookie line, as curl */
};

struct cookie {
    struct list link;
    rill_time expires; /* of the loop's clock; RILL_FOREVER: with the session */
    uint64_t used;
    rill_span name, value, domain, path; /* in `text` */
    bool host_only, secure;
    char text[];
};

/* What a Set-Cookie line says. */
struct said {
    rill_span name, value, domain, path;
    rill_time expires;
    bool has_age, secure;
};

void rill__jar_init(struct rill__jar *jar)
{
    *jar = (struct rill__jar){ .count = 0 };
    list_init(&jar->cookies);
}

static struct cookie *cookie_of(struct list *node)
{
    return container_of(node, struct cookie, link);
}

static void drop(struct rill__jar *jar, struct cookie *cookie)
{
    list_remove(&cookie->link);
    jar->count--;
    rill_free(cookie);
}

void rill__jar_fini(struct rill__jar *jar)
{
    while (!list_is_empty(&jar->cookies))
        drop(jar, cookie_of(jar->cookies.next));
}

/* --- Matching. --- */

static rill_span path_of(const struct rill__url *url)
{
    const char *mark = memchr(url->target.at, '?', url->target.size);
    return (rill_span){ url->target.at,
                        mark != NULL ? (size_t)(mark - url->target.at) : url->target.size };
}

static bool is_address(rill_span host)
{
    for (size_t i = 0; i < host.size; i++) {
        if (host.at[i] == ':')
            return true;
        if ((host.at[i] < '0' || host.at[i] > '9') && host.at[i] != '.')
            return memchr(host.at + i, ':', host.size - i) != NULL;
    }
    return true;
}

/* Where a Secure cookie is at home. */
static bool is_secure(const struct rill__url *url)
{
    return url->tls || strcmp(url->host, "localhost") == 0 || strcmp(url->host, "127.0.0.1") == 0 ||
           strcmp(url->host, "::1") == 0;
}

/* Whether `host` is `domain` or below it (5.1.3). */
static bool domain_matches(rill_span host, rill_span domain)
{
    if (host.size < domain.size ||
        memcmp(host.at + host.size - domain.size, domain.at, domain.size) != 0)
        return false;
    return host.size == domain.size ||
           (host.at[host.size - domain.size - 1] == '.' && !is_address(host));
}

/* 5.1.4 */
static bool path_matches(rill_span path, rill_span own)
{
    return rill_span_starts(path, own) &&
           (path.size == own.size || own.at[own.size - 1] == '/' || path.at[own.size] == '/');
}

static bool matches(const struct cookie *cookie, const struct rill__url *url)
{
    rill_span host = rill_span_of(url->host);
    return (cookie->host_only ? rill_span_equal(host, cookie->domain)
                              : domain_matches(host, cookie->domain)) &&
           (!cookie->secure || is_secure(url)) && path_matches(path_of(url), cookie->path);
}

/* --- Reading a line. --- */

static rill_span trim(rill_span text)
{
    while (text.size > 0 && (text.at[0] == ' ' || text.at[0] == '\t'))
        text = (rill_span){ text.at + 1, text.size - 1 };
    while (text.size > 0 && (text.at[text.size - 1] == ' ' || text.at[text.size - 1] == '\t'))
        text.size--;
    return text;
}

/* Cut `name=value` up to the next semicolon off the front; no value without an equals sign. */
static void cut_pair(rill_span *rest, rill_span *ret_name, rill_span *ret_value)
{
    const char *end = rest->size > 0 ? memchr(rest->at, ';', rest->size) : NULL;
    rill_span pair = { rest->at, end != NULL ? (size_t)(end - rest->at) : rest->size };
    size_t step = end != NULL ? pair.size + 1 : pair.size;
    const char *equals = pair.size > 0 ? memchr(pair.at, '=', pair.size) : NULL;
    *rest = (rill_span){ rest->at + step, rest->size - step };
    *ret_name = trim(pair);
    *ret_value = (rill_span){ NULL, 0 };
    if (equals == NULL)
        return;
    *ret_name = trim((rill_span){ pair.at, (size_t)(equals - pair.at) });
    *ret_value = trim((rill_span){ equals + 1, pair.size - (size_t)(equals + 1 - pair.at) });
}

static void take_age(struct said *said, rill_span value)
{
    uint64_t seconds;
    bool past = value.size > 0 && value.at[0] == '-';
    if (past)
        value = (rill_span){ value.at + 1, value.size - 1 };
    int r = rill_parse_u64(value, INT64_MAX / RILL_SEC(1), &seconds);
    if (r == -EINVAL)
        return;
    said->has_age = true;
    said->expires = past || (r == 0 && seconds == 0) ? INT64_MIN
                    : r < 0                          ? RILL_FOREVER
                            : rill_time_add(rill_now(), (rill_time)seconds * RILL_SEC(1));
}

static void take_date(struct said *said, rill_span value)
{
    int64_t seconds, now = rill_wall_clock() / RILL_SEC(1);
    if (said->has_age || rill__cookie_date(value, &seconds) < 0)
        return;
    int64_t span = seconds - now;
    said->expires = span <= 0 ? INT64_MIN
                    : span > INT64_MAX / RILL_SEC(1)
                        ? RILL_FOREVER
                        : rill_time_add(rill_now(), span * RILL_SEC(1));
}

static void take_attribute(struct said *said, rill_span name, rill_span value)
{
    if (rill_span_equal_nocase(name, RILL_SPAN("expires")))
        take_date(said, value);
    else if (rill_span_equal_nocase(name, RILL_SPAN("max-age")))
        take_age(said, value);
    else if (rill_span_equal_nocase(name, RILL_SPAN("domain")))
        said->domain = value.size > 0 && value.at[0] == '.'
                           ? (rill_span){ value.at + 1, value.size - 1 }
                           : value;
    else if (rill_span_equal_nocase(name, RILL_SPAN("path")))
        said->path = value;
    else if (rill_span_equal_nocase(name, RILL_SPAN("secure")))
        said->secure = true;
}

static bool starts_nocase(rill_span text, rill_span prefix)
{
    return text.size >= prefix.size &&
           rill_span_equal_nocase((rill_span){ text.at, prefix.size }, prefix);
}

/* Read a line.   Returns: whether it is a cookie that `url` may set, but for the domain. */
static bool read_line(rill_span line, const struct rill__url *url, struct said *said)
{
    rill_span name, value;
    *said = (struct said){ .expires = RILL_FOREVER };
    cut_pair(&line, &said->name, &said->value);
    if (said->value.at == NULL || said->name.size == 0 ||
        said->name.size + said->value.size > cookie_max ||
        memchr(said->name.at, '\t', said->name.size) != NULL ||
        (said->value.size > 0 && memchr(said->value.at, '\t', said->value.size) != NULL))
        return false;
    while (line.size > 0) {
        cut_pair(&line, &name, &value);
        take_attribute(said, name, value);
    }
    if (said->secure && !is_secure(url))
        return false;
    if (starts_nocase(said->name, RILL_SPAN("__Secure-")))
        return said->secure;
    if (starts_nocase(said->name, RILL_SPAN("__Host-")))
        return said->secure && said->domain.size == 0 &&
               rill_span_equal(said->path, RILL_SPAN("/"));
    return true;
}

/* --- Keeping a cookie. --- */

static void put_text(rill_span *ret_text, char **at, rill_span from)
{
    if (from.size > 0)
        memcpy(*at, from.at, from.size);
    *ret_text = (rill_span){ *at, from.size };
    *at += from.size;
}

/* The folder of the path, without its slash (5.1.4). */
static rill_span default_path(rill_span path)
{
    while (path.size > 1 && path.at[path.size - 1] != '/')
        path.size--;
    if (path.size > 1)
        path.size--;
    return path;
}

static struct cookie *make_cookie(const struct said *said, const struct rill__url *url)
{
    rill_span host = rill_span_of(url->host);
    rill_span path = said->path.size > 0 && said->path.at[0] == '/' && said->path.size <= path_max
                         ? said->path
                         : default_path(path_of(url));
    rill_span domain = said->domain.size > 0 ? said->domain : host;
    struct cookie *cookie =
        rill_alloc(sizeof *cookie + said->name.size + said->value.size + domain.size + path.size);
    if (cookie == NULL)
        return NULL;
    *cookie = (struct cookie){ .expires = said->expires, .secure = said->secure };
    char *at = cookie->text;
    put_text(&cookie->name, &at, said->name);
    put_text(&cookie->value, &at, said->value);
    put_text(&cookie->path, &at, path);
    put_text(&cookie->domain, &at, domain);
    for (char *p = at - domain.size; p < at; p++)
        *p = (char)(*p >= 'A' && *p <= 'Z' ? *p | 0x20 : *p);
    bool dot = memchr(domain.at, '.', domain.size) != NULL;
    cookie->host_only = said->domain.size == 0 || is_address(host) || !dot;
    return cookie;
}

/* Whether the host may speak for the cookie's domain. */
static bool may_set(const struct cookie *cookie, const struct rill__url *url)
{
    rill_span host = rill_span_of(url->host);
    return cookie->host_only ? rill_span_equal(host, cookie->domain)
                             : domain_matches(host, cookie->domain);
}

/* The cookie that `cookie` takes the place of; NULL: none. *ret_hidden: it would hide a Secure one, which an
 * insecure answer must not (RFC 6265bis, 5.7). */
static struct cookie *find_former(struct rill__jar *jar, const struct cookie *cookie, bool insecure,
                                  bool *ret_hidden)
{
    struct cookie *former = NULL;
    *ret_hidden = false;
    list_for_each(node, &jar->cookies) {
        struct cookie *other = cookie_of(node);
        if (!rill_span_equal(other->name, cookie->name))
            continue;
        bool same = rill_span_equal(other->domain, cookie->domain);
        if (insecure && other->secure && path_matches(cookie->path, other->path) &&
            (same || domain_matches(other->domain, cookie->domain) ||
             domain_matches(cookie->domain, other->domain)))
            *ret_hidden = true;
        if (same && other->host_only == cookie->host_only &&
            rill_span_equal(other->path, cookie->path))
            former = other;
    }
    return former;
}

/* Put a cookie behind those that are sent before it, or in the place of its former self. */
static void insert(struct rill__jar *jar, struct cookie *cookie, struct cookie *former)
{
    struct list *at = jar->cookies.next;
    if (former != NULL)
        at = &former->link;
    else
        while (at != &jar->cookies && cookie_of(at)->path.size >= cookie->path.size)
            at = at->next;
    list_insert_before(at, &cookie->link);
    jar->count++;
    cookie->used = ++jar->uses;
    if (former != NULL)
        drop(jar, former);
}

/* Drop what has expired, and what was used longest ago above the bounds. */
static void make_room(struct rill__jar *jar, rill_span domain)
{
    struct cookie *first = NULL, *first_here = NULL;
    size_t here = 0;
    rill_time now = rill_now();
    list_for_each_safe(node, &jar->cookies) {
        struct cookie *cookie = cookie_of(node);
        if (cookie->expires <= now) {
            drop(jar, cookie);
            continue;
        }
        if (first == NULL || cookie->used < first->used)
            first = cookie;
        if (!rill_span_equal(cookie->domain, domain))
            continue;
        here++;
        if (first_here == NULL || cookie->used < first_here->used)
            first_here = cookie;
    }
    if (here > per_domain_max)
        drop(jar, first_here);
    else if (jar->count > cookies_max)
        drop(jar, first);
}

int rill__jar_take(struct rill__jar *jar, const struct rill__url *url, rill_span line)
{
    struct said said;
    bool hidden;
    if (!read_line(line, url, &said))
        return 0;
    struct cookie *cookie = make_cookie(&said, url);
    if (cookie == NULL)
        return -ENOMEM;
    struct cookie *former = find_former(jar, cookie, !is_secure(url), &hidden);
    bool good = !hidden && may_set(cookie, url), over = cookie->expires <= rill_now();
    if (good && !over) {
        insert(jar, cookie, former);
        make_room(jar, cookie->domain);
        return 0;
    }
    rill_free(cookie);
    if (good && former != NULL)
        drop(jar, former);
    return 0;
}

/* --- Giving. --- */

/* The next cookie for `url` from `node` on; NULL: no more. */
static struct cookie *next_match(struct rill__jar *jar, struct list *node,
                                 const struct rill__url *url, rill_time now)
{
    for (; node != &jar->cookies; node = node->next)
        if (cookie_of(node)->expires > now && matches(cookie_of(node), url))
            return cookie_of(node);
    return NULL;
}

int rill__jar_give(struct rill__jar *jar, const struct rill__url *url, rill_arena *arena,
                   rill_span *ret_value)
{
    rill_time now = rill_now();
    size_t size = 0;
    struct cookie *cookie, *first = next_match(jar, jar->cookies.next, url, now);
    *ret_value = (rill_span){ NULL, 0 };
    if (first == NULL)
        return 0;
    for (cookie = first; cookie != NULL && size <= sent_max;
         cookie = next_match(jar, cookie->link.next, url, now))
        size += cookie->name.size + cookie->value.size + sizeof "; =" - 1;
    rill_text text = { rill_arena_alloc(arena, size), size, 0, false };
    if (text.at == NULL)
        return -ENOMEM;
    for (cookie = first; cookie != NULL; cookie = next_match(jar, cookie->link.next, url, now)) {
        size_t more = cookie->name.size + cookie->value.size + sizeof "; =" - 1;
        if (text.used + more > sent_max)
            break;
        rill_text_add(&text, text.used > 0 ? RILL_SPAN("; ") : RILL_SPAN(""));
        rill_text_add(&text, cookie->name);
        rill_text_char(&text, '=');
        rill_text_add(&text, cookie->value);
        cookie->used = ++jar->uses;
    }
    *ret_value = (rill_span){ text.at, text.used };
    return 0;
}
