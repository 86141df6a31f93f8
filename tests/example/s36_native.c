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
    puts(RILL_IS_COROUTINE(RILL_CORO(say_hello, NULL)) ? "True" : "False");
    return 0;
}
