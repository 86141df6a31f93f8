/* test_utf8.c - which octets are UTF-8: every character, and nothing else. */
#include "server/http/utf8.h"
#include "tests/support/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* By the definition, without its exceptions. */
static size_t encode(uint32_t character, char ret_octets[4])
{
    size_t size = character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
    static const unsigned marks[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    for (size_t i = size; i-- > 1; character >>= 6)
        ret_octets[i] = (char)(0x80 | (character & 0x3f));
    ret_octets[0] = (char)(marks[size] | character);
    return size;
}

static bool is_character(uint32_t value)
{
    return value <= 0x10ffff && (value < 0xd800 || value > 0xdfff);
}

/* Surrogates and what lies beyond the last character are none. */
static void every_character_has_its_size_and_no_other_value_has_one(void **state)
{
    (void)state;
    for (uint32_t value = 0; value < 0x120000; value++) {
        char octets[4];
        size_t size = encode(value, octets);
        if (utf8_size(octets, size) != (is_character(value) ? size : 0))
            fail_msg("U+%04X", (unsigned)value);
    }
}

/* So what is shorter elsewhere, or is no sequence at all, is not counted. */
static void as_many_sequences_are_taken_as_there_are_characters(void **state)
{
    (void)state;
    size_t counts[5] = { 0 };
    for (uint32_t value = 0; value < 1 << 24; value++) {
        char octets[3] = { (char)(value >> 16), (char)(value >> 8), (char)value };
        counts[utf8_size(octets, 3)]++;
    }
    assert_int_equal(counts[1], 0x80 << 16);
    assert_int_equal(counts[2], (0x800 - 0x80) << 8);
    assert_int_equal(counts[3], 0x10000 - 0x800 - 0x800);
    assert_int_equal(counts[4], 0);
}

static void sequence_that_is_cut_is_none_and_nothing_behind_it_is_read(void **state)
{
    (void)state;
    static const uint32_t values[] = { 0x80, 0x7ff, 0x800, 0xffff, 0x10000, 0x10ffff };
    guard room;
    guard_init(&room, 4);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char octets[4];
        size_t size = encode(values[i], octets);
        for (size_t left = 1; left <= size; left++)
            assert_int_equal(utf8_size(guard_put(&room, octets, left), left),
                             left == size ? size : 0);
    }
    guard_fini(&room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_character_has_its_size_and_no_other_value_has_one),
        cmocka_unit_test(as_many_sequences_are_taken_as_there_are_characters),
        cmocka_unit_test(sequence_that_is_cut_is_none_and_nothing_behind_it_is_read),
    };
    return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
