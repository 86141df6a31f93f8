/* test_channel.c - the promises of the master's and the workers' messages. */
#include "server/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static unsigned open_fds(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static enum channel_side sender(enum channel_type type)
{
    return type <= CHANNEL_DRAINED ? CHANNEL_WORKER : CHANNEL_MASTER;
}

static unsigned fds_of(enum channel_type type)
{
    return type == CHANNEL_PREPARE                          ? 3
           : type == CHANNEL_LOGS                           ? 2
           : type == CHANNEL_DIRS || type == CHANNEL_LISTEN ? 1
                                                            : 0;
}

static void message_of_each_type_comes_out_as_it_went_in(void **state)
{
    (void)state;
    for (enum channel_type type = 1; type < CHANNEL_TYPES; type++) {
        struct channel_message in = { .type = type, .number = 7, .value = 8, .index = 9 };
        in.size = 1ull << 40;
        snprintf(in.text, sizeof in.text, "why not");
        char memory[CHANNEL_SIZE_MAX];
        int size = channel_encode(&in, memory, sizeof memory);
        assert_true(size > 0);
        struct channel_message out = { 0 };
        assert_int_equal(channel_decode(memory, (size_t)size, fds_of(type), sender(type), &out), 0);
        assert_int_equal(out.type, type);
        assert_int_equal(out.number, 7);
        assert_int_equal(out.value, 8);
        assert_int_equal(out.index, 9);
        assert_true(out.size == 1ull << 40);
        assert_string_equal(out.text, "why not");
        assert_int_equal(out.n_fds, fds_of(type));
    }
}

static void message_of_the_wrong_side_is_refused(void **state)
{
    (void)state;
    for (enum channel_type type = 1; type < CHANNEL_TYPES; type++) {
        struct channel_message in = { .type = type }, out;
        char memory[CHANNEL_SIZE_MAX];
        int size = channel_encode(&in, memory, sizeof memory);
        enum channel_side wrong = sender(type) == CHANNEL_WORKER ? CHANNEL_MASTER : CHANNEL_WORKER;
        assert_int_equal(channel_decode(memory, (size_t)size, fds_of(type), wrong, &out), -EPROTO);
    }
}

static void message_with_a_wrong_number_of_descriptors_is_refused(void **state)
{
    (void)state;
    for (enum channel_type type = 1; type < CHANNEL_TYPES; type++) {
        struct channel_message in = { .type = type }, out;
        char memory[CHANNEL_SIZE_MAX];
        int size = channel_encode(&in, memory, sizeof memory);
        unsigned most = type == CHANNEL_DIRS ? CHANNEL_FDS_MAX : fds_of(type);
        assert_int_equal(channel_decode(memory, (size_t)size, most + 1, sender(type), &out),
                         -EPROTO);
        if (fds_of(type) > 0)
            assert_int_equal(
                channel_decode(memory, (size_t)size, fds_of(type) - 1, sender(type), &out),
                -EPROTO);
    }
}

static void message_cut_anywhere_or_with_octets_behind_is_refused(void **state)
{
    (void)state;
    struct channel_message in = { .type = CHANNEL_REFUSED, .text = "no" }, out = { .number = 5 };
    char memory[CHANNEL_SIZE_MAX] = { 0 };
    int size = channel_encode(&in, memory, sizeof memory);
    for (int cut = 0; cut < size; cut++)
        assert_int_equal(channel_decode(memory, (size_t)cut, 0, CHANNEL_WORKER, &out), -EPROTO);
    assert_int_equal(channel_decode(memory, (size_t)size + 1, 0, CHANNEL_WORKER, &out), -EPROTO);
    assert_int_equal(out.number, 5); /* untouched on failure */
}

/* Each octet of the head in turn takes all values: nothing may crash or read beyond. */
static void message_with_any_head_octet_changed_is_decoded_or_refused(void **state)
{
    (void)state;
    struct channel_message in = { .type = CHANNEL_FAILED, .value = 78, .text = "why" }, out;
    char memory[CHANNEL_SIZE_MAX];
    int size = channel_encode(&in, memory, sizeof memory);
    unsigned refused = 0;
    for (int at = 0; at < size; at++) {
        char kept = memory[at];
        for (int value = 0; value < 256; value++) {
            memory[at] = (char)value;
            refused += channel_decode(memory, (size_t)size, 0, CHANNEL_WORKER, &out) < 0;
        }
        memory[at] = kept;
    }
    assert_true(refused > 0);
}

static void text_of_a_worker_comes_out_printable(void **state)
{
    (void)state;
    struct channel_message in = { .type = CHANNEL_REFUSED, .text = "a\nb\x1b[2J\xff" }, out;
    char memory[CHANNEL_SIZE_MAX];
    int size = channel_encode(&in, memory, sizeof memory);
    assert_int_equal(channel_decode(memory, (size_t)size, 0, CHANNEL_WORKER, &out), 0);
    assert_string_equal(out.text, "a?b?[2J?");
}

static void longest_text_fits_and_small_memory_is_refused(void **state)
{
    (void)state;
    struct channel_message in = { .type = CHANNEL_FAILED }, out;
    memset(in.text, 'x', CHANNEL_TEXT_MAX);
    char memory[CHANNEL_SIZE_MAX];
    int size = channel_encode(&in, memory, sizeof memory);
    assert_int_equal(channel_encode(&in, memory, (size_t)size - 1), -EMSGSIZE);
    assert_int_equal(channel_decode(memory, (size_t)size, 0, CHANNEL_WORKER, &out), 0);
    assert_int_equal(strlen(out.text), CHANNEL_TEXT_MAX);
    in.type = CHANNEL_TYPES;
    assert_int_equal(channel_encode(&in, memory, sizeof memory), -EINVAL);
}

static void descriptors_travel_and_are_the_same_files(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(channel_open(pair), 0);
    unsigned before = open_fds();
    struct channel_message in = { .type = CHANNEL_LOGS, .n_fds = 2, .fds = { 1, 2 } }, out;
    assert_int_equal(channel_send(pair[0], &in), 0);
    assert_int_equal(channel_receive(pair[1], CHANNEL_MASTER, &out), 1);
    assert_int_equal(out.n_fds, 2);
    for (int i = 0; i < 2; i++) {
        struct stat a, b;
        assert_int_equal(fstat(in.fds[i], &a), 0);
        assert_int_equal(fstat(out.fds[i], &b), 0);
        assert_true(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
        assert_true(fcntl(out.fds[i], F_GETFD) & FD_CLOEXEC);
    }
    channel_release(&out);
    assert_int_equal(open_fds(), before);
    assert_int_equal(channel_receive(pair[1], CHANNEL_MASTER, &out), -EAGAIN);
    close(pair[0]);
    assert_int_equal(channel_receive(pair[1], CHANNEL_MASTER, &out), 0);
    close(pair[1]);
}

static void descriptors_sent_by_a_worker_are_closed_at_once(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(channel_open(pair), 0);
    unsigned before = open_fds();
    struct channel_message in = { .type = CHANNEL_READY, .n_fds = 2, .fds = { 1, 2 } }, out;
    assert_int_equal(channel_send(pair[1], &in), 0);
    assert_int_equal(channel_receive(pair[0], CHANNEL_WORKER, &out), -EPROTO);
    assert_int_equal(open_fds(), before);
    close(pair[0]);
    close(pair[1]);
}

static void datagram_too_large_is_refused(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(channel_open(pair), 0);
    char large[CHANNEL_SIZE_MAX + 1] = { 1 };
    assert_true(send(pair[1], large, sizeof large, 0) == sizeof large);
    struct channel_message out;
    assert_int_equal(channel_receive(pair[0], CHANNEL_WORKER, &out), -EPROTO);
    close(pair[0]);
    close(pair[1]);
}

static void send_to_a_side_that_does_not_read_never_waits(void **state)
{
    (void)state;
    int pair[2], rc = 0;
    assert_int_equal(channel_open(pair), 0);
    struct channel_message message = { .type = CHANNEL_COMMIT };
    for (int i = 0; i < 100000 && rc == 0; i++)
        rc = channel_send(pair[0], &message);
    assert_int_equal(rc, -EAGAIN);
    close(pair[1]);
    assert_int_equal(channel_send(pair[0], &message), -EPIPE);
    close(pair[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_of_each_type_comes_out_as_it_went_in),
        cmocka_unit_test(message_of_the_wrong_side_is_refused),
        cmocka_unit_test(message_with_a_wrong_number_of_descriptors_is_refused),
        cmocka_unit_test(message_cut_anywhere_or_with_octets_behind_is_refused),
        cmocka_unit_test(message_with_any_head_octet_changed_is_decoded_or_refused),
        cmocka_unit_test(text_of_a_worker_comes_out_printable),
        cmocka_unit_test(longest_text_fits_and_small_memory_is_refused),
        cmocka_unit_test(descriptors_travel_and_are_the_same_files),
        cmocka_unit_test(descriptors_sent_by_a_worker_are_closed_at_once),
        cmocka_unit_test(datagram_too_large_is_refused),
        cmocka_unit_test(send_to_a_side_that_does_not_read_never_waits),
    };
    return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
