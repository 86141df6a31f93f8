/* test_gather_grace.c - a part of a gather request that ignores its end cannot hold the request.
 *
 * The parts are not those of the daemon, which obey: `gather_part_run` is defined here, and waits again
 * whenever a wait was cancelled. Time is the simulator's, so nothing really waits. */
#include "tests/server/gathering.h"

#include "server/handler/gather_part.h"

#include <rill/sim.h>

/* A part of the name "bad" fails at once; any other hears nothing. */
int gather_part_run(void *arg)
{
    struct gather_part *part = arg;
    if (rill_span_equal(part->conf->name, RILL_SPAN("bad"))) {
        part->reason = GATHER_CONNECT;
        return -EREMOTEIO;
    }
    int r = 0;
    for (int i = 0; i < 3; i++)
        r = rill_sleep(RILL_SEC(100));
    return r;
}

/* `arg`: when the client leaves. */
static int serve_until(void *arg)
{
    struct handler_env env = { .directory = directory };
    rill_time *leaves = arg;
    void *own;
    int r = handler_gather.open(&g.route, &env, &own);
    if (r < 0)
        return r;
    rill_task *task = rill_create_task(RILL_CORO(serve, own));
    r = rill_sleep(*leaves);
    rill_cancel(task, "the client has left");
    g.rc = rill_join(task);
    handler_gather.close(own);
    return r;
}

/* Serve, and see that it took `want`. */
static void run_until(rill_time leaves, rill_time want)
{
    static const rill_sim_opts world = { .seed = 1 };
    rill_loop_opts opts = { .sim = &world };
    int64_t live = rill__mem_live();
    assert_int_equal(rill_run_with(RILL_CORO(serve_until, &leaves), &opts), 0);
    assert_in_range(g.took, want, want + RILL_MS(100));
    assert_int_equal(rill__mem_live(), live);
}

static void part_that_ignores_that_the_client_left_ends_after_the_grace(void **state)
{
    (void)state;
    begin();
    add_part("deaf");
    run_until(RILL_SEC(1), RILL_SEC(1) + HANDLER_GRACE);
    assert_int_equal(g.rc, -ECANCELED);
}

static void part_that_ignores_the_deadline_ends_after_the_grace(void **state)
{
    (void)state;
    begin();
    g.route.gather.deadline = RILL_SEC(1);
    add_part("deaf");
    run_until(RILL_SEC(50), RILL_SEC(1) + HANDLER_GRACE);
    assert_int_equal(g.rc, 0);
    assert_int_equal(g.status, 504);
    assert_string_equal(g.body, "{\"deaf\":null,\"_errors\":{\"deaf\":\"deadline\"}}");
}

static void part_that_ignores_the_failure_of_another_ends_after_the_grace(void **state)
{
    (void)state;
    begin();
    add_part("deaf");
    add_part("bad");
    run_until(RILL_SEC(50), HANDLER_GRACE);
    assert_int_equal(g.rc, 0);
    assert_int_equal(g.status, 502);
    assert_string_equal(g.body, "{\"deaf\":null,\"bad\":null,\"_errors\":{"
                                "\"deaf\":\"cancelled\",\"bad\":\"connect\"}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(part_that_ignores_that_the_client_left_ends_after_the_grace),
        cmocka_unit_test(part_that_ignores_the_deadline_ends_after_the_grace),
        cmocka_unit_test(part_that_ignores_the_failure_of_another_ends_after_the_grace),
    };
    return cmocka_run_group_tests_name("gather_grace", tests, NULL, NULL);
}
