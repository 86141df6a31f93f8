/* fuzz_http_target.c - targets and hosts (F3, and the host part of F5).
 *
 * Oracle: a normal path is absolute, has no dot segment and no control octet, and never grows; it
 * reads back as itself from the wire; a Location made from it stays on this host. */
#include "tests/fuzz/fuzz.h"

#include "tests/support/guard.h"

#include <rill/http.h>

#include <string.h>

#define INPUT_MAX (16u << 10)

static void check_normal(rill_span path)
{
    PROMISE(path.size > 0 && path.at[0] == '/');
    for (size_t i = 0; i < path.size; i++) {
        uint8_t octet = (uint8_t)path.at[i];
        PROMISE(octet == RILL_HTTP_ENCODED_SLASH || (octet >= 0x20 && octet != 0x7f));
    }
    for (size_t i = 0, start = 1; i <= path.size; i++) {
        if (i < path.size && path.at[i] != '/')
            continue;
        rill_span segment = { path.at + start, i > start ? i - start : 0 };
        PROMISE(!rill_span_equal(segment, RILL_SPAN(".")));
        PROMISE(!rill_span_equal(segment, RILL_SPAN("..")));
        start = i + 1;
    }
}

static void check_way_back(rill_span path)
{
    static char wire[3 * INPUT_MAX + 1], memory[3 * INPUT_MAX];
    rill_http_target again;
    rill_text text = { wire, sizeof wire, 0, false };
    rill_http_path_encode(&text, path);
    PROMISE(!text.full);
    int r = rill_http_target_parse((rill_span){ wire, text.used }, memory, sizeof memory, &again);
    PROMISE(r == 0 && !again.dots && !again.has_query);
    PROMISE(rill_span_equal(again.path, path));
    text.used = 0;
    rill_http_location_encode(&text, path);
    PROMISE(!text.full && wire[0] == '/' && (text.used == 1 || wire[1] != '/'));
    for (size_t i = 0; i < text.used; i++)
        PROMISE(wire[i] > ' ' && wire[i] < 0x7f && wire[i] != '\\');
}

static void check_host(rill_span text)
{
    rill_http_host host, again;
    if (rill_http_host_parse(text, &host) < 0)
        return;
    PROMISE(host.name.size > 0 && host.name.at == text.at && host.name.size <= text.size);
    PROMISE(rill_http_host_parse(host.name, &again) == 0);
    again.port = host.port;
    PROMISE(rill_http_host_equal(host, again, 80));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static guard input, output;
    if (size > INPUT_MAX)
        return 0;
    if (!input.map) {
        guard_init(&input, INPUT_MAX);
        guard_init(&output, INPUT_MAX);
    }
    rill_span raw = { guard_put(&input, data, size), size };
    char *memory = output.map + output.size - size;
    rill_http_target target;
    check_host(raw);
    if (rill_http_target_parse(raw, memory, size, &target) < 0) {
        PROMISE(target.refuse_status == 400 && target.refuse_rule > 0);
        return 0;
    }
    if (rill_span_equal(target.path, RILL_SPAN("*")))
        return 0;
    PROMISE(target.path.size <= size || size == 0 || target.path.size == 1);
    check_normal(target.path);
    check_way_back(target.path);
    return 0;
}
