/* test_fair.c - the fairness budget: no source of completions and no crowd of calls fills a turn. */
#include "core/loop/loop.h"
#include "tests/support/expect.h"

#include <rill/net.h>

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { share = 64 }; /* rule 3.4 */

static int calls, most_at_once;

static void count_call(void *arg)
{
    (void)arg;
    calls++;
}

static void note_most(int *before)
{
    if (calls - *before > most_at_once)
        most_at_once = calls - *before;
    *before = calls;
}

/* Rule 3.4, B6. */
static int calls_of_threads_are_taken_64_a_turn_and_in_order(void *arg)
{
    int before = 0;
    (void)arg;
    calls = most_at_once = 0;
    for (int i = 0; i < 1000; i++)
        EXPECT_IS(rill_call_soon_threadsafe(rill_get_running_loop(), count_call, NULL), 0);
    for (int turns = 0; calls < 1000 && turns < 100000; turns++) {
        EXPECT_IS(rill_sleep(0), 0);
        note_most(&before);
    }
    EXPECT_IS(calls, 1000);
    EXPECT_IS(most_at_once, share);
    return 0;
}

static void check_order(void *number)
{
    EXPECT_HERE(calls == *(int *)number);
    calls++;
}

static int calls_left_for_later_turns_keep_their_order(void *arg)
{
    enum { count = 200 };

    static int numbers[count];
    (void)arg;
    calls = 0;
    for (int i = 0; i < count; i++) {
        numbers[i] = i;
        EXPECT_IS(rill_call_soon_threadsafe(rill_get_running_loop(), check_order, &numbers[i]), 0);
    }
    for (int turns = 0; calls < count && turns < 100000; turns++)
        EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(calls, count);
    return 0;
}

/* --- A source of the ring: connections that wait all at once. --- */

static void on_accepted(struct rill__op *op, int result, unsigned flags)
{
    (void)op;
    (void)flags;
    if (result >= 0)
        close(result);
    calls += result >= 0;
}

static int queue_connections(int listening, int count)
{
    struct sockaddr_un name;
    socklen_t size = sizeof name;
    if (getsockname(listening, (struct sockaddr *)&name, &size) < 0)
        return -errno;
    for (int i = 0; i < count; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int r = connect(fd, (struct sockaddr *)&name, size);
        close(fd);
        if (r < 0)
            return -errno;
    }
    return 0;
}

static int count_accepts(struct rill__backend *backend, int listening)
{
    enum { connections = 300 };
    struct rill__op op = { .kind = RILL__OP_ACCEPT, .fd = listening, .done = on_accepted };
    int before = 0;
    EXPECT_IS(queue_connections(listening, connections), 0);
    EXPECT_IS(backend->ops->submit(backend, &op), 0);
    for (int turns = 0; calls < connections && turns < 100000; turns++) {
        if (!op.in_flight) /* a kernel may end it at any time */
            EXPECT_IS(backend->ops->submit(backend, &op), 0);
        EXPECT_IS(rill_sleep(0), 0);
        note_most(&before);
    }
    backend->ops->cancel(backend, &op);
    while (op.in_flight)
        EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(calls, connections);
    EXPECT(most_at_once <= share);
    return 0;
}

static int accepted_connections_are_taken_64_a_turn(void *arg)
{
    struct sockaddr_un any = { .sun_family = AF_UNIX };
    (void)arg;
    calls = most_at_once = 0;
    OWNED_FD int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    EXPECT(listening >= 0);
    EXPECT_IS(bind(listening, (struct sockaddr *)&any, sizeof any.sun_family), 0);
    EXPECT_IS(listen(listening, 512), 0);
    return count_accepts(rill_get_running_loop()->backend, listening);
}

/* --- Tasks. --- */

static rill_future *never;

/* Awaits that need not wait, for ever. */
static int never_wait(void *arg)
{
    int r = 0;
    (void)arg;
    while (r == 0)
        r = rill_await(never);
    return r;
}

/* B6: a task whose awaits are always ready gives up its turn after `budget` of them. */
static int tasks_that_never_wait_let_others_run(void *arg)
{
    (void)arg;
    never = kept(rill_future_new());
    EXPECT_IS(rill_future_set_result(never, 0, NULL), 0);
    OWNED_FUTURE rill_task *one = rill_create_task(RILL_CORO(never_wait, NULL));
    OWNED_FUTURE rill_task *two = rill_create_task(RILL_CORO(never_wait, NULL));
    EXPECT(rill_call_soon(rill_get_running_loop(), count_call, NULL).entry != NULL);
    for (int i = 0; i < 100; i++)
        EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(RILL_US(10)), 0); /* timers fire as well */
    rill_cancel(one, NULL);
    rill_cancel(two, NULL);
    EXPECT_IS(rill_await(one), -ECANCELED);
    EXPECT_IS(rill_await(two), -ECANCELED);
    return 0;
}

static const struct scenario scenarios[] = {
    SCENARIO_ONCE(calls_of_threads_are_taken_64_a_turn_and_in_order),
    SCENARIO(calls_left_for_later_turns_keep_their_order),
    SCENARIO_ONCE(accepted_connections_are_taken_64_a_turn),
    SCENARIO(tasks_that_never_wait_let_others_run),
};

int main(void)
{
    return RUN_SCENARIOS("fair", scenarios);
}
