/* s35_generator_chain.c - the call chain again, with generators that delegate to each other. */
#include <rill.h>

#include <stdio.h>

static int one(void *arg)
{
    static char result[] = "one";
    (void)arg;
    puts("in one");
    return rill_gen_return(result);
}

static int two(void *arg)
{
    static char result[64];
    puts("in two");
    snprintf(result, sizeof result, "two with arg %s", (const char *)arg);
    return rill_gen_return(result);
}

static int ask(rill_coro whom, void **ret_value)
{
    rill_gen *sub;
    int rc = rill_gen_new_of(whom, &sub);
    if (rc < 0)
        return rc;
    rc = rill_yield_from(sub, ret_value);
    rill_gen_free(sub);
    return rc;
}

static int outer(void *arg)
{
    void *first = arg, *second;
    puts("in outer");
    puts("waiting for one");
    int rc = ask(RILL_CORO(one, NULL), &first);
    if (rc < 0)
        return rc;
    puts("waiting for two");
    rc = ask(RILL_CORO(two, first), &second);
    return rc < 0 ? rc : rill_return_fmt("('%s', '%s')", (char *)first, (char *)second);
}

int main(void)
{
    rill_gen *gen;
    int rc = rill_gen_new(outer, NULL, &gen);
    if (rc < 0)
        return rill_exit_code(rc);
    rill_task *task = rill_ensure_future(rill_gen_coro(gen));
    rc = rill_run_until_complete(rill_get_event_loop(), task);
    if (rc >= 0)
        printf("result value: %s\n", (const char *)rill_value(task));
    rill_unref(task);
    rill_loop_close(rill_get_event_loop());
    rill_gen_free(gen);
    return rill_exit_code(rc);
}
