/* s21_one_thread.c - two tasks share one thread. */
#include <rill.h>

#include <pthread.h>
#include <stdio.h>

static unsigned long thread(void)
{
    return (unsigned long)pthread_self();
}

static int hello(void *arg)
{
    (void)arg;
    printf("Hello world! %lu\n", thread());
    int rc = rill_sleep(RILL_SEC(1));
    printf("Hello again! %lu\n", thread());
    return rc;
}

static int start(void *arg)
{
    (void)arg;
    rill_future *done[3], *tasks[] = { rill_create_task(RILL_CORO(hello, NULL)),
                                       rill_create_task(RILL_CORO(hello, NULL)) };
    int rc = rill_wait(2, tasks, RILL_ALL_COMPLETED, RILL_FOREVER, done);
    rill_unref(tasks[0]);
    rill_unref(tasks[1]);
    return rc;
}

int main(void)
{
    return rill_exit_code(rill_run(RILL_CORO(start, NULL)));
}
