/* fuzz_cookie.c - lines of Set-Cookie, taken by a jar; the first octet chooses who sends them.
 *
 * Oracle: what is given back is a field's value that holds no second line, the jar keeps its bounds, and a
 * strange host gets nothing. */
#include "core/client/cookie.h"
#include "tests/fuzz/fuzz.h"

#include <rill/http.h>

#include <string.h>

static const char *const urls[] = { "http://a.b.example/x/y?z", "https://a.b.example/x/",
                                    "http://127.0.0.1/", "http://[::1]:81/x", "http://localhost/" };

static void take_lines(struct rill__jar *jar, const struct rill__url *from, rill_span text)
{
    while (text.size > 0) {
        const char *end = memchr(text.at, '\n', text.size);
        rill_span line = { text.at, end != NULL ? (size_t)(end - text.at) : text.size };
        size_t step = line.size + (end != NULL);
        if (rill_http_is_value(line)) /* the parser of heads lets nothing else through */
            PROMISE(rill__jar_take(jar, from, line) == 0);
        text = (rill_span){ text.at + step, text.size - step };
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rill_arena arena = { 0 };
    struct rill__jar jar;
    struct rill__url url;
    rill_span value;
    if (size == 0 || size > 64 << 10)
        return 0;
    rill__jar_init(&jar);
    const char *from = urls[data[0] % (sizeof urls / sizeof *urls)];
    PROMISE(rill__url_parse(&arena, rill_span_of(from), NULL, &url) == 0);
    take_lines(&jar, &url, (rill_span){ (const char *)data + 1, size - 1 });
    PROMISE(jar.count <= 100);
    PROMISE(rill__jar_give(&jar, &url, &arena, &value) == 0);
    PROMISE(rill_http_is_value(value) && value.size <= 8190);
    PROMISE(rill__url_parse(&arena, RILL_SPAN("https://strange.test/x/y"), NULL, &url) == 0);
    PROMISE(rill__jar_give(&jar, &url, &arena, &value) == 0);
    PROMISE(value.size == 0);
    rill__jar_fini(&jar);
    rill_arena_fini(&arena);
    return 0;
}
