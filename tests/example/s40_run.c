/* s40_run.c - the shortest program. */
#include <rill.h>

#include <stdio.h>

static int func(void *arg)
{
    (void)arg;
    puts("jugeng");
    return 0;
}

int main(void)
{
    return rill_exit_code(rill_run(RILL_CORO(func, NULL)));
}
