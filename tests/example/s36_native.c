/* s36_native.c - a coroutine object is a coroutine. */
#include <rill.h>

#include <stdio.h>

static int say_hello(void *arg)
{
    (void)arg;
    puts("hello");
    return 0;
}

int main(void)
{
    rill_coro coroutine = RILL_CORO(say_hello, NULL);
    puts(RILL_IS_COROUTINE(coroutine) ? "True" : "False");
    return 0;
}
