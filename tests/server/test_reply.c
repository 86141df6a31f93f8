/* test_reply.c - the promises of server/reply: heads, error answers, what replaces what. */
#include "server/reply.h"

#include "core/base/mem.h"
#include "server/conf/conf.h"

#include <rill/mem.h>
#include <rill/text.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define DATE "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"

static const struct conf_pair pairs[] = {
    { { "Cache-Control", 13 }, { "max-age=60", 10 } },
    { { "content-type", 12 }, { "x/y", 3 } },
};
static const struct reply_fields fields = { pairs, 2 };

static void assert_span(rill_span got, const char *want)
{
    assert_int_equal(got.size, strlen(want));
    assert_memory_equal(got.at, want, got.size);
}

static void assert_head(const struct reply *reply, const char *want)
{
    assert_span((rill_span){ reply->head, reply->head_size }, want);
    assert_memory_equal(reply->head + reply->date_at, "Thu, 01 Jan 1970 00:00:00 GMT", 29);
}

static void head_holds_its_lines_in_order_and_the_place_of_the_date(void **state)
{
    (void)state;
    char memory[256];
    struct reply_head head;
    struct reply reply;
    reply_head_begin(&head, memory, sizeof memory, 200, NULL);
    reply_head_field(&head, RILL_SPAN("Content-Type"), RILL_SPAN("text/html"));
    reply_head_length(&head, 12345678901);
    assert_int_equal(reply_head_end(&head, &reply), 0);
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.file_fd, -1);
    assert_null(reply.release);
    assert_int_equal(reply.body.size, 0);
    assert_head(&reply, "HTTP/1.1 200 OK\r\n" DATE
                        "Content-Type: text/html\r\nContent-Length: 12345678901\r\n\r\n");
}

static void field_of_the_route_replaces_one_of_that_name_in_any_case(void **state)
{
    (void)state;
    char memory[256];
    struct reply_head head;
    struct reply reply;
    reply_head_begin(&head, memory, sizeof memory, 200, &fields);
    reply_head_field(&head, RILL_SPAN("Content-Type"), RILL_SPAN("text/html"));
    reply_head_field(&head, RILL_SPAN("Vary"), RILL_SPAN("*"));
    assert_int_equal(reply_head_end(&head, &reply), 0);
    assert_head(&reply, "HTTP/1.1 200 OK\r\n" DATE "Vary: *\r\n"
                        "Cache-Control: max-age=60\r\ncontent-type: x/y\r\n\r\n");
}

static void rule_76_statuses_without_a_body_have_no_length(void **state)
{
    (void)state;
    static const int without[] = { 100, 103, 204, 304 };
    char memory[256];
    struct reply_head head;
    struct reply reply;
    for (size_t i = 0; i < sizeof without / sizeof *without; i++) {
        reply_head_begin(&head, memory, sizeof memory, without[i], NULL);
        reply_head_length(&head, 5);
        assert_int_equal(reply_head_end(&head, &reply), 0);
        memory[reply.head_size] = 0;
        assert_null(strstr(memory, "Content-Length"));
    }
}

static void head_that_does_not_fit_is_an_error_at_every_size(void **state)
{
    (void)state;
    char memory[256];
    struct reply_head head;
    struct reply reply = { .status = 7 };
    for (size_t size = 0; size < sizeof memory; size++) {
        memset(memory, '#', sizeof memory);
        reply_head_begin(&head, memory, size, 200, &fields);
        reply_head_length(&head, 5);
        int r = reply_head_end(&head, &reply);
        for (size_t i = size; i < sizeof memory; i++)
            assert_int_equal(memory[i], '#');
        if (r == 0) {
            assert_int_equal(reply.head_size, size); /* the first size that fits is exact */
            return;
        }
        assert_int_equal(r, -EMSGSIZE);
        assert_int_equal(reply.status, 7);
    }
    fail();
}

static void made_reply_lies_in_one_block_and_survives_each_failed_allocation(void **state)
{
    (void)state;
    int64_t live = rill__mem_live();
    rill_arena arena = { 0 };
    struct reply reply = { .status = 7 };
    rill__mem_fail_nth(1, false);
    assert_int_equal(reply_make(&arena, 200, RILL_SPAN("a/b"), RILL_SPAN("hello"), NULL, &reply),
                     -ENOMEM);
    rill__mem_fail_nth(0, false);
    assert_int_equal(reply.status, 7);
    assert_int_equal(reply_make(&arena, 200, RILL_SPAN("a/b"), RILL_SPAN("hello"), NULL, &reply),
                     0);
    assert_head(&reply,
                "HTTP/1.1 200 OK\r\n" DATE "Content-Type: a/b\r\nContent-Length: 5\r\n\r\n");
    assert_span(reply.body, "hello");
    assert_ptr_equal(reply.body.at, reply.head + reply.head_size);
    assert_int_equal(reply_make(&arena, 204, RILL_SPAN("a/b"), RILL_SPAN(""), NULL, &reply), 0);
    assert_head(&reply, "HTTP/1.1 204 No Content\r\n" DATE "\r\n");
    rill_arena_fini(&arena);
    assert_int_equal(rill__mem_live(), live);
}

static void error_is_one_line_of_text_and_needs_no_memory(void **state)
{
    (void)state;
    struct reply reply, again;
    rill__mem_fail_nth(1, true);
    reply_error(404, &reply);
    reply_error(503, &again);
    rill__mem_fail_nth(0, false);
    assert_head(&reply, "HTTP/1.1 404 Not Found\r\n" DATE
                        "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 14\r\n\r\n");
    assert_span(reply.body, "404 Not Found\n");
    assert_head(&again, "HTTP/1.1 503 Service Unavailable\r\n" DATE
                        "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 24\r\n"
                        "Retry-After: 1\r\n\r\n"); /* rule 77 */
    reply_error(404, &again);
    assert_ptr_equal(again.head, reply.head); /* made once */
}

static void error_exists_for_every_status_and_each_has_its_length(void **state)
{
    (void)state;
    for (int status = 300; status < 600; status++) {
        struct reply reply;
        char length[40];
        reply_error(status, &reply);
        assert_int_equal(reply.status, status);
        rill_text text = { length, sizeof length, 0, false };
        rill_text_fmt(&text, "Content-Length: %zu\r\n", reply.body.size);
        if (status != 304)
            assert_non_null(memmem(reply.head, reply.head_size, length, text.used));
        assert_int_equal(reply.body.at[reply.body.size - 1], '\n');
    }
    struct reply odd;
    reply_error(200, &odd);
    assert_int_equal(odd.status, 500);
    reply_error(-5, &odd);
    assert_int_equal(odd.status, 500);
}

static void error_with_a_field_and_those_of_the_route(void **state)
{
    (void)state;
    rill_arena arena = { 0 };
    struct reply reply, plain;
    static const struct reply_fields one = { pairs, 1 };
    reply_error_with(&arena, 405, RILL_SPAN("Allow"), RILL_SPAN("GET"), &one, &reply);
    assert_head(&reply, "HTTP/1.1 405 Method Not Allowed\r\n" DATE
                        "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 23\r\n"
                        "Allow: GET\r\nCache-Control: max-age=60\r\n\r\n");
    assert_span(reply.body, "405 Method Not Allowed\n");
    reply_error_with(&arena, 404, (rill_span){ NULL, 0 }, (rill_span){ NULL, 0 }, NULL, &reply);
    reply_error(404, &plain);
    assert_ptr_equal(reply.head, plain.head);
    rill_arena_fini(&arena);
    rill_arena full = { .limit = 16 };
    reply_error_with(&full, 308, RILL_SPAN("Location"), RILL_SPAN("/a/"), NULL, &reply);
    assert_int_equal(reply.status, 503); /* a redirect without a target would be wrong */
    rill_arena_fini(&full);
}

static void count_release(void *arg)
{
    ++*(int *)arg;
}

static void release_is_called_once(void **state)
{
    (void)state;
    int count = 0;
    struct reply reply = { .release = count_release, .arg = &count };
    reply_release(&reply);
    reply_release(&reply);
    assert_int_equal(count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_holds_its_lines_in_order_and_the_place_of_the_date),
        cmocka_unit_test(field_of_the_route_replaces_one_of_that_name_in_any_case),
        cmocka_unit_test(rule_76_statuses_without_a_body_have_no_length),
        cmocka_unit_test(head_that_does_not_fit_is_an_error_at_every_size),
        cmocka_unit_test(made_reply_lies_in_one_block_and_survives_each_failed_allocation),
        cmocka_unit_test(error_is_one_line_of_text_and_needs_no_memory),
        cmocka_unit_test(error_exists_for_every_status_and_each_has_its_length),
        cmocka_unit_test(error_with_a_field_and_those_of_the_route),
        cmocka_unit_test(release_is_called_once),
    };
    return cmocka_run_group_tests_name("reply", tests, NULL, NULL);
}
