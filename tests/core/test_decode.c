/* test_decode.c - compressed bodies made plain: whole, in pieces, broken, and as bombs. */
#include "core/base/mem.h"
#include "core/client/decode.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <brotli/encode.h>
#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

enum { plain_max = 8 << 20, growth = 250 };

static char plain[plain_max], packed[plain_max], got[plain_max + 1];

static size_t deflate_with(int window, const char *from, size_t size, char *to)
{
    z_stream z = { .next_in = (Bytef *)(uintptr_t)from, .avail_in = (unsigned)size };
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_out = (Bytef *)to;
    z.avail_out = plain_max;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return plain_max - z.avail_out;
}

/* Pack `size` octets of `plain` as `way` says: the size in `packed`. */
static size_t pack(int way, size_t size)
{
    size_t room = plain_max;
    switch (way) {
    case 0: return deflate_with(MAX_WBITS + 16, plain, size, packed);
    case 1: return deflate_with(MAX_WBITS, plain, size, packed);
    case 2: return deflate_with(-MAX_WBITS, plain, size, packed);
    case 3:
        assert_true(BrotliEncoderCompress(5, 22, BROTLI_MODE_GENERIC, size, (const uint8_t *)plain,
                                          &room, (uint8_t *)packed));
        return room;
    case 4: return ZSTD_compress(packed, room, plain, size, 3);
    default: /* two members, two frames */
        room = pack(way == 5 ? 0 : 4, size / 2);
        memmove(plain_max / 2 + packed, packed, room);
        if (way == 5) {
            size_t rest =
                deflate_with(MAX_WBITS + 16, plain + size / 2, size - size / 2, packed + room);
            memcpy(packed, packed + plain_max / 2, room);
            return room + rest;
        }
        size_t rest =
            ZSTD_compress(packed + room, plain_max / 4, plain + size / 2, size - size / 2, 3);
        memcpy(packed, packed + plain_max / 2, room);
        return room + rest;
    }
}

static const char *const codings[] = {
    "gzip", "deflate", "Deflate", "br", "zstd", "x-gzip", "ZSTD"
};

/* Feed `size` octets of `packed` in pieces of `step`, read in pieces of `room`: the octets got, or -errno. */
static int64_t unpack(const char *coding, size_t size, size_t step, size_t room)
{
    struct rill__decoder *decoder;
    size_t at = 0, have = 0;
    int r = rill__decoder_new(rill_span_of(coding), growth, &decoder);
    if (r < 0)
        return r;
    assert_non_null(decoder);
    bool more = false;
    while (at < size || more) {
        size_t left = more ? 0 : size - at < step ? size - at : step, used;
        char *copy = rill_copy(packed + at, left);
        if (copy == NULL) {
            r = -ENOMEM;
            break;
        }
        r = rill__decode(decoder, (rill_span){ copy, left }, &used, got + have,
                         plain_max - have < room ? plain_max - have : room);
        rill_free(copy);
        if (r < 0)
            break;
        assert_true(used > 0 || r > 0 || more);
        at += used;
        have += (size_t)r;
        more = r == (int)room && have < plain_max;
    }
    bool whole = rill__decoder_is_whole(decoder);
    rill__decoder_free(decoder);
    return r < 0 ? r : whole ? (int64_t)have : -EPROTO;
}

static void fill(size_t size)
{
    for (size_t i = 0; i < size; i++)
        plain[i] = (char)((size_t) "drop by drop the rill "[i % 22] + (i * i >> 9) % 3);
}

static void body_comes_out_the_same_in_every_split(void **state)
{
    (void)state;
    static const size_t sizes[] = { 0, 1, 1000, 200000 }, steps[] = { 1, 7, 1 << 20 };
    for (int way = 0; way < 7; way++)
        for (size_t s = 0; s < 4; s++)
            for (size_t i = 0; i < 9; i++) {
                size_t room = steps[i % 3] * 100;
                fill(sizes[s]);
                size_t size = pack(way, sizes[s]);
                memset(got, 0, sizes[s]);
                assert_int_equal(unpack(codings[way], size, steps[i / 3], room), sizes[s]);
                assert_memory_equal(got, plain, sizes[s]);
            }
}

static void body_that_is_cut_short_or_broken_is_an_error(void **state)
{
    (void)state;
    for (int way = 0; way < 5; way++) {
        fill(5000);
        size_t size = pack(way, 5000);
        for (size_t cut = 1; cut < size; cut += 1 + size / 50)
            assert_int_equal(unpack(codings[way], cut, 11, 500), -EPROTO);
        packed[size / 2] = (char)(packed[size / 2] ^ 0x55);
        if (way != 2 && way != 3) /* these two have no checksum, and zstd's may find it */
            assert_true(unpack(codings[way], size, 11, 500) != 5000 ||
                        memcmp(got, plain, 5000) != 0);
        memset(packed, 'x', size);
        assert_true(unpack(codings[way], size, size, 500) < 0);
    }
}

static void nothing_at_all_is_an_empty_body(void **state)
{
    (void)state;
    for (int way = 0; way < 5; way++)
        assert_int_equal(unpack(codings[way], 0, 1, 100), 0);
}

static void octets_behind_the_end_are_left_out(void **state)
{
    (void)state;
    for (int way = 0; way < 4; way++) {
        fill(300);
        size_t size = pack(way, 300);
        memcpy(packed + size, "garbage", 7);
        assert_int_equal(unpack(codings[way], size + 7, 5, 1000), 300);
    }
}

static void bomb_is_cut_off(void **state)
{
    (void)state;
    memset(plain, 0, sizeof plain);
    for (int way = 0; way < 5; way++) {
        size_t size = pack(way, plain_max - 1);
        assert_int_equal(unpack(codings[way], size, 1 << 20, 64 << 10), -EMSGSIZE);
        size = pack(way, 1 << 20); /* a small one is none */
        assert_int_equal(unpack(codings[way], size, 1 << 20, 64 << 10), 1 << 20);
    }
}

static void unknown_codings_are_left_as_they_are(void **state)
{
    (void)state;
    static const char *const rows[] = { "", "identity", "compress", "gzip, br", "gzipped" };
    for (size_t i = 0; i < 5; i++) {
        struct rill__decoder *decoder = (void *)packed;
        assert_int_equal(rill__decoder_new(rill_span_of(rows[i]), growth, &decoder), 0);
        assert_null(decoder);
    }
    rill__decoder_free(NULL);
}

static void each_failed_allocation_is_an_error(void **state)
{
    (void)state;
    for (int way = 0; way < 5; way++) {
        int64_t r = -ENOMEM, live = rill__mem_live();
        fill(1000);
        size_t size = pack(way, 1000);
        for (uint64_t nth = 1; r == -ENOMEM; nth++) {
            rill__mem_fail_nth(nth, false);
            r = unpack(codings[way], size, 100, 5000);
            rill__mem_fail_nth(0, false);
            assert_true(nth < 100);
            assert_int_equal(rill__mem_live(), live);
        }
        assert_int_equal(r, 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(body_comes_out_the_same_in_every_split),
        cmocka_unit_test(body_that_is_cut_short_or_broken_is_an_error),
        cmocka_unit_test(nothing_at_all_is_an_empty_body),
        cmocka_unit_test(octets_behind_the_end_are_left_out),
        cmocka_unit_test(bomb_is_cut_off),
        cmocka_unit_test(unknown_codings_are_left_as_they_are),
        cmocka_unit_test(each_failed_allocation_is_an_error),
    };
    return cmocka_run_group_tests_name("decode", tests, NULL, NULL);
}
