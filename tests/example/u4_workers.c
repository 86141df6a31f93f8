/* u4_workers.c - processes and coroutines: four workers of one hundred tasks each. */
#include <rill.h>

#include <stdio.h>

enum { workers = 4, tasks_each = 100 };

static int one_task(void *arg)
{
    (void)arg;
    int rc = rill_sleep(RILL_MS(10));
    return rc < 0 ? rc : 1;
}

static int worker(void *arg)
{
    rill_task *tasks[tasks_each];
    int sum = 0;
    (void)arg;
    for (int i = 0; i < tasks_each; i++)
        tasks[i] = rill_create_task(RILL_CORO(one_task, NULL));
    int rc = rill_join(rill_gather(tasks_each, tasks, 0));
    for (int i = 0; i < tasks_each; i++) {
        sum += rc < 0 ? 0 : rill_result(tasks[i]);
        rill_unref(tasks[i]);
    }
    return rc < 0 ? rc : sum;
}

int main(void)
{
    int rc = rill_run_workers(workers, RILL_CORO(worker, NULL));
    if (rc >= 0)
        printf("%d\n", rc);
    return rill_exit_code(rc);
}
