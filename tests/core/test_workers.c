/* test_workers.c - workers: their results, their deaths, and the signals that reach them. */
#include "tests/support/child.h"
#include "tests/support/expect.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* What the workers share with the test. */
static struct shared {
    _Atomic int begun, parked, cleaned;
} * shared;

static int map_shared(void)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return shared != MAP_FAILED ? 0 : -ENOMEM;
}

static int nap_and_count(void *arg)
{
    cpu_set_t mine;
    int r = rill_sleep(0);
    if (r < 0)
        return r;
    atomic_fetch_add(&shared->begun, 1);
    bool pinned = sched_getaffinity(0, sizeof mine, &mine) == 0 && CPU_COUNT(&mine) == 1;
    return pinned ? *(int *)arg : -EDOM;
}

static void results_of_pinned_workers_are_summed_up(void **state)
{
    int ten = 10;
    (void)state;
    struct footing before = footing_now();
    assert_int_equal(map_shared(), 0);
    assert_int_equal(rill_run_workers(4, RILL_CORO(nap_and_count, &ten)), 40);
    assert_int_equal(shared->begun, 4);
    assert_int_equal(rill_run_workers(1, RILL_CORO(nap_and_count, &ten)), 10);
    assert_int_equal(footing_now().descriptors, before.descriptors);
    assert_int_equal(footing_now().blocks, before.blocks);
}

static int fail_as_the_second(void *arg)
{
    int place = atomic_fetch_add(&shared->begun, 1);
    return place == 1 ? *(int *)arg : 0;
}

static void error_of_one_worker_is_the_result_and_the_others_run_on(void **state)
{
    int code = -4097; /* does not fit an exit status */
    (void)state;
    assert_int_equal(map_shared(), 0);
    assert_int_equal(rill_run_workers(3, RILL_CORO(fail_as_the_second, &code)), -4097);
    assert_int_equal(shared->begun, 3);
}

static int return_much(void *arg)
{
    return *(int *)arg;
}

static void sum_that_does_not_fit_is_an_error(void **state)
{
    int much = INT32_MAX;
    (void)state;
    assert_int_equal(rill_run_workers(1, RILL_CORO(return_much, &much)), INT32_MAX);
    assert_int_equal(rill_run_workers(2, RILL_CORO(return_much, &much)), -EOVERFLOW);
}

static int die_by_signal(void *arg)
{
    kill(getpid(), *(int *)arg);
    return rill_sleep(RILL_FOREVER);
}

static int leave_by_exit(void *arg)
{
    _exit(*(int *)arg);
}

static void worker_that_dies_is_an_error(void **state)
{
    int signo = SIGKILL, status = 0;
    (void)state;
    assert_int_equal(rill_run_workers(2, RILL_CORO(die_by_signal, &signo)), -ECHILD);
    signo = SIGTERM; /* but nobody told us to pass it on */
    assert_int_equal(rill_run_workers(2, RILL_CORO(die_by_signal, &signo)), -ECHILD);
    assert_int_equal(rill_run_workers(2, RILL_CORO(leave_by_exit, &status)), -ECHILD);
}

/* The last one to park tells the parent; everybody waits for ever. */
static int signal_the_parent(void *arg)
{
    if (atomic_fetch_add(&shared->parked, 1) == 2)
        kill(getppid(), *(int *)arg);
    int r = rill_sleep(RILL_FOREVER);
    atomic_fetch_add(&shared->cleaned, 1);
    return r;
}

static int run_until_signalled(void *arg)
{
    return rill_run_workers(3, RILL_CORO(signal_the_parent, arg)) == -EINTR ? 0 : 1;
}

static void check_passed_on(int signo, int cleaned)
{
    static struct child child;
    if (under_tsan()) {
        print_message(
            "ThreadSanitizer holds signals back while a process waits for its children\n");
        skip();
    }
    assert_int_equal(map_shared(), 0);
    assert_int_equal(child_run(&child, run_until_signalled, &signo), 0);
    assert_int_equal(child.status, 0);
    assert_int_equal(shared->cleaned, cleaned);
}

static void sigint_to_the_parent_cancels_each_worker(void **state)
{
    (void)state;
    check_passed_on(SIGINT, 3);
}

static void sigterm_to_the_parent_ends_each_worker(void **state)
{
    (void)state;
    check_passed_on(SIGTERM, 0);
}

static void signals_are_as_before_when_the_workers_have_ended(void **state)
{
    struct sigaction before, after;
    int one = 1;
    (void)state;
    assert_int_equal(map_shared(), 0);
    sigaction(SIGTERM, NULL, &before);
    assert_int_equal(rill_run_workers(1, RILL_CORO(nap_and_count, &one)), 1);
    sigaction(SIGTERM, NULL, &after);
    assert_true(before.sa_handler == after.sa_handler);
}

static volatile sig_atomic_t noted;

static void note(int signo)
{
    noted = signo;
}

/* The last one to come signals the parent; all go on when it has noted that. */
static int signal_and_nap(void *arg)
{
    (void)arg;
    if (atomic_fetch_add(&shared->parked, 1) == 2)
        kill(getppid(), SIGTERM);
    return rill_sleep(RILL_MS(1)) < 0 ? -EIO : 1;
}

static int run_with_a_handler(void *arg)
{
    const struct sigaction own = { .sa_handler = note };
    struct sigaction after;
    (void)arg;
    sigaction(SIGTERM, &own, NULL);
    int r = rill_run_workers(3, RILL_CORO(signal_and_nap, NULL));
    sigaction(SIGTERM, NULL, &after);
    return r == 3 && noted == SIGTERM && after.sa_handler == note ? 0 : 1;
}

static void signal_that_the_program_handles_is_not_passed_on(void **state)
{
    static struct child child;
    (void)state;
    assert_int_equal(map_shared(), 0);
    assert_int_equal(child_run(&child, run_with_a_handler, NULL), 0);
    assert_int_equal(child.status, 0);
}

static int run_without_statuses(void *arg)
{
    const struct sigaction ignore = { .sa_handler = SIG_IGN };
    int signo = SIGKILL;
    sigaction(SIGCHLD, &ignore, NULL);
    if (rill_run_workers(3, RILL_CORO(return_much, arg)) != 21)
        return 1;
    return rill_run_workers(2, RILL_CORO(die_by_signal, &signo)) == -ECHILD ? 0 : 2;
}

static void results_come_back_where_the_kernel_keeps_no_statuses(void **state)
{
    static struct child child;
    int seven = 7;
    (void)state;
    assert_int_equal(child_run(&child, run_without_statuses, &seven), 0);
    assert_int_equal(child.status, 0);
}

static int run_without_memory(void *arg)
{
    struct rlimit before, none;
    getrlimit(RLIMIT_AS, &before);
    none = (struct rlimit){ 0, before.rlim_max };
    setrlimit(RLIMIT_AS, &none);
    int r = rill_run_workers(2, RILL_CORO(return_much, arg));
    setrlimit(RLIMIT_AS, &before);
    if (r != -ENOMEM)
        return 1;
    return rill_run_workers(2, RILL_CORO(return_much, arg)) == 14 ? 0 : 2;
}

static void workers_without_memory_are_an_error_and_can_be_had_later(void **state)
{
    static struct child child;
    int seven = 7;
    (void)state;
    if (under_sanitizer()) {
        print_message("sanitizers have no room below a limit of memory\n");
        skip();
    }
    assert_int_equal(child_run(&child, run_without_memory, &seven), 0);
    assert_int_equal(child.status, 0);
}

static int workers_in_a_task_are_refused(void *arg)
{
    (void)arg;
    EXPECT_IS(rill_run_workers(1, RILL_CORO(return_int, NULL)), -EBUSY);
    EXPECT_IS(rill_run_workers(0, RILL_CORO(return_int, NULL)), -EINVAL);
    EXPECT_IS(rill_run_workers(1025, RILL_CORO(return_int, NULL)), -EINVAL);
    return 0;
}

static int run_too_many(void *arg)
{
    struct rlimit few = { 3, 3 };
    if (getuid() == 0 && setresuid(65534, 65534, 65534) < 0) /* root knows no such limit */
        return 77;
    setrlimit(RLIMIT_NPROC, &few);
    return rill_run_workers(8, RILL_CORO(nap_and_count, arg)) == -EAGAIN ? 0 : 1;
}

static void fork_that_fails_means_that_no_worker_begins(void **state)
{
    static struct child child;
    int one = 1;
    (void)state;
    assert_int_equal(map_shared(), 0);
    assert_int_equal(child_run(&child, run_too_many, &one), 0);
    assert_int_equal(child.status, 0);
    assert_int_equal(shared->begun, 0);
}

static int print_in_a_worker(void *arg)
{
    fprintf(arg, "w");
    return 0;
}

static void buffered_output_is_written_once(void **state)
{
    char text[16] = "";
    FILE *file = tmpfile();
    (void)state;
    assert_non_null(file);
    fprintf(file, "p");
    assert_int_equal(rill_run_workers(2, RILL_CORO(print_in_a_worker, file)), 0);
    rewind(file);
    assert_non_null(fgets(text, sizeof text, file));
    assert_string_equal(text, "pww");
    fclose(file);
}

static const struct scenario scenarios[] = {
    OUTSIDE(results_of_pinned_workers_are_summed_up),
    OUTSIDE(error_of_one_worker_is_the_result_and_the_others_run_on),
    OUTSIDE(sum_that_does_not_fit_is_an_error),
    OUTSIDE(worker_that_dies_is_an_error),
    OUTSIDE(sigint_to_the_parent_cancels_each_worker),
    OUTSIDE(sigterm_to_the_parent_ends_each_worker),
    OUTSIDE(signals_are_as_before_when_the_workers_have_ended),
    OUTSIDE(signal_that_the_program_handles_is_not_passed_on),
    OUTSIDE(results_come_back_where_the_kernel_keeps_no_statuses),
    OUTSIDE(workers_without_memory_are_an_error_and_can_be_had_later),
    SCENARIO_ONCE(workers_in_a_task_are_refused),
    OUTSIDE(fork_that_fails_means_that_no_worker_begins),
    OUTSIDE(buffered_output_is_written_once),
};

int main(void)
{
    return RUN_SCENARIOS("workers", scenarios);
}
