/* test_mime.c - the promises of server/http/mime. */
#include "server/http/mime.h"

#include "core/base/mem.h"

#include <rill/mem.h>
#include <rill/text.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *find(const char *name, const struct mime_types *own)
{
    return mime_find(rill_span_of(name), own).at;
}

static void type_follows_from_the_last_extension_in_any_case(void **state)
{
    (void)state;
    assert_string_equal(find("index.html", NULL), "text/html; charset=utf-8");
    assert_string_equal(find("/a.b/INDEX.HTML", NULL), "text/html; charset=utf-8");
    assert_string_equal(find("x.tar.gz", NULL), "application/gzip");
    assert_string_equal(find("logo.png", NULL), "image/png");
    assert_string_equal(find("app.js", NULL), "text/javascript; charset=utf-8");
    assert_string_equal(find("data.json", NULL), "application/json");
}

static void name_without_a_known_extension_is_octets(void **state)
{
    (void)state;
    static const char *const names[] = {
        "",
        "README",
        "x.",
        "x.unknown",
        ".html",
        "/.html",
        "/a.html/b",
        "html",
        "/",
        ".",
        "x.averyveryverylongextension",
        "x.htm l",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_string_equal(find(names[i], NULL), "application/octet-stream");
}

static void own_types_go_before_the_built_in_ones(void **state)
{
    (void)state;
    static const struct mime_type rows[] = {
        { { "html", 4 }, { "text/x-own", 10 } },
        { { "html", 4 }, { "text/x-second", 13 } },
        { { "Foo", 3 }, { "x/foo", 5 } },
    };
    struct mime_types own = { rows, 3 };
    assert_string_equal(find("a.HTML", &own), "text/x-own");
    assert_string_equal(find("a.fOO", &own), "x/foo");
    assert_string_equal(find("a.css", &own), "text/css; charset=utf-8");
}

static void built_in_table_is_sorted_and_each_row_is_found(void **state)
{
    (void)state;
    size_t count;
    const struct mime_type *rows = mime_builtin(&count);
    for (size_t i = 0; i < count; i++) {
        char name[32] = "x.";
        assert_true(rows[i].extension.size < 16);
        memcpy(name + 2, rows[i].extension.at, rows[i].extension.size + 1);
        assert_ptr_equal(find(name, NULL), rows[i].type.at);
        assert_true(i == 0 || strcmp(rows[i - 1].extension.at, rows[i].extension.at) < 0);
        bool is_text = memcmp(rows[i].type.at, "text/", 5) == 0;
        assert_int_equal(strstr(rows[i].type.at, "; charset=utf-8") != NULL, is_text);
    }
}

static void text_types_without_parameters_get_a_charset(void **state)
{
    (void)state;
    int64_t live = rill__mem_live();
    rill_arena arena = { 0 };
    rill_span type;
    assert_int_equal(mime_complete(&arena, RILL_SPAN("Text/x"), &type), 0);
    assert_true(rill_span_equal(type, RILL_SPAN("Text/x; charset=utf-8")));
    assert_int_equal(mime_complete(&arena, RILL_SPAN("text/x;a=b"), &type), 0);
    assert_true(rill_span_equal(type, RILL_SPAN("text/x;a=b")));
    assert_int_equal(mime_complete(&arena, RILL_SPAN("image/png"), &type), 0);
    assert_true(rill_span_equal(type, RILL_SPAN("image/png")));
    rill_arena full = { .limit = 8 };
    assert_int_equal(mime_complete(&full, RILL_SPAN("text/x"), &type), -ENOMEM);
    rill_arena_fini(&full);
    rill_arena_fini(&arena);
    assert_int_equal(rill__mem_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(type_follows_from_the_last_extension_in_any_case),
        cmocka_unit_test(name_without_a_known_extension_is_octets),
        cmocka_unit_test(own_types_go_before_the_built_in_ones),
        cmocka_unit_test(built_in_table_is_sorted_and_each_row_is_found),
        cmocka_unit_test(text_types_without_parameters_get_a_charset),
    };
    return cmocka_run_group_tests_name("mime", tests, NULL, NULL);
}
