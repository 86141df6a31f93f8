/* s01_decorated.c - a generator is no coroutine; what it is, the compiler knows. */
#include <rill.h>

#include <stdio.h>

static int hello(void *arg)
{
    (void)arg;
    puts("hello");
    return rill_yield(NULL, NULL);
}

int main(void)
{
    rill_gen *gen;
    int rc = rill_gen_new(hello, NULL, &gen);
    if (rc < 0)
        return rill_exit_code(rc);
    puts(RILL_IS_COROUTINE(gen) ? "True" : "False");
    puts(RILL_IS_GENERATOR(gen) ? "True" : "False");
    rill_gen_free(gen); /* it was never begun, so it never said hello */
    return 0;
}
