/* fuzz_url.c - URLs of the client: the input is one, and behind a newline a reference to be resolved.
 *
 * Oracle: what is found good has nothing that could end a request line or a field, reads back as itself,
 * a fragment behind it, which keeps it from the short way, changes nothing, and a reference leads to the base's
 * origin unless it names another. */
#include "core/client/url.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/guard.h"

#include <rill/http.h>

#include <string.h>

#define INPUT_MAX (40u << 10)

static guard page;

static int parse(rill_arena *arena, rill_span text, const struct rill__url *base,
                 struct rill__url *url)
{
    const char *at = guard_put(&page, text.at, text.size);
    int r = rill__url_parse(arena, (rill_span){ at, text.size }, base, url);
    (void)guard_put(&page, "", 0); /* nothing may point into it */
    return r;
}

static void check(rill_arena *arena, const struct rill__url *url)
{
    struct rill__url again;
    char request[2 * INPUT_MAX * 4];
    rill_text text = { request, sizeof request, 0, false };
    PROMISE(url->target.size > 0 && url->target.at[0] == '/');
    PROMISE(rill_http_write_request(&text, RILL_SPAN("GET"), url->target, url->authority) == 0);
    PROMISE(rill_http_is_value(url->text) && url->text.at[url->text.size] == 0);
    PROMISE(url->port != 0 && url->host[0] != 0);
    PROMISE(rill__url_parse(arena, url->text, NULL, &again) == 0);
    PROMISE(rill_span_equal(again.text, url->text));
    PROMISE(rill__url_same_origin(&again, url) && again.user.at == NULL);
    text.used = 0;
    rill_text_add(&text, url->text);
    rill_text_char(&text, '#');
    PROMISE(rill__url_parse(arena, (rill_span){ text.at, text.used }, NULL, &again) == 0);
    PROMISE(rill_span_equal(again.text, url->text) && rill__url_same_origin(&again, url));
    PROMISE(rill_span_equal(again.authority, url->authority));
    PROMISE(rill__url_parse(arena, RILL_SPAN(""), url, &again) == 0);
    PROMISE(rill_span_equal(again.text, url->text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rill_arena arena = { 0 };
    struct rill__url base, url;
    if (size > INPUT_MAX)
        return 0;
    if (page.map == NULL)
        guard_init(&page, INPUT_MAX);
    const char *at = (const char *)data, *line = size > 0 ? memchr(data, '\n', size) : NULL;
    rill_span first = { at, line != NULL ? (size_t)(line - at) : size };
    if (parse(&arena, first, NULL, &base) == 0) {
        check(&arena, &base);
        rill_span second = { line != NULL ? line + 1 : NULL,
                             line != NULL ? size - first.size - 1 : 0 };
        if (line != NULL && parse(&arena, second, &base, &url) == 0) {
            check(&arena, &url);
            if (second.size == 0 || memchr(second.at, ':', second.size) == NULL)
                PROMISE(url.tls == base.tls);
            if (second.size == 0 || (memchr(second.at, ':', second.size) == NULL &&
                                     memmem(second.at, second.size, "//", 2) == NULL))
                PROMISE(rill__url_same_origin(&url, &base));
        }
    }
    rill_arena_fini(&arena);
    return 0;
}
