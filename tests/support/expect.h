/* expect.h - what tasks expect, and runs that must leave nothing behind.
 *
 * cmocka's asserts leave by longjmp, which must not cross a coroutine's stack. A task says EXPECT
 * instead: it notes the place and returns from the coroutine; the run then fails as a whole.
 *
 * A scenario is a coroutine, run as the main task of a loop of its own. After the run all memory and
 * all descriptors must have been given back. Each scenario then runs again with every allocation
 * failing, and with a cancel at every await: it may end in any way, but it must end, and leave
 * nothing. So a scenario owns what it makes by the OWNED_ marks below, and keeps what its children
 * use in static memory. */
#pragma once

#include <rill.h>

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

/* Leave the coroutine with -EBADMSG unless `condition` holds. */
#define EXPECT(condition)                                         \
    do {                                                          \
        if (!(condition))                                         \
            return expect_failed(__FILE__, __LINE__, #condition); \
    } while (0)

/* The same for two numbers; the message names both. */
#define EXPECT_IS(got, wanted)                                                       \
    do {                                                                             \
        long long got_ = (long long)(got), wanted_ = (long long)(wanted);            \
        if (got_ != wanted_)                                                         \
            return expect_differs(__FILE__, __LINE__, #got, got_, #wanted, wanted_); \
    } while (0)

/* The same for the trace. */
#define EXPECT_TRACE(wanted)                                               \
    do {                                                                   \
        if (strcmp(traced(), (wanted)) != 0)                               \
            return expect_failed(__FILE__, __LINE__, traced_is((wanted))); \
    } while (0)

/* Note a failure without leaving: for callbacks. */
#define EXPECT_HERE(condition) \
    ((condition) ? (void)0 : (void)expect_failed(__FILE__, __LINE__, #condition))

int expect_failed(const char *file, int line, const char *text);
int expect_differs(const char *file, int line, const char *what, long long got,
                   const char *wanted_text, long long wanted);

/* Whether an error has this text; false also if it has lost it for lack of memory. */
static inline bool says(const rill_err *error, const char *text)
{
    return error != NULL && error->msg != NULL && strcmp(error->msg, text) == 0;
}

/* The order of things, a letter each; empty at the begin of each run by run_main. */
void trace(char letter);
void trace_reset(void);
const char *traced(void);
const char *traced_is(const char *wanted);

/* Given back when the block is left. */
#define OWNED_FUTURE   __attribute__((cleanup(expect_drop_future)))
#define OWNED_STREAM   __attribute__((cleanup(expect_drop_stream)))
#define OWNED_LISTENER __attribute__((cleanup(expect_drop_listener)))
#define OWNED_FD       __attribute__((cleanup(expect_drop_fd)))

static inline void expect_drop_future(rill_future **future)
{
    rill_unref(*future);
}

static inline void expect_drop_stream(rill_stream **stream)
{
    rill_stream_abort(*stream);
    rill_stream_unref(*stream);
}

/* Close, wait until that is done, and drop the reference: *stream is NULL then. */
int end_stream(rill_stream **stream) RILL_SUSPENDS;

static inline void expect_drop_listener(rill_listener **listener)
{
    rill_listener_close(*listener);
}

void expect_drop_fd(int *fd);

/* A future that other tasks use as well: given back after the run.   Owns: takes it.   Returns: it. */
rill_future *kept(rill_future *future);

/* Await all of them, until one fails: who waits for one that could not even begin would wait for ever.
 * Returns: 0; the error of the first that failed; why there was no wait. */
int join_all(size_t count, rill_future *const futures[]);

/* Whether all of these tasks could begin; call it a turn after they were made. Others would wait for one
 * that could not.   Returns: 0; -ENOMEM. */
int all_begun(size_t count, rill_future *const tasks[]);

/* Call `fn(arg)` when the run has ended: what tasks use until then is given back there. */
void after_run(rill_call_fn *fn, void *arg);

/* Coroutines for everybody. */
int sleep_for_ever(void *arg);
int give_up_turns(void *arg); /* as many as the int that `arg` points to; none for NULL */
int return_int(void *arg);    /* what the int that `arg` points to says */

struct scenario {
    const char *name;
    rill_fn *main;              /* run as a main task */
    void (*test)(void **state); /* or: a test that looks at runs from outside */
    const rill_loop_opts *opts;
    bool once;        /* not run again with failures: it is large, or depends on no fault */
    const char *real; /* why it cannot run in the simulator, or NULL */
};

#define SCENARIO(function)                    \
    {                                         \
        .name = #function, .main = (function) \
    }
#define SCENARIO_ONCE(function)                             \
    {                                                       \
        .name = #function, .main = (function), .once = true \
    }
#define SCENARIO_WITH(function, opts_)                         \
    {                                                          \
        .name = #function, .main = (function), .opts = (opts_) \
    }
#define SCENARIO_REAL(function, why)                         \
    {                                                        \
        .name = #function, .main = (function), .real = (why) \
    }
#define OUTSIDE(function)                     \
    {                                         \
        .name = #function, .test = (function) \
    }

/* Run all of them as one cmocka group.   Returns: the exit status of the program. */
int run_scenarios(const char *group, const struct scenario *scenarios, size_t count);

#define RUN_SCENARIOS(group, scenarios) \
    run_scenarios((group), (scenarios), sizeof(scenarios) / sizeof *(scenarios))

/* For tests that look from outside: run `fn` as the main task; the test fails if an expectation did or
 * something is left behind.   Returns: the result of the run. */
int run_main(rill_fn *fn, void *arg);
int run_main_with(rill_fn *fn, void *arg, const rill_loop_opts *opts);

/* Memory blocks and descriptors in use; two of them are compared. */
struct footing {
    int64_t blocks;
    int descriptors;
};

struct footing footing_now(void);

/* Whether the environment puts loops on the simulator. */
bool in_simulator(void);
/* Whether this build runs under a sanitizer that brings its own memory or signal handling, or under
 * valgrind. */
bool under_sanitizer(void);
/* Whether it runs under valgrind, at a twentieth of the speed. */
bool under_valgrind(void);
/* Skip this test, outside of tasks, where the kernel is not told of limits of descriptors: valgrind keeps
 * them to itself. */
void skip_if_limits_are_kept(void);
/* How long those wait who are to be interrupted by a failure: not for ever, since under torture that may not
 * come, and there not for long; else longer than a slow build may take to come to it. */
rill_time long_wait(void);
/* Leave a program, as skipped, whose tests want child processes, where nobody can hold a descriptor of one:
 * not every valgrind knows the call. */
void leave_without_pidfds(void);
/* Whether it runs under ThreadSanitizer, which has room for some thousand tasks only. */
bool under_tsan(void);
