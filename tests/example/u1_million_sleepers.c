/* u1_million_sleepers.c - a million tasks asleep at once, counted by their results: [COUNT]. */
#include <rill.h>

#include <stdio.h>

static struct {
    uint64_t count;
    uint64_t asleep, most; /* now; at the same time at the most */
    rill_time until;
} all = { .count = 1000000 };

static int sleeper(void *arg)
{
    (void)arg;
    if (++all.asleep > all.most)
        all.most = all.asleep;
    int rc = rill_sleep(all.until - rill_now());
    all.asleep--;
    return rc < 0 ? rc : 1;
}

static int start(void *arg)
{
    rill_task **tasks = arg;
    all.until = rill_now() + RILL_SEC(1) + RILL_US(6) * (rill_time)all.count;
    for (uint64_t i = 0; i < all.count; i++)
        tasks[i] = rill_create_task(RILL_CORO(sleeper, NULL));
    int rc = rill_join(rill_gather(all.count, tasks, 0));
    uint64_t results = 0;
    for (uint64_t i = 0; i < all.count; i++) {
        if (rc >= 0)
            results += (uint64_t)rill_result(tasks[i]);
        rill_unref(tasks[i]);
    }
    printf("%llu asleep at once\n", (unsigned long long)all.most);
    printf("%llu results\n", (unsigned long long)results);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc > 1 && rill_parse_u64(rill_span_of(argv[1]), 10000000, &all.count) < 0)
        return 2;
    rill_task **tasks = rill_alloc_zero(all.count, sizeof *tasks);
    rill_loop_opts opts = { .slow = RILL_FOREVER }; /* a million at a time may take their time */
    int rc = tasks != NULL ? rill_run_with(RILL_CORO(start, tasks), &opts) : -ENOMEM;
    rill_free(tasks);
    return rill_exit_code(rc);
}
