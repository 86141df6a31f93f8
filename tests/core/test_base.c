/* test_base.c - the promises of core/base: text, numbers, errors, memory, arenas, lists. */
#include "core/base/list.h"
#include "core/base/mem.h"

#include <rill/mem.h>
#include <rill/text.h>

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void parse_u64_takes_digits_only_and_never_wraps(void **state)
{
    (void)state;
    uint64_t value = 7;
    assert_int_equal(rill_parse_u64(RILL_SPAN("18446744073709551615"), UINT64_MAX, &value), 0);
    assert_true(value == UINT64_MAX);
    assert_int_equal(rill_parse_u64(RILL_SPAN("18446744073709551616"), UINT64_MAX, &value),
                     -ERANGE);
    assert_int_equal(rill_parse_u64(RILL_SPAN("11"), 10, &value), -ERANGE);
    static const char *const bad[] = { "", "-1", "+1", " 1", "1 ", "0x1", "1a" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(rill_parse_u64(rill_span_of(bad[i]), UINT64_MAX, &value), -EINVAL);
    assert_true(value == UINT64_MAX); /* untouched on failure */
}

static void parse_hex_takes_sixteen_digits_of_either_case(void **state)
{
    (void)state;
    uint64_t value;
    assert_int_equal(rill_parse_hex(RILL_SPAN("fFfFffffffffffff"), UINT64_MAX, &value), 0);
    assert_true(value == UINT64_MAX);
    assert_int_equal(rill_parse_hex(RILL_SPAN("00000000000000001"), UINT64_MAX, &value), -ERANGE);
    assert_int_equal(rill_parse_hex(RILL_SPAN("g"), UINT64_MAX, &value), -EINVAL);
}

static void text_remembers_that_something_did_not_fit(void **state)
{
    (void)state;
    char memory[8];
    rill_text text = { memory, sizeof memory, 0, false };
    rill_text_add(&text, RILL_SPAN("abc"));
    rill_text_u64(&text, 1234);
    rill_text_char(&text, '!');
    assert_false(text.full);
    assert_memory_equal(memory, "abc1234!", 8);
    rill_text_char(&text, 'x');
    assert_true(text.full);
    assert_string_equal(rill_text_end(&text), "abc1234");
}

static void text_formats_whole_or_not_at_all(void **state)
{
    (void)state;
    char memory[8];
    rill_text text = { memory, sizeof memory, 0, false };
    rill_text_fmt(&text, "%s", "12345678");
    assert_true(text.full);
    assert_int_equal(text.used, 0);
    text.full = false;
    rill_text_hex(&text, 0xab, 4);
    assert_string_equal(rill_text_end(&text), "00ab");
}

static void text_without_room_is_empty_and_full(void **state)
{
    (void)state;
    char memory[4];
    rill_text none = { NULL, 0, 0, false }, text = { memory, sizeof memory, 0, false };
    assert_string_equal(rill_text_end(&none), "");
    assert_true(none.full);
    rill_text_add(&text, RILL_SPAN("abcd"));
    rill_text_add(&text, RILL_SPAN("")); /* no octets fit anywhere */
    assert_false(text.full);
    rill_text_fmt(&text, "%d", 5);
    assert_true(text.full);
    assert_int_equal(text.used, 4);
}

static void spans_are_equal_but_for_the_case_of_letters(void **state)
{
    (void)state;
    assert_true(rill_span_equal_nocase(RILL_SPAN("aZ-9"), RILL_SPAN("Az-9")));
    assert_false(rill_span_equal_nocase(RILL_SPAN("a"), RILL_SPAN("ab")));
    assert_false(rill_span_equal_nocase(RILL_SPAN("[]"), RILL_SPAN("{}"))); /* 0x20 apart, too */
    assert_false(rill_span_equal_nocase(RILL_SPAN("\xc0"), RILL_SPAN("\xe0")));
}

static void codes_have_a_name_and_a_text(void **state)
{
    (void)state;
    assert_string_equal(rill_errname(0), "OK");
    assert_string_equal(rill_errname(7), "OK");
    assert_string_equal(rill_errname(-ECANCELED), "ECANCELED");
    assert_string_equal(rill_errname(-4097), "E?");
    assert_string_equal(rill_errname(INT_MIN), "E?");
    assert_string_equal(rill_strerror(-ETIME), "deadline passed");
    assert_string_equal(rill_strerror(ETIME), "deadline passed");
    assert_string_equal(rill_strerror(-ENOENT), "No such file or directory");
    assert_string_equal(rill_strerror(-4097), "unknown error");
    assert_string_equal(rill_strerror(INT_MIN), "unknown error");
}

static void arena_stops_at_its_limit_and_reset_starts_over(void **state)
{
    (void)state;
    int64_t live = rill__mem_live();
    rill_arena arena = { .limit = 1 << 16 };
    for (int round = 0; round < 3; round++) {
        size_t got = 0;
        while (rill_arena_alloc(&arena, 1000) != NULL)
            got++;
        assert_int_equal(got, (1 << 16) / 1008);
        rill_arena_reset(&arena);
    }
    assert_string_equal(rill_arena_fmt(&arena, "%d-%s", 7, "x"), "7-x");
    assert_null(rill_arena_alloc_zero(&arena, SIZE_MAX, 2));
    rill_arena_fini(&arena);
    assert_int_equal(rill__mem_live(), live);
}

static void arena_copies_and_survives_each_failure(void **state)
{
    static char large[10000];
    (void)state;
    int64_t live = rill__mem_live();
    rill_arena arena = { 0 };
    rill_arena_reset(&arena); /* of nothing */
    assert_string_equal(rill_arena_copy(&arena, "abcd", 3), "abc");
    assert_string_equal(rill_arena_copy(&arena, NULL, 0), "");
    assert_ptr_not_equal(rill_arena_alloc(&arena, 0), rill_arena_alloc(&arena, 0));
    assert_null(rill_arena_copy(&arena, "", SIZE_MAX));
    assert_null(rill_arena_alloc(&arena, SIZE_MAX));
    size_t used = arena.used;
    memset(large, 'x', sizeof large - 1);
    rill__mem_fail_nth(1, true);
    assert_null(rill_arena_copy(&arena, large, sizeof large)); /* these want a chunk more */
    assert_null(rill_arena_fmt(&arena, "%s", large));
    assert_null(rill_arena_alloc_zero(&arena, sizeof large, 1));
    rill__mem_fail_nth(0, false);
    assert_int_equal(arena.used, used);
    const char *copy = rill_arena_fmt(&arena, "%s", large); /* larger than a usual chunk */
    assert_non_null(copy);
    assert_string_equal(copy, large);
    rill_arena_fini(&arena);
    rill_arena_fini(&arena);
    rill_arena_fini(NULL);
    assert_int_equal(rill__mem_live(), live);
}

static void copy_of_nothing_is_an_empty_text(void **state)
{
    (void)state;
    char *nothing = rill_copy(NULL, 0);
    assert_non_null(nothing);
    assert_string_equal(nothing, "");
    rill_free(nothing);
    assert_null(rill_copy("", SIZE_MAX));
    rill__mem_fail_nth(1, false);
    assert_null(rill_copy("a", 1));
    rill__mem_fail_nth(0, false);
}

static void block_of_no_octets_is_a_block(void **state)
{
    (void)state;
    int64_t live = rill__mem_live();
    char *block = rill_copy("text", 4);
    assert_non_null(block);
    char *smaller = rill_resize(block, 0);
    assert_non_null(smaller); /* NULL would say that the block is still there */
    assert_int_equal(rill__mem_live(), live + 1);
    char *larger = rill_resize(smaller, 100);
    assert_non_null(larger);
    rill_free(larger);
    rill_free(NULL);
    assert_int_equal(rill__mem_live(), live);
}

static void allocation_fails_on_demand(void **state)
{
    (void)state;
    rill__mem_fail_nth(2, false);
    void *one = rill_alloc(1), *two = rill_alloc(1), *three = rill_alloc(1);
    rill__mem_fail_nth(0, false);
    assert_non_null(one);
    assert_null(two);
    assert_non_null(three);
    char *kept = rill_resize(NULL, 1);
    assert_non_null(kept);
    rill__mem_fail_nth(2, true);
    void *four = rill_alloc_zero(1, 1);
    assert_non_null(four);
    assert_null(rill_resize(kept, 2)); /* and `kept` is as it was */
    assert_null(rill_alloc_zero(1, 1));
    assert_int_equal(rill__mem_count(), 3);
    rill__mem_fail_nth(0, false);
    rill_free(one);
    rill_free(three);
    rill_free(kept);
    rill_free(four);
}

static void list_remove_is_harmless_twice(void **state)
{
    (void)state;
    struct list head, a = { 0 }, b = { 0 };
    list_init(&head);
    list_push_back(&head, &a);
    list_push_back(&head, &b);
    list_remove(&a);
    list_remove(&a);
    assert_ptr_equal(list_pop_front(&head), &b);
    assert_null(list_pop_front(&head));
    assert_false(list_is_linked(&b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_u64_takes_digits_only_and_never_wraps),
        cmocka_unit_test(parse_hex_takes_sixteen_digits_of_either_case),
        cmocka_unit_test(text_remembers_that_something_did_not_fit),
        cmocka_unit_test(text_formats_whole_or_not_at_all),
        cmocka_unit_test(text_without_room_is_empty_and_full),
        cmocka_unit_test(spans_are_equal_but_for_the_case_of_letters),
        cmocka_unit_test(codes_have_a_name_and_a_text),
        cmocka_unit_test(arena_stops_at_its_limit_and_reset_starts_over),
        cmocka_unit_test(arena_copies_and_survives_each_failure),
        cmocka_unit_test(copy_of_nothing_is_an_empty_text),
        cmocka_unit_test(block_of_no_octets_is_a_block),
        cmocka_unit_test(allocation_fails_on_demand),
        cmocka_unit_test(list_remove_is_harmless_twice),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
