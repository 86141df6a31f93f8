/* ctrl_c.c - timeouts inside of a timeout, a group, and a clean end on Ctrl-C: [MILLISECONDS].
 *
 * Three workers try something that sometimes takes too long, each try with a deadline of its own, all of
 * them together with one of ten seconds. Ctrl-C cancels the main task; the group cancels the workers, and
 * each puts away what it holds, which may take a moment, too. With an argument the program interrupts
 * itself after so many milliseconds. */
#include <rill.h>

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum { workers = 3 };

static struct worker {
    int tries, too_long;
    bool put_away;
} all[workers];

/* What is begun is also put away, within 50 ms, whatever ended it; more cancels are held back meanwhile. */
static int put_away(struct worker *worker)
{
    rill_scope scope = { 0 };
    int rc = rill_timeout(&scope, RILL_MS(50));
    if (rc < 0)
        return rc;
    rc = rill_scope_shield(&scope, RILL_MS(50));
    if (rc == 0)
        rc = rill_sleep(RILL_MS(5));
    worker->put_away = rc == 0;
    return rill_scope_leave(&scope, rc);
}

/* Every third one would take a minute. */
static int try_once(struct worker *worker)
{
    rill_scope scope = { 0 };
    int rc = rill_timeout(&scope, RILL_MS(8));
    if (rc < 0)
        return rc;
    rc = rill_sleep(++worker->tries % 3 == 0 ? RILL_SEC(60) : RILL_MS(3));
    return rill_scope_leave(&scope, rc);
}

static int work(void *arg)
{
    struct worker *worker = arg;
    int rc = 0;
    while (rc == 0) {
        rc = try_once(worker);
        if (rc == -ETIME) {
            worker->too_long++;
            rc = 0;
        }
    }
    return rill_first_error(rc, put_away(worker));
}

static int work_together(void)
{
    rill_group group = { 0 };
    int rc = rill_group_enter(&group);
    for (int i = 0; i < workers && rc == 0; i++)
        rc = rill_group_go(&group, RILL_CORO(work, &all[i]));
    rc = rill_group_leave(&group, rc);
    rill_group_fini(&group);
    return rc;
}

static void interrupt(void *arg)
{
    (void)arg;
    kill(getpid(), SIGINT);
}

static int start(void *arg)
{
    rill_scope scope = { 0 };
    const uint64_t *after_ms = arg;
    if (*after_ms > 0)
        rill_call_later(rill_get_running_loop(), RILL_MS(*after_ms), interrupt, NULL);
    int rc = rill_timeout(&scope, RILL_SEC(10));
    return rc < 0 ? rc : rill_scope_leave(&scope, work_together());
}

int main(int argc, char **argv)
{
    uint64_t after_ms = 0;
    if (argc > 1 && rill_parse_u64(rill_span_of(argv[1]), 10000, &after_ms) < 0)
        return 2;
    int rc = rill_run(RILL_CORO(start, &after_ms));
    for (int i = 0; i < workers; i++)
        printf("worker %d: %s, %s\n", i,
               all[i].too_long > 0 ? "some were too long" : "none too long",
               all[i].put_away ? "put away" : "left lying");
    puts(rc == -EINTR ? "interrupted" : rill_strerror(rc));
    return rill_exit_code(rc);
}
