/* s29_as_completed.c - two generators as tasks, their results in the order in which they come. */
#include <rill.h>

#include <stdio.h>

static int taskIO_1(void *arg)
{
    (void)arg;
    puts("开始运行IO任务1...");
    int rc = rill_sleep(RILL_SEC(2));
    puts("IO任务1已完成，耗时2秒...");
    return rc < 0 ? rc : rill_return_fmt("taskIO_1");
}

static int taskIO_2(void *arg)
{
    (void)arg;
    puts("开始运行IO任务2...");
    int rc = rill_sleep(RILL_SEC(3));
    puts("IO任务2已完成，耗时3秒...");
    return rc < 0 ? rc : rill_return_fmt("taskIO_2");
}

static int start(void *arg)
{
    rill_gen **gens = arg;
    rill_as_completed it;
    rill_future *next, *tasks[] = { rill_create_task(rill_gen_coro(gens[0])),
                                    rill_create_task(rill_gen_coro(gens[1])) };
    int rc = rill_as_completed_init(&it, 2, tasks, RILL_FOREVER);
    while (rc >= 0 && (rc = rill_as_completed_next(&it, &next)) > 0)
        if ((rc = rill_await(next)) >= 0)
            puts(rill_value(next));
    rill_as_completed_fini(&it);
    rill_unref(tasks[0]);
    rill_unref(tasks[1]);
    return rc;
}

int main(void)
{
    rill_time begin = rill_now();
    rill_gen *gens[2] = { NULL, NULL };
    int rc = rill_gen_new(taskIO_1, NULL, &gens[0]);
    if (rc == 0)
        rc = rill_gen_new(taskIO_2, NULL, &gens[1]);
    if (rc == 0)
        rc = rill_run(RILL_CORO(start, gens));
    rill_gen_free(gens[0]);
    rill_gen_free(gens[1]);
    printf("所有IO任务总耗时%.5f秒\n", (double)(rill_now() - begin) / 1e9);
    return rill_exit_code(rc);
}
