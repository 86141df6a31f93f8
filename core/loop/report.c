/* report.c - errors that nobody took, and misuse: who is told.
 *
 * Besides the reports of stacks that overflowed and of steps that block, the default handler is the
 * only place where the library prints. */
#include "core/base/symbols.h"
#include "core/loop/loop.h"

#include <rill/future.h>
#include <rill/inspect.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void rill_loop_set_error_handler(rill_loop *loop, rill_error_fn *fn, void *arg)
{
    loop->error_fn = fn;
    loop->error_arg = arg;
}

static void print_error(const char *message, struct rill_future *future)
{
    char what[256] = "";
    const rill_err *err = NULL;
    if (future != NULL) {
        rill_repr(future, what, sizeof what);
        err = rill_done(future) ? rill_error(future) : NULL;
    }
    fprintf(stderr, "rill: %s%s%s", message, future != NULL ? ": " : "", what);
    if (err != NULL && err->msg != NULL)
        fprintf(stderr, ": %s", err->msg);
    if (err != NULL && err->where != NULL)
        fprintf(stderr, " (%s)", err->where);
    fputc('\n', stderr);
}

void rill__loop_report(struct rill_loop *loop, const char *message, struct rill_future *future)
{
    bool live = rill__loop_is_live(loop);
    if (!live || loop->error_fn == NULL || loop->reporting) {
        print_error(message, future); /* also for an error in the handler itself */
        return;
    }
    struct rill_future *task = loop->current, *outer = loop->values_of;
    struct rill_future *failed = rill__vars_task(future);
    loop->current = NULL; /* the handler is a callback, also if a task dropped the future */
    loop->values_of = failed != NULL ? failed : task;
    loop->reporting = true;
    loop->error_fn(loop, message, future, loop->error_arg);
    loop->reporting = false;
    loop->values_of = outer;
    loop->current = task;
}

int rill__misuse(int code)
{
    const struct rill_loop *loop = rill__loop_running;
    if (loop == NULL || !loop->opts.strict)
        return code;
    fprintf(stderr, "rill: misuse: %s\n", rill_errname(code));
    rill__symbols_write_here(STDERR_FILENO);
    (void)rill_dump(STDERR_FILENO);
    abort();
}
