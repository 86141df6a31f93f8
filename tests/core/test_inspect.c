/* test_inspect.c - tasks told to people: all of them, what each waits for, circles, stacks, counts. */
#include "tests/support/child.h"
#include "tests/support/expect.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static char told[64 << 10];

/* What `write_to` writes to a descriptor. */
static const char *written(int (*write_to)(int fd), int *ret_r)
{
    int ends[2];
    told[0] = 0;
    if (pipe(ends) < 0)
        return told;
    *ret_r = write_to(ends[1]);
    close(ends[1]);
    ssize_t size = read(ends[0], told, sizeof told - 1);
    told[size > 0 ? size : 0] = 0;
    close(ends[0]);
    return told;
}

static const char *waits_for(rill_task *task)
{
    static char text[1024];
    text[0] = 0;
    (void)rill_task_waits_for(task, text, sizeof text);
    return text;
}

static rill_task *named(rill_fn *fn, void *arg, const char *name)
{
    rill_task_opts opts = { .name = name };
    return rill_create_task_with(RILL_CORO(fn, arg), &opts);
}

static int await_it(void *future)
{
    return rill_await(future);
}

static int sleep_long(void *arg)
{
    (void)arg;
    return rill_sleep(RILL_SEC(100));
}

static int new_parked_and_ended_tasks_say_so(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *sleeper = named(sleep_long, NULL, "sleeper");
    OWNED_FUTURE rill_task *ever = named(sleep_for_ever, NULL, "ever");
    EXPECT(rill_state(sleeper) == RILL_PENDING && rill_state(ever) == RILL_PENDING);
    EXPECT(strcmp(waits_for(sleeper), "its first turn") == 0);
    EXPECT(strcmp(waits_for(rill_current_task()), "nothing: it runs") == 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(strncmp(waits_for(sleeper), "sleep, due in ", 14) == 0);
    EXPECT(strcmp(waits_for(ever), "sleep") == 0);
    rill_cancel(sleeper, NULL);
    EXPECT(strcmp(waits_for(sleeper), "nothing: it is ready") == 0);
    rill_cancel(ever, NULL);
    EXPECT_IS(rill_await(sleeper), -ECANCELED);
    EXPECT(strcmp(waits_for(sleeper), "nothing: it has ended") == 0);
    return 0;
}

static int sleep_in_scopes(void *arg)
{
    rill_scope outer = { 0 }, inner = { 0 };
    (void)arg;
    EXPECT_IS(rill_timeout(&outer, RILL_SEC(50)), 0);
    EXPECT_IS(rill_timeout(&inner, RILL_SEC(5000)), 0);
    int r = rill_sleep(RILL_SEC(500));
    return rill_scope_leave(&outer, rill_scope_leave(&inner, r));
}

static int deadline_told_is_the_next_one(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *sleeper = named(sleep_in_scopes, NULL, "sleeper");
    EXPECT(rill_state(sleeper) == RILL_PENDING);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(strncmp(waits_for(sleeper), "sleep, due in 49.", 17) == 0 ||
           strncmp(waits_for(sleeper), "sleep, due in 50.000", 20) == 0);
    rill_cancel(sleeper, NULL);
    EXPECT_IS(rill_await(sleeper), -ECANCELED);
    return 0;
}

static int waits_for_futures_name_them(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *sleeper = named(sleep_for_ever, NULL, "sleeper");
    rill_task *waiter = kept(named(await_it, sleeper, "waiter"));
    OWNED_FUTURE rill_future *both =
        rill_gather(2, (rill_future *[]){ sleeper, waiter }, RILL_RETURN_ERRORS);
    OWNED_FUTURE rill_task *third = named(await_it, both, "third");
    EXPECT(rill_state(third) == RILL_PENDING);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(strcmp(waits_for(waiter), "task 'sleeper'") == 0);
    EXPECT(strncmp(waits_for(third), "gather, future ", 15) == 0);
    EXPECT(strstr(waits_for(third), ", 2 of 2 to come: 'sleeper' 'waiter'") != NULL);
    rill_cancel(third, NULL);
    EXPECT_IS(rill_await(third), -ECANCELED);
    return 0;
}

static int read_stream(void *stream)
{
    rill_span octets;
    return rill_stream_peek(stream, 1, &octets);
}

static int waits_for_operations_name_descriptor_and_peer(void *arg)
{
    int pair[2];
    char wanted[64];
    (void)arg;
    EXPECT_IS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    OWNED_FD int other = pair[1];
    OWNED_STREAM rill_stream *stream = NULL;
    OWNED_FD int fd = pair[0];
    EXPECT_IS(rill_stream_new(fd, NULL, &stream), 0);
    snprintf(wanted, sizeof wanted, "stream read on fd %d", fd);
    fd = -1;
    OWNED_FUTURE rill_task *reader = named(read_stream, stream, "reader");
    EXPECT(rill_state(reader) == RILL_PENDING);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(strncmp(waits_for(reader), wanted, strlen(wanted)) == 0);
    rill_cancel(reader, NULL);
    EXPECT_IS(rill_await(reader), -ECANCELED);
    EXPECT(other >= 0);
    return 0;
}

static int short_buffer_gets_what_fits_and_the_whole_length(void *arg)
{
    char small[6] = "xxxxx", none = 'x';
    (void)arg;
    EXPECT_IS(rill_task_waits_for(rill_current_task(), small, sizeof small), 16);
    EXPECT(strcmp(small, "nothi") == 0);
    EXPECT_IS(rill_task_waits_for(rill_current_task(), &none, 0), 16);
    EXPECT(none == 'x');
    OWNED_FUTURE rill_future *plain = rill_future_new();
    EXPECT_IS(rill_task_waits_for(plain, small, sizeof small), -EINVAL);
    EXPECT_IS(rill_backtrace(plain, STDERR_FILENO), -EINVAL);
    return 0;
}

/* --- All tasks. --- */

static void note_name(rill_task *task, void *arg)
{
    (void)arg;
    trace(rill_task_name(task)[0]);
}

static void make_one_more(rill_task *task, void *arg)
{
    (void)task;
    rill_unref(named(give_up_turns, arg, "new"));
}

static int all_tasks_are_told_in_order_of_creation(void *arg)
{
    (void)arg;
    EXPECT_IS(rill_task_set_name(rill_current_task(), "main"), 0);
    OWNED_FUTURE rill_task *one = named(sleep_for_ever, NULL, "a");
    OWNED_FUTURE rill_task *two = named(sleep_for_ever, NULL, "b");
    EXPECT(rill_state(one) == RILL_PENDING && rill_state(two) == RILL_PENDING);
    EXPECT_IS(rill_all_tasks(note_name, NULL), 3);
    EXPECT_TRACE("mab");
    EXPECT_IS(rill_all_tasks(make_one_more, NULL), 3); /* those it makes are not told */
    EXPECT_IS(rill_sleep(0), 0);
    rill_cancel(one, NULL);
    rill_cancel(two, NULL);
    EXPECT_IS(rill_await(one), -ECANCELED);
    EXPECT_IS(rill_await(two), -ECANCELED);
    EXPECT_IS(rill_all_tasks(NULL, NULL), 1);
    return 0;
}

static void without_a_loop_there_are_no_tasks(void **state)
{
    (void)state;
    assert_int_equal(rill_all_tasks(NULL, NULL), -ESRCH);
    assert_int_equal(rill_dump(STDERR_FILENO), -ESRCH);
}

/* --- The dump. --- */

static int dump_tells_state_place_wait_and_waiters(void *arg)
{
    int r = 0;
    (void)arg;
    OWNED_FUTURE rill_task *sleeper = named(sleep_for_ever, NULL, "sleeper");
    OWNED_FUTURE rill_task *waiter = named(await_it, sleeper, "waiter");
    EXPECT(rill_state(waiter) == RILL_PENDING);
    EXPECT_IS(rill_sleep(0), 0);
    const char *text = written(rill_dump, &r);
    EXPECT_IS(r, 3);
    EXPECT(strncmp(text, "rill: 3 tasks, ", 15) == 0);
    EXPECT(strstr(text, "'sleeper' fn() made at ") != NULL);
    EXPECT(strstr(text, "test_inspect.c:") != NULL);
    EXPECT(strstr(text, "waits for sleep; awaited by 'waiter'\n") != NULL);
    EXPECT(strstr(text, "waits for task 'sleeper'\n") != NULL);
    EXPECT(strstr(text, "circle") == NULL);
    rill_cancel(waiter, NULL);
    EXPECT_IS(rill_await(waiter), -ECANCELED);
    return 0;
}

static rill_task *partners[3];

static int await_partner(void *at)
{
    return rill_await(partners[*(int *)at]);
}

static int await_gather_of_partner(void *at)
{
    OWNED_FUTURE rill_future *all = rill_gather(1, &partners[*(int *)at], 0);
    return rill_await(all);
}

static int await_shielded(void *future)
{
    OWNED_FUTURE rill_future *shield = rill_shield(future);
    return rill_await(shield);
}

static int circle_of_awaits_is_told(void *arg)
{
    static int zero, one = 1, two = 2;
    int r = 0;
    (void)arg;
    partners[0] = named(await_partner, &one, "x");
    partners[1] = named(await_gather_of_partner, &two, "y");
    partners[2] = named(await_partner, &zero, "z");
    OWNED_FUTURE rill_task *outside = named(await_shielded, partners[0], "outside");
    EXPECT(rill_state(outside) == RILL_PENDING);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(0), 0);
    const char *text = written(rill_dump, &r);
    EXPECT_IS(r, 5);
    const char *circle = strstr(text, "rill: circle: ");
    EXPECT(circle != NULL);
    EXPECT(strstr(circle, "'x' waits for 'y' waits for 'z' waits for 'x'\n") != NULL);
    EXPECT(strstr(circle + 1, "rill: circle: ") == NULL);
    EXPECT(strcmp(written(rill_dump, &r), text) == 0); /* the search leaves no trace */
    return 0;
}

/* --- Locks. --- */

static rill_lock locks[2];

static int take_both(void *first)
{
    int mine = *(int *)first;
    int r = rill_lock_acquire(&locks[mine]);
    if (r == 0)
        r = rill_sleep(0);
    if (r < 0)
        return r;
    r = rill_lock_acquire(&locks[1 - mine]);
    if (r == 0)
        (void)rill_lock_release(&locks[1 - mine]);
    (void)rill_lock_release(&locks[mine]);
    return r;
}

/* B2: a deadlock of two locks names both holders. */
static int circle_of_locks_is_told(void *arg)
{
    static int zero, one = 1;
    int r = 0;
    char wanted[64];
    (void)arg;
    memset(locks, 0, sizeof locks);
    OWNED_FUTURE rill_task *left = named(take_both, &zero, "left");
    OWNED_FUTURE rill_task *right = named(take_both, &one, "right");
    EXPECT(rill_state(left) == RILL_PENDING && rill_state(right) == RILL_PENDING);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(0), 0);
    snprintf(wanted, sizeof wanted, "lock %p, held by 'right'", (void *)&locks[1]);
    EXPECT(strcmp(waits_for(left), wanted) == 0);
    const char *text = written(rill_dump, &r);
    EXPECT(strstr(text, "circle: 'left' waits for 'right' waits for 'left'\n") != NULL);
    rill_cancel(left, NULL);
    EXPECT_IS(rill_await(left), -ECANCELED);
    EXPECT_IS(rill_await(right), 0);
    return 0;
}

static int wait_for_partners(void *at)
{
    rill_future *out[3];
    int r = rill_wait(2, &partners[*(int *)at], RILL_ALL_COMPLETED, RILL_FOREVER, out);
    return r < 0 ? r : 0;
}

static int take_next_of_partners(void *at)
{
    rill_as_completed it;
    rill_future *next;
    int r = rill_as_completed_init(&it, 1, &partners[*(int *)at], RILL_FOREVER);
    if (r < 0)
        return r;
    r = rill_as_completed_next(&it, &next);
    (void)rill_as_completed_fini(&it);
    return r < 0 ? r : 0;
}

/* Waits for several futures are edges, too; these end, since such a wait does not pass a cancel on. */
static int circle_of_waits_for_several_is_told(void *arg)
{
    static int zero, one = 1;
    int r = 0;
    (void)arg;
    OWNED_FUTURE rill_task *first = named(take_next_of_partners, &one, "first");
    OWNED_FUTURE rill_task *second = named(sleep_for_ever, NULL, "second");
    OWNED_FUTURE rill_task *third = named(wait_for_partners, &zero, "third");
    partners[0] = first;
    partners[1] = third;
    EXPECT(rill_state(first) == RILL_PENDING && rill_state(second) == RILL_PENDING);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(0), 0);
    const char *text = written(rill_dump, &r);
    EXPECT(strstr(text, "'first'") != NULL && strstr(text, "circle: ") != NULL);
    EXPECT(strstr(text, "'first' waits for 'third' waits for 'first'\n") != NULL ||
           strstr(text, "'third' waits for 'first' waits for 'third'\n") != NULL);
    EXPECT(strcmp(written(rill_dump, &r), text) == 0); /* the search leaves no trace */
    rill_cancel(third, NULL);
    EXPECT_IS(rill_await(third), -ECANCELED);
    EXPECT_IS(rill_await(first), 0);
    rill_cancel(second, NULL);
    EXPECT_IS(rill_await(second), -ECANCELED);
    return 0;
}

/* Nobody can end such tasks: a cancel would go round for ever. */
static int exit_in_a_circle(void *arg)
{
    _exit(circle_of_awaits_is_told(arg) == 0 ? 0 : 1);
}

static int run_a_circle(void *arg)
{
    return rill_run(RILL_CORO(exit_in_a_circle, arg));
}

/* B2: circles of awaits are found, also through gathers, and printed once. */
static void dump_finds_circles(void **state)
{
    static struct child child;
    (void)state;
    assert_int_equal(child_run(&child, run_a_circle, NULL), 0);
    assert_string_equal(child.text, "");
    assert_int_equal(child.status, 0);
}

/* --- Stacks and counts. --- */

static rill_task *looked_at;

static int backtrace_of_looked_at(int fd)
{
    return rill_backtrace(looked_at, fd);
}

static int backtrace_shows_where_a_task_is_parked(void *arg)
{
    int r = -1;
    (void)arg;
    OWNED_FUTURE rill_task *sleeper = named(sleep_long, NULL, "sleeper");
    EXPECT(rill_state(sleeper) == RILL_PENDING);
    looked_at = sleeper;
    (void)written(backtrace_of_looked_at, &r);
    EXPECT_IS(r, 0); /* it has no stack yet */
    EXPECT_IS(rill_sleep(0), 0);
    const char *text = written(backtrace_of_looked_at, &r);
    EXPECT(r >= 3); /* park, sleep, the function itself */
    EXPECT(strchr(text, '\n') != NULL);
    looked_at = rill_current_task();
    (void)written(backtrace_of_looked_at, &r);
    EXPECT(r >= 2);
    rill_cancel(sleeper, NULL);
    EXPECT_IS(rill_await(sleeper), -ECANCELED);
    looked_at = sleeper;
    (void)written(backtrace_of_looked_at, &r);
    EXPECT_IS(r, 0);
    return 0;
}

static int stats_count_what_the_loop_does(void *arg)
{
    rill_stats before, after;
    (void)arg;
    EXPECT_IS(rill_loop_stats(rill_get_running_loop(), &before), 0);
    OWNED_FUTURE rill_task *sleeper = named(sleep_long, NULL, "sleeper");
    EXPECT(rill_state(sleeper) == RILL_PENDING);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_loop_stats(rill_get_running_loop(), &after), 0);
    EXPECT_IS(after.tasks, before.tasks + 1);
    EXPECT_IS(after.tasks_made, before.tasks_made + 1);
    EXPECT_IS(after.timers, before.timers + 1);
    EXPECT_IS(after.stacks, before.stacks + 1);
    EXPECT(after.stacks_most >= after.stacks);
    EXPECT(after.steps >= before.steps + 2);
    EXPECT(after.in_flight >= 1); /* the wake-up of other threads */
    rill_cancel(sleeper, NULL);
    EXPECT_IS(rill_await(sleeper), -ECANCELED);
    return 0;
}

static void stats_of_a_closed_loop_are_eshutdown(void **state)
{
    rill_loop *loop;
    rill_stats stats;
    (void)state;
    assert_int_equal(rill_loop_new(NULL, &loop), 0);
    assert_int_equal(rill_loop_stats(loop, &stats), 0);
    assert_int_equal(stats.steps, 0);
    assert_int_equal(rill_loop_close(loop), 0);
    assert_int_equal(rill_loop_stats(loop, &stats), -ESHUTDOWN);
}

/* --- Stacks. --- */

enum { frame_size = 1 << 10, deep_frames = 40, places = 300 };

/* Each frame is looked at after the call: no compiler makes a loop of it. */
static int descend(int frames, volatile char *above)
{
    volatile char frame[frame_size];
    frame[0] = frame[frame_size - 1] = (char)frames;
    int below = frames > 0 ? descend(frames - 1, frame) : 0;
    return below + frame[frame_size - 1] + above[0];
}

static int use_stack(void *frames)
{
    volatile char first = 0;
    return descend(*(int *)frames, &first) < 0 ? -EINVAL : 0;
}

static const rill_site shallow = { "shallow", "here.c", 1 }, deep = { "deep", "here.c", 2 };
static rill_stack_use shallow_use, deep_use, other_use;

static const rill_site *expected_site;
static rill_stack_use expected_use;

static void note_expected(const rill_stack_use *use, void *arg)
{
    (void)arg;
    if (use->site == expected_site)
        expected_use = *use;
}

static void note_use(const rill_stack_use *use, void *arg)
{
    (void)arg;
    if (use->site == &shallow)
        shallow_use = *use;
    else if (use->site == &deep)
        deep_use = *use;
    else if (use->site == NULL)
        other_use = *use;
}

/* The shallow ones run on the stack that the deep one has left. */
static int census_tells_the_deepest_use_of_each_place(void *arg)
{
    static int few = 0, many = deep_frames;
    int r = 0;
    (void)arg;
    EXPECT_IS(rill_join(rill_create_task((rill_coro){ use_stack, &many, &deep })), 0);
    for (int i = 0; i < 3; i++)
        EXPECT_IS(rill_join(rill_create_task((rill_coro){ use_stack, &few, &shallow })), 0);
    EXPECT(rill_stack_census(rill_get_running_loop(), NULL, NULL) >= 2);
    EXPECT(rill_stack_census(rill_get_running_loop(), note_use, NULL) >= 2);
    EXPECT_IS(deep_use.tasks, 1);
    EXPECT_IS(shallow_use.tasks, 3);
    EXPECT(deep_use.most >= deep_frames * frame_size && deep_use.most <= 64 << 10);
    EXPECT(shallow_use.most > 0 && shallow_use.most <= deep_use.most / 2);
    EXPECT(strstr(written(rill_dump, &r), " tasks deep() made at here.c:2\n") != NULL);
    return 0;
}

static int yield_below(void *arg)
{
    int r = use_stack(arg);
    return rill_first_error(r, rill_yield(NULL, NULL));
}

static int census_counts_generators(void *arg)
{
    static int many = deep_frames;
    static const rill_site place = { "deep generator", "here.c", 3 };
    rill_gen *gen;
    (void)arg;
    EXPECT_IS(rill_gen_new_of((rill_coro){ yield_below, &many, &place }, &gen), 0);
    int r = rill_gen_next(gen, NULL);
    rill_gen_free(gen);
    EXPECT_IS(r, 1);
    expected_site = &place;
    EXPECT(rill_stack_census(rill_get_running_loop(), note_expected, NULL) >= 1);
    EXPECT_IS(expected_use.tasks, 1);
    EXPECT(expected_use.most >= deep_frames * frame_size);
    return 0;
}

static int census_counts_places_beyond_the_table_together(void *arg)
{
    static rill_site sites[places];
    static int none = 0;
    (void)arg;
    int before = rill_stack_census(rill_get_running_loop(), NULL, NULL);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < places; i++)
            EXPECT_IS(rill_join(rill_create_task((rill_coro){ use_stack, &none, &sites[i] })), 0);
    EXPECT_IS(rill_stack_census(rill_get_running_loop(), note_use, NULL), 256 + 1);
    EXPECT_IS(other_use.tasks, 2 * (before + places - 256));
    EXPECT(other_use.most > 0);
    return 0;
}

static const struct scenario scenarios[] = {
    SCENARIO(new_parked_and_ended_tasks_say_so),
    SCENARIO(deadline_told_is_the_next_one),
    SCENARIO(waits_for_futures_name_them),
    SCENARIO(waits_for_operations_name_descriptor_and_peer),
    SCENARIO(short_buffer_gets_what_fits_and_the_whole_length),
    SCENARIO(all_tasks_are_told_in_order_of_creation),
    OUTSIDE(without_a_loop_there_are_no_tasks),
    SCENARIO(dump_tells_state_place_wait_and_waiters),
    OUTSIDE(dump_finds_circles),
    SCENARIO_ONCE(circle_of_waits_for_several_is_told),
    SCENARIO_ONCE(circle_of_locks_is_told),
    SCENARIO(backtrace_shows_where_a_task_is_parked),
    SCENARIO(stats_count_what_the_loop_does),
    OUTSIDE(stats_of_a_closed_loop_are_eshutdown),
    SCENARIO_ONCE(census_tells_the_deepest_use_of_each_place),
    SCENARIO_ONCE(census_counts_generators),
    SCENARIO_ONCE(census_counts_places_beyond_the_table_together),
};

int main(void)
{
    return RUN_SCENARIOS("inspect", scenarios);
}
