/* s37_decorated.c - a generator is a generator, also one that a task may drive as a coroutine. */
#include <rill.h>

#include <stdio.h>

static int nap(void *arg)
{
    (void)arg;
    return rill_sleep(RILL_SEC(1));
}

int main(void)
{
    rill_gen *gen;
    int rc = rill_gen_new(nap, NULL, &gen);
    if (rc < 0)
        return rill_exit_code(rc);
    puts(RILL_IS_GENERATOR(gen) ? "True" : "False");
    puts(RILL_IS_COROUTINE(gen) ? "True" : "False");
    rill_gen_free(gen);
    return 0;
}
