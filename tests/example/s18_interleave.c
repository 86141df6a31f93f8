/* s18_interleave.c - A and B interrupt each other where they give up their turn. */
#include <rill.h>

#include <stdio.h>

static int a(void *arg)
{
    (void)arg;
    puts("1");
    puts("2");
    int rc = rill_sleep(0);
    puts("3");
    return rc;
}

static int b(void *arg)
{
    (void)arg;
    puts("x");
    puts("y");
    int rc = rill_sleep(0);
    puts("z");
    return rc;
}

static int start(void *arg)
{
    (void)arg;
    rill_future *tasks[] = { rill_create_task(RILL_CORO(a, NULL)),
                             rill_create_task(RILL_CORO(b, NULL)) };
    int rc = rill_join(rill_gather(2, tasks, 0));
    rill_unref(tasks[0]);
    rill_unref(tasks[1]);
    return rc;
}

int main(void)
{
    return rill_exit_code(rill_run(RILL_CORO(start, NULL)));
}
