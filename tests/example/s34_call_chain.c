/* s34_call_chain.c - awaiting a coroutine is an ordinary call. */
#include <rill.h>

#include <stdio.h>

struct text {
    char octets[64];
};

static int one(struct text *result)
{
    puts("in one");
    snprintf(result->octets, sizeof result->octets, "one");
    return rill_sleep(0);
}

static int two(const struct text *first, struct text *result)
{
    puts("in two");
    snprintf(result->octets, sizeof result->octets, "two with arg %.40s", first->octets);
    return rill_sleep(0);
}

static int outer(void *arg)
{
    struct text first, second;
    (void)arg;
    puts("in outer");
    puts("waiting for one");
    int rc = one(&first);
    if (rc < 0)
        return rc;
    puts("waiting for two");
    rc = two(&first, &second);
    return rc < 0 ? rc : rill_return_fmt("('%s', '%s')", first.octets, second.octets);
}

int main(void)
{
    rill_loop *loop = rill_get_event_loop();
    if (loop == NULL)
        return rill_exit_code(-ENOMEM);
    rill_task *task = rill_ensure_future(RILL_CORO(outer, NULL));
    int rc = rill_run_until_complete(loop, task);
    if (rc >= 0)
        printf("result value: %s\n", (const char *)rill_value(task));
    rill_unref(task);
    rill_loop_close(loop);
    return rill_exit_code(rc);
}
