/* test_op.c - single operations on a bare ring: what their completions say, and what a cancel may change.
 *
 * No loop and no tasks: the test submits, waits, and looks at what `done` was told. */
#include "core/op/op.h"

#include "core/ring/ring.h"
#include "tests/support/child.h"
#include "tests/support/expect.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static struct rill__backend *ring;
static int ends[2];
static char memory[1 << 20];

/* An op and what it was told. */
struct told {
    struct rill__op op;
    int result, calls, finals;
    unsigned flags;
    unsigned order; /* of the final completion among all */
};

static unsigned finals;

static void tell(struct rill__op *op, int result, unsigned flags)
{
    struct told *told = container_of(op, struct told, op);
    told->result = result;
    told->flags = flags;
    told->calls++;
    if (!(flags & RILL__OP_MORE)) {
        told->finals++;
        told->order = ++finals;
    }
}

static void submit(struct told *told, struct rill__op op)
{
    *told = (struct told){ .op = op };
    told->op.done = tell;
    assert_int_equal(ring->ops->submit(ring, &told->op), 0);
    assert_true(told->op.in_flight);
}

static void cancel(struct told *told)
{
    ring->ops->cancel(ring, &told->op);
}

/* Sleeps until something completes. */
static void wait_once(void)
{
    assert_int_equal(ring->ops->wait(ring, RILL_FOREVER), 0);
}

static void wait_for(const struct told *told)
{
    while (told->finals == 0)
        wait_once();
    assert_int_equal(told->finals, 1);
    assert_false(told->op.in_flight);
}

static int make_ring(void **state)
{
    struct rill__ring_opts opts = { 64, 128, 16 };
    (void)state;
    finals = 0;
    int r = rill__ring_new(&opts, &ring);
    if (r == 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        r = -errno;
    return r;
}

static int drop_ring(void **state)
{
    (void)state;
    if (ring->ops->in_flight(ring) != 0)
        return -1;
    ring->ops->free(ring);
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static struct rill__op send_now(size_t size, unsigned flags)
{
    return (struct rill__op){ .kind = RILL__OP_SEND_NOW,
                              .fd = ends[0],
                              .addr = memory,
                              .size = (uint32_t)size,
                              .flags = flags };
}

static struct rill__op read_pipe(int fd)
{
    return (struct rill__op){
        .kind = RILL__OP_READ, .fd = fd, .addr = memory, .size = 16, .offset = UINT64_MAX
    };
}

/* --- Sends. --- */

static void silent_send_that_is_whole_is_settled_without_a_completion(void **state)
{
    struct told told;
    (void)state;
    submit(&told, send_now(1000, RILL__OP_SILENT));
    assert_int_equal(ring->ops->wait(ring, 0), 0);
    assert_int_equal(told.finals, 1);
    assert_int_equal(told.result, 1000);
    if (ring->counters.settled == 0)
        print_message("this kernel posts completions for silent sends\n");
    else
        assert_int_equal(ring->counters.completions, 0);
    assert_int_equal(recv(ends[1], memory, sizeof memory, MSG_DONTWAIT), 1000);
}

static void silent_send_that_is_short_says_how_much(void **state)
{
    struct told told;
    (void)state;
    submit(&told, send_now(sizeof memory, RILL__OP_SILENT));
    wait_for(&told);
    assert_true(told.result > 0 && told.result < (int)sizeof memory);
    size_t got = 0;
    ssize_t r;
    while ((r = recv(ends[1], memory, sizeof memory, MSG_DONTWAIT)) > 0)
        got += (size_t)r;
    assert_int_equal(got, told.result);
}

static void silent_send_into_a_full_socket_is_eagain(void **state)
{
    struct told fill, told;
    (void)state;
    submit(&fill, send_now(sizeof memory, RILL__OP_SILENT));
    submit(&told, send_now(16, RILL__OP_SILENT));
    wait_for(&told);
    wait_for(&fill);
    assert_int_equal(told.result, -EAGAIN);
    assert_true(fill.order < told.order);
}

static void silent_send_to_a_closed_peer_is_epipe(void **state)
{
    struct told told;
    (void)state;
    shutdown(ends[1], SHUT_RDWR);
    submit(&told, send_now(16, RILL__OP_SILENT));
    wait_for(&told);
    assert_int_equal(told.result, -EPIPE);
}

/* Some whole, one short between: each is told its own result, in order. */
static void silent_sends_of_one_enter_are_told_in_order(void **state)
{
    struct told told[4];
    (void)state;
    submit(&told[0], send_now(10, RILL__OP_SILENT));
    submit(&told[1], send_now(20, RILL__OP_SILENT));
    submit(&told[2], send_now(sizeof memory, RILL__OP_SILENT));
    submit(&told[3], send_now(30, RILL__OP_SILENT));
    wait_for(&told[3]);
    assert_int_equal(told[0].result, 10);
    assert_int_equal(told[1].result, 20);
    assert_true(told[2].result > 0 && told[2].result < (int)sizeof memory);
    assert_int_equal(told[3].result, -EAGAIN);
    assert_true(told[0].order < told[1].order);
}

/* Nothing else would wake the wait. */
static void awaited_send_that_is_whole_wakes_a_sleeping_wait(void **state)
{
    struct told told;
    (void)state;
    submit(&told, send_now(1000, 0));
    wait_once();
    assert_int_equal(told.finals, 1);
    assert_int_equal(told.result, 1000);
}

static void silent_send_is_settled_by_cancel_all_and_wait(void **state)
{
    struct told told;
    (void)state;
    submit(&told, send_now(1000, RILL__OP_SILENT));
    ring->ops->cancel_all(ring);
    while (ring->ops->in_flight(ring) > 0)
        wait_once();
    assert_int_equal(told.result, 1000);
}

/* --- Transfers of files. A socket is read at an offset, which it ignores: a disk that takes its time. --- */

static struct rill__op read_at(uint64_t offset)
{
    return (struct rill__op){
        .kind = RILL__OP_READ, .fd = ends[0], .addr = memory, .size = 16, .offset = offset
    };
}

static void submit_eight(struct told told[8], uint64_t offset)
{
    for (int i = 0; i < 8; i++)
        submit(&told[i], read_at(offset));
}

static void end_all(struct told *told, int count)
{
    for (int i = 0; i < count; i++)
        cancel(&told[i]);
    for (int i = 0; i < count; i++)
        wait_for(&told[i]);
}

static void transfers_go_by_fours_to_a_disk_that_works(void **state)
{
    struct told first, told[8];
    (void)state;
    submit(&first, read_at(0));
    assert_int_equal(ring->ops->wait(ring, 0), 0); /* it is left: the disk works */
    uint64_t enters = ring->counters.enters, submitted = ring->counters.submitted;
    submit_eight(told, 0);
    assert_int_equal(ring->counters.enters - enters, 2);
    assert_int_equal(ring->counters.submitted - submitted, 8);
    end_all(told, 8);
    end_all(&first, 1);
}

static void transfers_of_a_turn_go_together_otherwise(void **state)
{
    struct told waiting, told[8];
    (void)state;
    submit(&waiting, read_at(UINT64_MAX)); /* no transfer: what comes depends on nobody's disk */
    assert_int_equal(ring->ops->wait(ring, 0), 0);
    uint64_t enters = ring->counters.enters;
    submit_eight(told, 0);
    assert_int_equal(ring->counters.enters, enters);
    assert_int_equal(ring->ops->wait(ring, 0), 0);
    end_all(told, 8);
    end_all(&waiting, 1);
}

/* --- Cancel. --- */

static void cancelled_op_ends_once_with_ecanceled(void **state)
{
    struct told told;
    (void)state;
    submit(&told, read_pipe(ends[0]));
    assert_int_equal(ring->ops->wait(ring, 0), 0);
    cancel(&told);
    cancel(&told);
    assert_true(told.op.in_flight); /* a wish: the kernel has it until it says so */
    wait_for(&told);
    assert_int_equal(told.result, -ECANCELED);
    cancel(&told); /* it has ended: nothing happens */
    assert_int_equal(ring->ops->wait(ring, 0), 0);
    assert_int_equal(told.calls, 1);
}

/* The cancel goes into the submission queue right behind its op. */
static void op_cancelled_before_it_was_submitted_ends_as_well(void **state)
{
    struct told told;
    (void)state;
    submit(&told, read_pipe(ends[0]));
    cancel(&told);
    wait_for(&told);
    assert_int_equal(told.result, -ECANCELED);
}

/* Both go to the kernel in one enter, the op first: it ends at once, the cancel finds nothing. */
static void result_that_was_there_before_the_cancel_wins(void **state)
{
    struct told told;
    (void)state;
    assert_int_equal(send(ends[1], "abc", 3, 0), 3);
    submit(&told, read_pipe(ends[0]));
    cancel(&told);
    wait_for(&told);
    assert_int_equal(told.result, 3);
    assert_memory_equal(memory, "abc", 3);
    assert_int_equal(ring->ops->wait(ring, 0), 0); /* the cancel's own answer */
    assert_int_equal(told.calls, 1);
    assert_int_equal(ring->ops->in_flight(ring), 0);
}

/* The octets were there and the cancel came before they were taken: one of the two, and none lost. */
static void cancel_of_a_read_that_became_ready_loses_no_octet(void **state)
{
    struct told told;
    (void)state;
    submit(&told, read_pipe(ends[0]));
    assert_int_equal(ring->ops->wait(ring, 0), 0);
    assert_int_equal(send(ends[1], "abc", 3, 0), 3);
    cancel(&told);
    wait_for(&told);
    if (told.result == -ECANCELED)
        assert_int_equal(recv(ends[0], memory, sizeof memory, MSG_DONTWAIT), 3);
    else
        assert_int_equal(told.result, 3);
    assert_memory_equal(memory, "abc", 3);
}

/* Slots are used again under another generation: a cancel that comes late hits nobody else. */
static void cancel_that_lost_does_not_hit_the_next_op_in_its_slot(void **state)
{
    struct told first, second;
    (void)state;
    assert_int_equal(send(ends[1], "abc", 3, 0), 3);
    submit(&first, read_pipe(ends[0]));
    cancel(&first);
    wait_for(&first);
    assert_int_equal(first.result, 3);
    submit(&second, read_pipe(ends[0]));
    assert_int_equal(second.op.slot, first.op.slot);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ring->ops->wait(ring, 0), 0);
    assert_int_equal(second.finals, 0);
    assert_int_equal(send(ends[1], "de", 2, 0), 2);
    wait_for(&second);
    assert_int_equal(second.result, 2);
}

/* --- Accepting. --- */

static int listening;
static struct sockaddr_un name;
static socklen_t name_size;

static void start_listening(void)
{
    name = (struct sockaddr_un){ .sun_family = AF_UNIX };
    name_size = sizeof name;
    listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listening, (struct sockaddr *)&name, sizeof(sa_family_t)), 0);
    assert_int_equal(listen(listening, 128), 0);
    assert_int_equal(getsockname(listening, (struct sockaddr *)&name, &name_size), 0);
}

static int taken;

/* Descriptors are not looked at: they are counted and closed as they come. */
static void take_client(struct rill__op *op, int result, unsigned flags)
{
    if (result >= 0) {
        close(result);
        taken++;
    }
    tell(op, result, flags);
}

static void start_accepting(struct told *told)
{
    submit(told,
           (struct rill__op){ .kind = RILL__OP_ACCEPT, .fd = listening, .flags = SOCK_CLOEXEC });
    told->op.done = take_client;
    assert_int_equal(ring->ops->wait(ring, 0), 0);
}

static int connected_client(void)
{
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&name, name_size), 0);
    return client;
}

static void accept_that_was_cancelled_says_so_behind_its_descriptors(void **state)
{
    struct told told;
    (void)state;
    start_listening();
    start_accepting(&told);
    int client = connected_client();
    wait_once();
    assert_int_equal(told.flags, RILL__OP_MORE);
    assert_true(told.result >= 0);
    cancel(&told);
    wait_for(&told);
    assert_int_equal(told.result, -ECANCELED);
    assert_int_equal(told.calls, 2);
    close(client);
    close(listening);
}

/* Section 10 of reliability.md: it has ended, whoever wants more arms it again, and not at once. */
static void accept_at_the_descriptor_limit_ends_with_emfile(void **state)
{
    struct told told;
    struct rlimit before, none;
    (void)state;
    skip_if_limits_are_kept();
    start_listening();
    int client = connected_client();
    getrlimit(RLIMIT_NOFILE, &before);
    none = (struct rlimit){ 0, before.rlim_max };
    setrlimit(RLIMIT_NOFILE, &none); /* the kernel notes it when the accept is submitted */
    start_accepting(&told);
    wait_for(&told);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(told.result, -EMFILE);
    assert_int_equal(told.calls, 1);
    assert_int_equal(ring->ops->in_flight(ring), 0);
    close(client);
    close(listening);
}

enum { clients = 64 };

/* R11: a full completion queue ends a multishot in the middle. What it gave until then is told, the last
 * without MORE, and the next one finds the rest. */
static void accept_that_a_full_queue_ends_has_lost_nobody(void **state)
{
    struct rill__ring_opts opts = { 8, 8, 16 };
    struct rill__backend *large = ring;
    struct told told;
    int connected[clients], armed = 0;
    (void)state;
    taken = 0;
    assert_int_equal(rill__ring_new(&opts, &ring), 0);
    start_listening();
    start_accepting(&told);
    for (int i = 0; i < clients; i++)
        connected[i] = connected_client();
    while (taken < clients) {
        wait_once();
        if (told.finals > 0 && taken < clients) {
            assert_int_equal(told.finals, 1);
            start_accepting(&told);
            armed++;
        }
    }
    cancel(&told);
    wait_for(&told);
    assert_int_equal(taken, clients);
    if (armed == 0)
        print_message("this kernel's multishot went on\n");
    ring->ops->free(ring);
    ring = large;
    for (int i = 0; i < clients; i++) { /* each was taken, and closed */
        assert_int_equal(recv(connected[i], memory, 1, MSG_DONTWAIT), 0);
        close(connected[i]);
    }
    close(listening);
}

/* --- Another process. --- */

static int use_parents_ring(void *arg)
{
    (void)arg;
    int r = ring->ops->wait(ring, 0);
    return r == -EEXIST || r == -EINVAL ? 0 : 1; /* EINVAL: its number is the parent's alone */
}

/* R28: a ring is made after fork, by the process that uses it. */
static void ring_of_the_parent_is_refused_in_a_child(void **state)
{
    static struct child child;
    struct told told;
    (void)state;
    submit(&told, read_pipe(ends[0]));
    assert_int_equal(child_run(&child, use_parents_ring, NULL), 0);
    assert_int_equal(child.status, 0);
    assert_int_equal(send(ends[1], "abc", 3, 0), 3);
    wait_for(&told); /* here it goes on, with what was not submitted there */
    assert_int_equal(told.result, 3);
}

/* --- Receive buffers. --- */

enum { buffers_max = 4096 };

static uint16_t held[buffers_max + 64];
static size_t held_count;

static void hold(struct rill__op *op, int result, unsigned flags)
{
    if (flags & RILL__OP_BUFFER)
        held[held_count++] = op->buffer;
    tell(op, result, flags);
}

/* Receive one octet at a time and keep every buffer, until there is none left. */
static void take_all_buffers(struct told *told)
{
    *told = (struct told){ .op = { .kind = RILL__OP_RECV_MANY, .fd = ends[0], .done = hold } };
    held_count = 0;
    assert_int_equal(ring->ops->submit(ring, &told->op), 0);
    uint64_t before = 0;
    for (int i = 0; i < 3 * buffers_max && held_count < buffers_max; i++) {
        assert_int_equal(send(ends[1], "x", 1, MSG_DONTWAIT), 1);
        before = ring->counters.enobufs;
        assert_int_equal(ring->ops->wait(ring, 0), 0);
    }
    assert_int_equal(held_count, buffers_max);
    while (ring->counters.enobufs == before) {
        assert_int_equal(send(ends[1], "y", 1, MSG_DONTWAIT), 1);
        assert_int_equal(ring->ops->wait(ring, 0), 0);
    }
    assert_true(told->op.in_flight); /* it waits for buffers, its owner knows nothing of it */
    assert_int_equal(told->finals, 0);
}

static void give_all_back(void)
{
    while (held_count > 0)
        ring->ops->give_back(ring, held[--held_count]);
}

static void receive_without_buffers_goes_on_when_they_come_back(void **state)
{
    struct told told;
    (void)state;
    take_all_buffers(&told);
    int calls = told.calls;
    uint64_t enters = ring->counters.enters, enobufs = ring->counters.enobufs;
    for (int i = 0; i < 10; i++)
        assert_int_equal(ring->ops->wait(ring, 0), 0);
    assert_int_equal(ring->counters.enobufs, enobufs); /* no spin */
    assert_true(ring->counters.enters - enters <= 10);
    give_all_back();
    while (told.calls == calls)
        wait_once();
    assert_true(told.flags & RILL__OP_BUFFER);
    cancel(&told);
    wait_for(&told);
    give_all_back();
}

static void receive_that_waits_for_buffers_can_be_cancelled(void **state)
{
    struct told told;
    (void)state;
    take_all_buffers(&told);
    cancel(&told);
    wait_for(&told);
    assert_int_equal(told.result, -ECANCELED);
    give_all_back();
}

/* --- Many. --- */

enum { many = 10000 };

static void completions_of_10000_ops_through_queues_of_8_come_once_each(void **state)
{
    static struct told told[many];
    struct rill__ring_opts opts = { 8, 8, 16 };
    struct rill__backend *large = ring;
    (void)state;
    assert_int_equal(rill__ring_new(&opts, &ring), 0);
    for (int i = 0; i < many; i++)
        submit(&told[i],
               (struct rill__op){ .kind = RILL__OP_POLL, .fd = ends[0], .flags = POLLOUT });
    while (ring->ops->in_flight(ring) > 0)
        wait_once();
    for (int i = 0; i < many; i++) {
        assert_int_equal(told[i].finals, 1);
        assert_true(told[i].result & POLLOUT);
    }
    assert_true(ring->counters.overflows > 0);
    ring->ops->free(ring);
    ring = large;
}

#define ON_A_RING(test) cmocka_unit_test_setup_teardown(test, make_ring, drop_ring)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_A_RING(silent_send_that_is_whole_is_settled_without_a_completion),
        ON_A_RING(silent_send_that_is_short_says_how_much),
        ON_A_RING(silent_send_into_a_full_socket_is_eagain),
        ON_A_RING(silent_send_to_a_closed_peer_is_epipe),
        ON_A_RING(silent_sends_of_one_enter_are_told_in_order),
        ON_A_RING(awaited_send_that_is_whole_wakes_a_sleeping_wait),
        ON_A_RING(silent_send_is_settled_by_cancel_all_and_wait),
        ON_A_RING(transfers_go_by_fours_to_a_disk_that_works),
        ON_A_RING(transfers_of_a_turn_go_together_otherwise),
        ON_A_RING(cancelled_op_ends_once_with_ecanceled),
        ON_A_RING(op_cancelled_before_it_was_submitted_ends_as_well),
        ON_A_RING(result_that_was_there_before_the_cancel_wins),
        ON_A_RING(cancel_of_a_read_that_became_ready_loses_no_octet),
        ON_A_RING(cancel_that_lost_does_not_hit_the_next_op_in_its_slot),
        ON_A_RING(accept_that_was_cancelled_says_so_behind_its_descriptors),
        ON_A_RING(accept_at_the_descriptor_limit_ends_with_emfile),
        ON_A_RING(accept_that_a_full_queue_ends_has_lost_nobody),
        ON_A_RING(ring_of_the_parent_is_refused_in_a_child),
        ON_A_RING(receive_without_buffers_goes_on_when_they_come_back),
        ON_A_RING(receive_that_waits_for_buffers_can_be_cancelled),
        ON_A_RING(completions_of_10000_ops_through_queues_of_8_come_once_each),
    };
    return cmocka_run_group_tests_name("op", tests, NULL, NULL);
}
