/* s14_kinds.c - a generator, and a coroutine object: which is which. */
#include <rill.h>

#include <stdio.h>

static int old_style(void *arg)
{
    (void)arg;
    return rill_yield(NULL, NULL);
}

static int native(void *arg)
{
    (void)arg;
    return rill_sleep(RILL_SEC(1));
}

int main(void)
{
    rill_gen *decorated;
    int rc = rill_gen_new(old_style, NULL, &decorated);
    if (rc < 0)
        return rill_exit_code(rc);
    puts(RILL_IS_GENERATOR(decorated) ? "True" : "False");
    puts(RILL_IS_COROUTINE(decorated) ? "True" : "False");
    rill_gen_free(decorated);
    rill_coro coroutine = RILL_CORO(native, NULL);
    puts(RILL_IS_COROUTINE(coroutine) ? "True" : "False");
    return 0;
}
