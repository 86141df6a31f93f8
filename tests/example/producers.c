/* producers.c - producers and consumers over a bounded queue, and how it all comes to a clean end.
 *
 * The bound makes fast producers wait. When the last of them has ended the queue is shut down: what is in
 * it is still taken, and then each consumer is told. Whatever fails, nobody is left and no item is lost. */
#include <rill.h>

#include <stdio.h>

enum { producers = 3, consumers = 2, items_each = 5, room = 4 };

static rill_queue queue;
static int made, taken;

static int produce(void *arg)
{
    rill_time pace = RILL_MS(*(int *)arg);
    for (int i = 0; i < items_each; i++) {
        int rc = rill_sleep(pace);
        if (rc == 0)
            rc = rill_queue_put(&queue, arg);
        if (rc < 0)
            return rc;
        made++;
    }
    return 0;
}

static int consume(void *arg)
{
    void *item;
    int rc;
    while ((rc = rill_queue_get(&queue, &item)) == 0) {
        taken++;
        rill_queue_task_done(&queue);
        rc = rill_sleep(RILL_MS(*(int *)arg));
        if (rc < 0)
            return rc;
    }
    return rc == -ESHUTDOWN ? 0 : rc;
}

/* Start `count` tasks, each with a pace of its own, and wait for all of them. */
static int all_of(rill_fn *fn, int count, int *paces)
{
    rill_group group = { 0 };
    int rc = rill_group_enter(&group);
    if (rc < 0)
        return rc;
    for (int i = 0; i < count && rc == 0; i++)
        rc = rill_group_go(&group, RILL_CORO(fn, &paces[i]));
    rc = rill_group_leave(&group, rc);
    rill_group_fini(&group);
    return rc;
}

static int all_producers(void *arg)
{
    int paces[producers] = { 1, 2, 3 };
    (void)arg;
    int rc = all_of(produce, producers, paces);
    rill_queue_shutdown(&queue, rc < 0); /* after an error nobody wants what is left */
    return rc;
}

static int all_consumers(void *arg)
{
    int paces[consumers] = { 4, 7 };
    (void)arg;
    return all_of(consume, consumers, paces);
}

static int start(void *arg)
{
    (void)arg;
    rill_future *sides[] = { rill_create_task(RILL_CORO(all_producers, NULL)),
                             rill_create_task(RILL_CORO(all_consumers, NULL)) };
    int rc = rill_join(rill_gather(2, sides, 0));
    rill_unref(sides[0]);
    rill_unref(sides[1]);
    return rc;
}

int main(void)
{
    int rc = rill_queue_init(&queue, &(rill_queue_opts){ .maxsize = room });
    if (rc == 0)
        rc = rill_run(RILL_CORO(start, NULL));
    printf("%d items made, %d taken, %zu left\n", made, taken, rill_queue_size(&queue));
    rill_queue_fini(&queue);
    return rill_exit_code(rc);
}
