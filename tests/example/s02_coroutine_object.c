/* s02_coroutine_object.c - making a coroutine object runs nothing, and dropping it leaks nothing. */
#include <rill.h>

#include <stdio.h>

static int hello(void *arg)
{
    (void)arg;
    puts("hello");
    return 0;
}

int main(void)
{
    rill_coro coroutine = RILL_CORO(hello, NULL);
    puts(RILL_IS_COROUTINE(coroutine) ? "True" : "False");
    return 0;
}
