/* torture.c - points at which something goes wrong, one run for each. */
#include "tests/support/torture.h"

#include "core/base/mem.h"
#include "core/op/fault.h"
#include "core/task/task.h"
#include "tests/support/expect.h"
#include "tests/support/stuck.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef RILL_CHECK_SLOW

enum { stuck_s = 300, parks_most = 200000 };

/* What goes wrong at an await. */
enum how {
    CANCEL,       /* main is cancelled */
    CANCEL_LATER, /* the same, in the turn after: beside the completion that is waited for */
    CANCEL_TWICE, /* and again, `second` awaits later, in the clean-up */
    CANCEL_ANY,   /* whatever task waits there */
    DEADLINE,     /* a deadline of main comes */
    HARD,         /* main is in the hard phase from there on */
    HOWS
};

static const char *const how_names[HOWS] = { "cancel",     "late cancel", "two cancels",
                                             "any cancel", "deadline",    "hard" };

int torture_held;

static struct {
    const struct torture_program *program;
    rill_loop_opts opts;
    rill_time patience; /* until a program that waits is told to give up */
    size_t sample;      /* points of a sort, at most */
    char what[160];     /* goes wrong, for messages */
    bool may_wait;      /* a program may wait for ever for what went wrong: it is told to give up */
    enum how how;
    unsigned long at, second; /* await; 0: none */
    /* Of one run: */
    unsigned long parks, main_parks;
    rill_task *main;
    rill_scope scope;
    struct progress progress;
    rill_handle watch;
    bool gave_up, hung;
} now;

static unsigned long points, failures;

/* --- One run. --- */

static void ask(void)
{
    switch (now.how) {
    case DEADLINE: (void)rill_scope_reschedule(&now.scope, rill_now()); break;
    case HARD: (void)rill_scope_cancel(&now.scope, "torture"); break;
    default: rill_cancel(now.main, "torture"); break;
    }
}

static void ask_later(void *arg)
{
    (void)arg;
    if (now.main != NULL)
        ask();
}

static void on_park(struct rill__task *task)
{
    bool is_main = &task->future == now.main;
    now.main_parks += is_main;
    if (++now.parks > parks_most) {
        fprintf(stderr, "%s, %s: more than %d awaits\n", now.program->name, now.what, parks_most);
        abort();
    }
    if (now.at == 0)
        return;
    if (now.how == CANCEL_ANY) {
        if (now.parks == now.at)
            rill_cancel(&task->future, "torture");
    } else if (is_main && now.main_parks == now.at + now.second && now.second > 0) {
        ask();
    } else if (is_main && now.main_parks == now.at && now.how == CANCEL_LATER) {
        (void)rill_call_soon(task->future.loop, ask_later, NULL);
    } else if (is_main && now.main_parks == now.at) {
        ask();
    }
}

static void look_again(rill_call_fn *fn, rill_time patience)
{
    now.watch = rill_call_later(rill_get_running_loop(), patience, fn, NULL);
}

static void on_hang(void *arg)
{
    (void)arg;
    if (gets_on(&now.progress)) {
        look_again(on_hang, 10 * now.patience);
        return;
    }
    now.hung = true;
    rill__task_harden(rill__task_of(now.main));
}

/* A machine under load is no bug: whoever need not wait gets more time. */
static void give_up(void *arg)
{
    (void)arg;
    if (!now.may_wait && gets_on(&now.progress)) {
        look_again(give_up, 10 * now.patience);
        return;
    }
    now.gave_up = true;
    now.progress = (struct progress){ 0 };
    rill_cancel(now.main, "it takes too long");
    look_again(on_hang, 10 * now.patience);
}

static int run_program(void)
{
    now.scope = (rill_scope){ 0 };
    int r = rill_scope_enter(&now.scope);
    if (r < 0)
        return r;
    if (now.how == HARD && now.at > 0)
        r = rill_scope_set_grace(&now.scope, 0);
    if (r == 0)
        r = now.program->main(NULL);
    return rill_scope_leave(&now.scope, r);
}

static int tortured(void *arg)
{
    rill_loop *loop = rill_get_running_loop();
    (void)arg;
    rill_loop_set_error_handler(loop, swallow_error, NULL);
    now.main = rill_current_task();
    now.progress = (struct progress){ 0 };
    look_again(give_up, now.may_wait ? now.patience : 10 * now.patience);
    int r = run_program();
    rill_handle_cancel(now.watch);
    now.main = NULL;
    return r;
}

static void complain(const char *text, long long number)
{
    failures++;
    fprintf(stderr, "%s, %s: %s (%lld)\n", now.program->name, now.what, text, number);
}

static int run_once(void)
{
    struct footing before = footing_now();
    char what[256];
    snprintf(what, sizeof what, "%s, %s", now.program->name, now.what);
    now.parks = now.main_parks = 0;
    now.main = NULL;
    now.gave_up = now.hung = false;
    torture_held = 0;
    stuck_watch(what, stuck_s);
    int r = rill_run_with(RILL_CORO(tortured, NULL), &now.opts);
    rill__mem_fail_nth(0, false);
    stuck_watch(NULL, 0);
    points++;
    struct footing after = footing_now();
    if (r == -EILSEQ)
        complain("something was lost, or came wrong", r);
    if (now.hung)
        complain("it does not end when it is cancelled, within ms", now.patience / 1000000);
    if (now.gave_up && !now.may_wait)
        complain("it waits for ever, or for more than ms", 10 * now.patience / 1000000);
    if (torture_held != 0)
        complain("clean-ups are missing", torture_held);
    if (after.blocks != before.blocks)
        complain("blocks of memory leaked", after.blocks - before.blocks);
    if (after.descriptors != before.descriptors)
        complain("descriptors leaked", after.descriptors - before.descriptors);
    return r;
}

/* --- Points. --- */

/* Every how many-th of `total` points is tried. */
static unsigned long step_of(unsigned long total, size_t sample)
{
    return total / sample + 1;
}

static struct rill__fault_counts run_clean(void)
{
    static const struct rill__fault_plan none = { .kind = RILL__FAULT_ANY };
    now.at = now.second = 0;
    now.may_wait = false;
    snprintf(now.what, sizeof now.what, "as it is");
    rill__fault_set(&none);
    rill__mem_fail_nth(0, false);
    int r = run_once();
    struct rill__fault_counts counts = *rill__fault_counts();
    rill__fault_set(NULL);
    if (r < 0)
        complain("it ended with an error", r);
    return counts;
}

static unsigned long count_allocations(void)
{
    snprintf(now.what, sizeof now.what, "as it is, once more");
    rill__mem_fail_nth(0, false);
    now.parks = now.main_parks = 0;
    int r = rill_run_with(RILL_CORO(tortured, NULL), &now.opts);
    unsigned long count = rill__mem_count();
    if (r < 0)
        complain("it ended with an error", r);
    return count;
}

static void without_memory(bool forever)
{
    unsigned long total = count_allocations();
    now.may_wait = true; /* for a child that could not be made */
    for (unsigned long nth = 1; nth <= total; nth += step_of(total, now.sample)) {
        snprintf(now.what, sizeof now.what, "without %s allocation %lu",
                 forever ? "memory from" : "the", nth);
        rill__mem_fail_nth(nth, forever);
        (void)run_once();
    }
}

static void at_awaits(enum how how, unsigned long second)
{
    now.how = how;
    now.second = second;
    now.may_wait = how == CANCEL_ANY;
    unsigned long total = how == CANCEL_ANY ? now.parks : now.main_parks;
    unsigned long step = step_of(total, now.sample);
    for (unsigned long at = 1; at <= total; at += step) {
        now.at = at;
        snprintf(now.what, sizeof now.what, "%s at await %lu", how_names[how], at);
        (void)run_once();
    }
    now.at = now.second = 0;
    (void)run_clean(); /* it still works, and the counts of awaits are those of a clean run */
}

/* --- Errors by kind of operation. --- */

enum { errors_most = 8 };

static const int *errors_of(enum rill__op_kind kind)
{
    static const int
        accept[errors_most] = { ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPROTO, EINTR },
        connect[errors_most] = { ECONNREFUSED, ETIMEDOUT, ENETUNREACH, EADDRNOTAVAIL, EINTR },
        receive[errors_most] = { ECONNRESET, ETIMEDOUT, ENOMEM, EINTR, EAGAIN, ECANCELED },
        many[errors_most] = { ECONNRESET, ETIMEDOUT, ENOMEM, ENOBUFS, ECANCELED },
        send[errors_most] = { EPIPE, ECONNRESET, ENOBUFS, ENOMEM, EINTR, EAGAIN, ECANCELED },
        read[errors_most] = { EIO, ENOMEM, EINTR, EISDIR, ECANCELED },
        write[errors_most] = { ENOSPC, EIO, EDQUOT, EFBIG, EINTR, ECANCELED },
        open[errors_most] = { ENOENT, EACCES, EMFILE, ENFILE, ENOMEM, ELOOP, ECANCELED },
        socket[errors_most] = { EMFILE, ENFILE, ENOBUFS, ENOMEM, EAFNOSUPPORT },
        bind[errors_most] = { EADDRINUSE, EACCES, ENOMEM },
        option[errors_most] = { ENOPROTOOPT, ENOMEM, ENOTCONN },
        other[errors_most] = { EIO, ENOMEM };
    switch (kind) {
    case RILL__OP_ACCEPT:
    case RILL__OP_ACCEPT_NOW: return accept;
    case RILL__OP_CONNECT: return connect;
    case RILL__OP_RECV: return receive;
    case RILL__OP_RECV_MANY: return many;
    case RILL__OP_SEND:
    case RILL__OP_SEND_NOW:
    case RILL__OP_SENDMSG_NOW:
    case RILL__OP_SEND_MORE:
    case RILL__OP_SENDFILE: return send;
    case RILL__OP_READ:
    case RILL__OP_READV: return read;
    case RILL__OP_WRITE:
    case RILL__OP_WRITEV: return write;
    case RILL__OP_OPENAT2:
    case RILL__OP_OPENAT2_CACHED: return open;
    case RILL__OP_SOCKET: return socket;
    case RILL__OP_BIND:
    case RILL__OP_LISTEN: return bind;
    case RILL__OP_SETSOCKOPT:
    case RILL__OP_GETSOCKNAME:
    case RILL__OP_GETPEERNAME:
    case RILL__OP_SHUTDOWN:
    case RILL__OP_UNACKED: return option;
    default: return other;
    }
}

static void fail_op(int kind, uint64_t nth, bool forever, int error)
{
    struct rill__fault_plan plan = { kind, nth, forever, -error, .cap = 0 };
    snprintf(now.what, sizeof now.what, "%s %llu %s with %s",
             rill__op_word((enum rill__op_kind)kind), (unsigned long long)nth,
             forever ? "and all after it fail" : "fails", rill_errname(-error));
    now.may_wait = forever;
    rill__fault_set(&plan);
    (void)run_once();
    rill__fault_set(NULL);
}

static void fail_kind(int kind, uint64_t total)
{
    const int *errors = errors_of((enum rill__op_kind)kind);
    for (int i = 0; i < errors_most && errors[i] != 0; i++) {
        bool passing = errors[i] == EINTR || errors[i] == EAGAIN; /* nothing is so for ever */
        for (uint64_t nth = 1; nth <= total; nth += step_of(total, now.sample / 4 + 1)) {
            fail_op(kind, nth, false, errors[i]);
            if (!passing && (i == 0 || now.opts.sim != NULL))
                fail_op(kind, nth, true, errors[i]);
        }
    }
}

static void fail_ops(const struct rill__fault_counts *counts)
{
    for (int kind = 0; kind < RILL__FAULT_KINDS; kind++)
        if (counts->seen[kind] > 0)
            fail_kind(kind, counts->seen[kind]);
}

static void fall_short(void)
{
    static const uint32_t caps[] = { 1, 7, 1000 };
    for (size_t i = 0; i < sizeof caps / sizeof *caps; i++) {
        struct rill__fault_plan plan = { .kind = RILL__FAULT_ANY, .cap = caps[i] };
        snprintf(now.what, sizeof now.what, "at most %u octets at once", caps[i]);
        now.may_wait = false;
        rill__fault_set(&plan);
        int r = run_once();
        rill__fault_set(NULL);
        if (r < 0)
            complain("short results are no errors, but it ended with one", r);
    }
}

static void torture_here(const char *where)
{
    unsigned long before = points;
    if (under_valgrind() && run_once() == -ENOSYS) {
        printf("%s on the %s: valgrind has no openat2\n", now.program->name, where);
        return;
    }
    (void)run_clean(); /* warm: what is made once per process is there */
    struct rill__fault_counts counts = run_clean();
    unsigned long awaits = now.parks;
    without_memory(false);
    without_memory(true);
    (void)run_clean();
    for (int how = 0; how < HOWS; how++)
        if (how != CANCEL_TWICE)
            at_awaits((enum how)how, 0);
    for (unsigned long second = 1; second <= 3; second++)
        at_awaits(CANCEL_TWICE, second);
    fail_ops(&counts);
    fall_short();
    (void)run_clean();
    uint64_t ops = 0;
    for (int kind = 0; kind < RILL__FAULT_KINDS; kind++)
        ops += counts.seen[kind];
    printf("%s on the %s: %lu points (%lu awaits, %llu operations)\n", now.program->name, where,
           points - before, awaits, (unsigned long long)ops);
    fflush(stdout);
}

static void on_ring(void)
{
    now.opts = (rill_loop_opts){ .grace = RILL_SEC(1) };
    now.patience = under_valgrind() ? RILL_SEC(2) : RILL_MS(500);
    now.sample = under_valgrind() ? 2 : 12;
    torture_here("ring");
}

static void on_simulator(uint64_t seed)
{
    rill_sim_opts sim = { .seed = seed, .shuffle = seed > 1 };
    now.opts = (rill_loop_opts){ .grace = RILL_SEC(1), .sim = &sim };
    now.patience = RILL_SEC(60);
    now.sample = under_valgrind() ? 8 : 400;
    char where[64];
    snprintf(where, sizeof where, "simulator, seed %llu", (unsigned long long)seed);
    torture_here(where);
    now.opts.sim = NULL;
}

int torture_run(const struct torture_program *programs, size_t count)
{
    const char *wanted = getenv("RILL_TORTURE_SEEDS");
    uint64_t seeds = 2;
    if (wanted != NULL && rill_parse_u64(rill_span_of(wanted), 1000000, &seeds) < 0)
        return 2;
    rill__task_on_park = on_park;
    for (size_t i = 0; i < count; i++) {
        now.program = &programs[i];
        for (uint64_t seed = 1; seed <= seeds; seed++)
            on_simulator(seed);
        on_ring();
    }
    rill__task_on_park = NULL;
    printf("%lu points tried, %lu failures\n", points, failures);
    return failures == 0 ? 0 : 1;
}

#else

int torture_held;

int torture_run(const struct torture_program *programs, size_t count)
{
    (void)programs;
    printf("%zu programs: needs a build with RILL_CHECK_SLOW\n", count);
    return 77;
}

#endif
