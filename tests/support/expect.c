/* expect.c - expectations of tasks, clean runs, and their torture. */
#include "tests/support/expect.h"

#include "core/base/mem.h"
#include "core/task/task.h"
#include "tests/support/stuck.h"

#include <rill/sim.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static unsigned failures;
static bool torturing; /* failures are expected: only leaks, hangs and crashes count */
static char trace_text[256];

int expect_failed(const char *file, int line, const char *text)
{
    if (!torturing) {
        if (failures++ == 0)
            rill_sim_report("an expectation was not met");
        fprintf(stderr, "%s:%d: expected %s\n", file, line, text);
    }
    return -EBADMSG;
}

int expect_differs(const char *file, int line, const char *what, long long got,
                   const char *wanted_text, long long wanted)
{
    char text[256];
    snprintf(text, sizeof text, "%s to be %s (%lld), but it is %lld", what, wanted_text, wanted,
             got);
    return expect_failed(file, line, text);
}

void trace(char letter)
{
    size_t size = strlen(trace_text);
    if (size + 1 < sizeof trace_text) {
        trace_text[size] = letter;
        trace_text[size + 1] = 0;
    }
}

void trace_reset(void)
{
    trace_text[0] = 0;
}

const char *traced(void)
{
    return trace_text;
}

const char *traced_is(const char *wanted)
{
    static char text[2 * sizeof trace_text + 64];
    snprintf(text, sizeof text, "the trace '%s', but it is '%s'", wanted, trace_text);
    return text;
}

void expect_drop_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

int end_stream(rill_stream **owned)
{
    rill_stream *stream = *owned;
    *owned = NULL;
    rill_stream_close(stream);
    int r = rill_stream_wait_closed(stream);
    rill_stream_unref(stream);
    return r;
}

int sleep_for_ever(void *arg)
{
    (void)arg;
    return rill_sleep(RILL_FOREVER);
}

int give_up_turns(void *arg)
{
    int r = 0;
    for (int turns = arg != NULL ? *(int *)arg : 0; turns > 0 && r == 0; turns--)
        r = rill_sleep(0);
    return r;
}

int return_int(void *arg)
{
    return *(int *)arg;
}

enum { count_most = 16 };

int join_all(size_t count, rill_future *const futures[])
{
    rill_future *ends[count_most + 1];
    if (count > count_most)
        fail_msg("raise count_most");
    int r = rill_wait(count, futures, RILL_FIRST_ERROR, RILL_FOREVER, ends);
    for (int i = 0, done = r; i < done && r >= 0; i++)
        r = rill_result(ends[i]);
    return r < 0 ? r : 0;
}

int all_begun(size_t count, rill_future *const tasks[])
{
    for (size_t i = 0; i < count; i++)
        if (rill_done(tasks[i]) && rill_result(tasks[i]) == -ENOMEM)
            return -ENOMEM;
    return 0;
}

/* --- What a run keeps until its end. --- */

enum { kept_max = 64 };

static rill_future *kept_futures[kept_max];
static size_t kept_count;

rill_future *kept(rill_future *future)
{
    if (kept_count == kept_max)
        fail_msg("raise kept_max");
    return kept_futures[kept_count++] = future;
}

static struct {
    rill_call_fn *fn;
    void *arg;
} endings[kept_max];

static size_t ending_count;

void after_run(rill_call_fn *fn, void *arg)
{
    if (ending_count == kept_max)
        fail_msg("raise kept_max");
    endings[ending_count].fn = fn;
    endings[ending_count++].arg = arg;
}

static void drop_kept(void)
{
    while (ending_count > 0) {
        ending_count--;
        endings[ending_count].fn(endings[ending_count].arg);
    }
    while (kept_count > 0) {
        rill_future *future = kept_futures[--kept_count];
        if (torturing)
            (void)rill_result(future); /* else it is told on standard error */
        rill_unref(future);
    }
}

/* --- Clean runs. --- */

static int count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;
    while (dir != NULL && readdir(dir) != NULL)
        count++;
    if (dir != NULL)
        closedir(dir);
    return count;
}

struct footing footing_now(void)
{
    return (struct footing){ rill__mem_live(), count_descriptors() };
}

static bool same_footing(const char *what, struct footing before)
{
    struct footing now = footing_now();
    if (now.blocks != before.blocks)
        fprintf(stderr, "%s: %lld blocks of memory leaked\n", what,
                (long long)(now.blocks - before.blocks));
    if (now.descriptors != before.descriptors)
        fprintf(stderr, "%s: %d descriptors leaked\n", what, now.descriptors - before.descriptors);
    return now.blocks == before.blocks && now.descriptors == before.descriptors;
}

int run_main_with(rill_fn *fn, void *arg, const rill_loop_opts *opts)
{
    struct footing before = footing_now();
    failures = 0;
    trace_reset();
    int r = rill_run_with(RILL_CORO(fn, arg), opts);
    drop_kept();
    if (failures > 0)
        fail_msg("%u expectations were not met", failures);
    if (!same_footing("after the run", before))
        fail_msg("something was left behind");
    return r;
}

int run_main(rill_fn *fn, void *arg)
{
    return run_main_with(fn, arg, NULL);
}

bool in_simulator(void)
{
    return getenv("RILL_SIM") != NULL;
}

static void skip_if_real(const struct scenario *scenario)
{
    if (scenario->real == NULL || !in_simulator())
        return;
    print_message("not in the simulator: %s\n", scenario->real);
    skip();
}

/* What is simulated anyhow runs in the world that the environment names, if it names one. */
static const rill_loop_opts *opts_of(const struct scenario *scenario)
{
    static rill_loop_opts opts;
    if (scenario->opts == NULL || !in_simulator())
        return scenario->opts;
    opts = *scenario->opts;
    opts.sim = NULL;
    return &opts;
}

static void run_scenario(void **state)
{
    const struct scenario *scenario = *state;
    skip_if_real(scenario);
    int r = run_main_with(scenario->main, NULL, opts_of(scenario));
    if (r < 0)
        fail_msg("the run ended with %s", rill_errname(r));
}

/* --- Torture. --- */

enum { hang_ms = 4000, stuck_s = 120, stuck_slow_s = 600 };

struct point {
    const struct scenario *scenario;
    const char *fault;
    unsigned long number;
};

static struct point point; /* what is being tried, for the message when it never ends */
static unsigned long points;
static uint64_t allocations; /* of the last run */
static bool hung;

static struct progress progress;
static rill_handle watch;

static void look_for_hang(void *task);

static void begin_watch(rill_task *task)
{
    rill_time patience = RILL_MS(under_valgrind() ? 5 * hang_ms : hang_ms);
    watch = rill_call_later(rill_get_running_loop(), patience, look_for_hang, task);
}

static void look_for_hang(void *task)
{
    if (gets_on(&progress)) {
        begin_watch(task);
        return;
    }
    hung = true;
    rill_cancel(task, "it hangs");
}

static int tortured_main(void *arg)
{
    const struct scenario *scenario = arg;
    rill_loop *loop = rill_get_running_loop();
    rill_loop_set_error_handler(loop, swallow_error, NULL);
    progress = (struct progress){ 0 };
    begin_watch(rill_current_task());
    int r = scenario->main(NULL);
    for (size_t i = 0; i < kept_count; i++) /* who took his cancel and waits on must end as well */
        (void)rill_future_set_result_unless_cancelled(kept_futures[i], 0, NULL);
    rill_handle_cancel(watch);
    return r;
}

/* One run at the current point; the result of the run. */
static int try_point(void)
{
    struct footing before = footing_now();
    char what[200];
    snprintf(what, sizeof what, "%s, %s %lu", point.scenario->name, point.fault, point.number);
    trace_reset();
    hung = false;
    stuck_watch(what, under_valgrind() ? stuck_slow_s : stuck_s);
    int r = rill_run_with(RILL_CORO(tortured_main, (void *)(uintptr_t)point.scenario),
                          opts_of(point.scenario));
    allocations = rill__mem_count();
    rill__mem_fail_nth(0, false); /* which counts from 0 again */
    stuck_watch(NULL, 0);
    drop_kept();
    points++;
    if (hung || !same_footing(what, before))
        fail_msg("%s: %s", what, hung ? "it hangs" : "something was left behind");
    return r;
}

static void begin_torture(const struct scenario *scenario, const char *fault)
{
    skip_if_real(scenario);
    point = (struct point){ scenario, fault, 0 };
    torturing = true;
    rill__mem_fail_nth(0, false);
    (void)try_point(); /* warm: what is made once per process is there */
}

/* Where runs are slow each seventh point is tried. */
static unsigned step(void)
{
    return under_valgrind() ? 7 : 1;
}

static void fail_allocations(const struct scenario *scenario, const char *fault, bool forever)
{
    begin_torture(scenario, fault);
    uint64_t last = allocations;
    for (uint64_t nth = 1; nth <= last; nth += step()) {
        point.number = nth;
        rill__mem_fail_nth(nth, forever);
        (void)try_point();
    }
    torturing = false;
}

static void run_without_memory(void **state)
{
    fail_allocations(*state, "without allocation", false);
    fail_allocations(*state, "without memory from allocation", true);
}

#ifdef RILL_CHECK_SLOW
static unsigned long parks, cancel_at;
static bool main_only;

static void on_park(struct rill__task *task)
{
    if (main_only && task->future.loop->main != &task->future)
        return;
    if (++parks == cancel_at)
        rill_cancel(&task->future, "cancelled by the test");
}

static void cancel_awaits(const struct scenario *scenario, const char *fault)
{
    begin_torture(scenario, fault);
    rill__task_on_park = on_park;
    unsigned long before;
    do {
        cancel_at = cancel_at == 0 ? 1 : cancel_at + step();
        point.number = cancel_at;
        before = cancel_at;
        parks = 0;
        (void)try_point();
    } while (parks >= before);
    rill__task_on_park = NULL;
    torturing = false;
}

static void run_with_cancels(void **state)
{
    main_only = true;
    cancel_at = 0;
    cancel_awaits(*state, "main cancelled at await");
    main_only = false;
    cancel_at = 0;
    cancel_awaits(*state, "cancelled at await");
}
#else
static void run_with_cancels(void **state)
{
    (void)state;
    print_message("needs a build with RILL_CHECK_SLOW\n");
    skip();
}
#endif

static int end_torture(void **state)
{
    (void)state;
    stuck_watch(NULL, 0);
    rill__mem_fail_nth(0, false);
    torturing = false;
#ifdef RILL_CHECK_SLOW
    rill__task_on_park = NULL;
#endif
    return 0;
}

/* --- The group. --- */

enum { kinds = 3, name_size = 200 };

/* A sweep over many seeds asks for the plain runs alone. */
static bool wants_torture(void)
{
    const char *wanted = getenv("RILL_TORTURE");
    return wanted == NULL || strcmp(wanted, "0") != 0;
}

int run_scenarios(const char *group, const struct scenario *scenarios, size_t count)
{
    struct CMUnitTest *tests = rill_alloc_zero(count * kinds, sizeof *tests);
    char(*names)[name_size] = rill_alloc(count * kinds * sizeof *names);
    if (tests == NULL || names == NULL)
        return 1;
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        const struct scenario *scenario = &scenarios[i];
        tests[n++] = (struct CMUnitTest){
            .name = scenario->name,
            .test_func = scenario->test != NULL ? scenario->test : run_scenario,
            .initial_state = (void *)(uintptr_t)scenario,
        };
    }
    for (size_t i = 0; i < count; i++) {
        const struct scenario *scenario = &scenarios[i];
        if (scenario->main == NULL || scenario->once || !wants_torture())
            continue;
        snprintf(names[n], name_size, "%s_without_memory", scenario->name);
        tests[n] = (struct CMUnitTest){ .name = names[n],
                                        .test_func = run_without_memory,
                                        .teardown_func = end_torture,
                                        .initial_state = (void *)(uintptr_t)scenario };
        n++;
        snprintf(names[n], name_size, "%s_cancelled", scenario->name);
        tests[n] = (struct CMUnitTest){ .name = names[n],
                                        .test_func = run_with_cancels,
                                        .teardown_func = end_torture,
                                        .initial_state = (void *)(uintptr_t)scenario };
        n++;
    }
    int r = _cmocka_run_group_tests(group, tests, n, NULL, NULL);
    print_message("%lu runs with a failed allocation or a cancel\n", points);
    rill_free(tests);
    rill_free(names);
    return r;
}

bool under_tsan(void)
{
#if defined(__SANITIZE_THREAD__)
    return true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
    return true;
#endif
#endif
    return false;
}

/* It preloads a library of its own. */
bool under_valgrind(void)
{
    const char *preloaded = getenv("LD_PRELOAD");
    return preloaded != NULL && strstr(preloaded, "vgpreload") != NULL;
}

void skip_if_limits_are_kept(void)
{
    if (!under_valgrind())
        return;
    print_message("valgrind does not tell the kernel of the limit\n");
    skip();
}

rill_time long_wait(void)
{
    bool slow = under_tsan() || under_valgrind();
    return slow && !torturing ? RILL_SEC(2) : RILL_MS(300);
}

void leave_without_pidfds(void)
{
    int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (fd < 0) {
        print_message("pidfd_open(2) is not there: %s\n", rill_strerror(errno));
        exit(77);
    }
    close(fd);
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif

bool under_sanitizer(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(WITH_ASAN)
    return true;
#else
    return under_tsan() || under_valgrind();
#endif
}
