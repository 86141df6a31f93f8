/* s41_await.c - come, wait two seconds, over. */
#include <rill.h>

#include <stdio.h>

static int func(void *arg)
{
    (void)arg;
    puts("come");
    int rc = rill_sleep(RILL_SEC(2));
    puts("over");
    return rc;
}

int main(void)
{
    return rill_exit_code(rill_run(RILL_CORO(func, NULL)));
}
