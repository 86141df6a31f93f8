/* test_loop_stack.c - calls that need more stack than a task has. */
#include "tests/support/child.h"
#include "tests/support/generate.h"

#include <signal.h>
#include <sys/wait.h>

enum { large = 256 << 10 }; /* four times the stack of a task */

static int sum_of_large(void *arg)
{
    volatile unsigned char frame[large];
    int sum = 0;
    for (size_t i = 0; i < large; i += 4096)
        frame[i] = (unsigned char)*(int *)arg;
    for (size_t i = 0; i < large; i += 4096)
        sum += frame[i];
    return sum;
}

static int two = 2, three = 3;

static int large_frame_fits_from_a_task(void *arg)
{
    (void)arg;
    EXPECT_IS(rill_call_on_loop_stack(sum_of_large, &two), 2 * large / 4096);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_call_on_loop_stack(sum_of_large, &three), 3 * large / 4096);
    return 0;
}

static int yield_large_sums(void *arg)
{
    for (;;) {
        int sum = rill_call_on_loop_stack(sum_of_large, arg);
        int r = rill_yield(number(sum), NULL);
        if (r < 0)
            return r;
    }
}

/* A large frame below which a generator runs whose large frames lie below it. */
static int drive_below_a_large_frame(void *arg)
{
    volatile char frame[large];
    rill_gen *gen;
    frame[0] = frame[large - 1] = 7;
    int r = rill_gen_new(yield_large_sums, arg, &gen);
    if (r < 0)
        return r;
    int sum = (int)next_of(gen);
    r = rill_call_on_loop_stack(sum_of_large, &two);
    sum += (int)next_of(gen);
    rill_gen_free(gen);
    return frame[0] == 7 && frame[large - 1] == 7 ? sum + r : -EBADMSG;
}

static int call_in_a_generator_in_a_call_leaves_the_frames_above_alone(void *arg)
{
    int wanted = (2 * 3 + 2) * large / 4096;
    (void)arg;
    int r = rill_call_on_loop_stack(drive_below_a_large_frame, &three);
    EXPECT(r == wanted || r == -ENOMEM);
    return r == wanted ? 0 : r;
}

static void outside_of_tasks_it_is_a_plain_call(void **state)
{
    rill_gen *gen;
    (void)state;
    assert_int_equal(rill_call_on_loop_stack(sum_of_large, &two), 2 * large / 4096);
    assert_int_equal(rill_gen_new(yield_large_sums, &two, &gen), 0);
    assert_int_equal(next_of(gen), 2 * large / 4096);
    rill_gen_free(gen);
}

static int look_for_a_task(void *arg)
{
    (void)arg;
    return rill_current_task() == NULL && rill_get_running_loop() != NULL ? 0 : -EBADMSG;
}

static int call_has_no_current_task(void *arg)
{
    EXPECT_IS(rill_call_on_loop_stack(look_for_a_task, arg), 0);
    EXPECT(rill_current_task() != NULL);
    return 0;
}

static int await_there(void *arg)
{
    return rill_call_on_loop_stack(give_up_turns, arg);
}

static int run_and_await_there(void *arg)
{
    return rill_run(RILL_CORO(await_there, arg));
}

static void await_in_such_a_call_aborts(void **state)
{
    static struct child child;
    (void)state;
    assert_int_equal(child_run(&child, run_and_await_there, &two), 0);
    assert_true(WIFSIGNALED(child.status));
    assert_int_equal(WTERMSIG(child.status), SIGABRT);
}

static const struct scenario scenarios[] = {
    SCENARIO(large_frame_fits_from_a_task),
    SCENARIO(call_in_a_generator_in_a_call_leaves_the_frames_above_alone),
    SCENARIO(call_has_no_current_task),
    OUTSIDE(outside_of_tasks_it_is_a_plain_call),
    OUTSIDE(await_in_such_a_call_aborts),
};

int main(void)
{
    return RUN_SCENARIOS("loop_stack", scenarios);
}
