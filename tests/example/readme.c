/* readme.c - the program that README.md shows: two tasks at once, gathered. */
#include <rill.h>

#include <stdio.h>

static struct cup {
    const char *of;
    rill_time takes;
} tea = { "tea", RILL_MS(20) }, coffee = { "coffee", RILL_MS(30) };

static int brew(void *arg)
{
    const struct cup *cup = arg;
    int rc = rill_sleep(cup->takes);
    return rc < 0 ? rc : rill_return_fmt("a cup of %s", cup->of);
}

static int start(void *arg)
{
    (void)arg;
    rill_task *cups[] = { rill_create_task(RILL_CORO(brew, &tea)),
                          rill_create_task(RILL_CORO(brew, &coffee)) };
    int rc = rill_join(rill_gather(2, cups, 0));
    if (rc >= 0)
        printf("%s and %s\n", (char *)rill_value(cups[0]), (char *)rill_value(cups[1]));
    rill_unref(cups[0]);
    rill_unref(cups[1]);
    return rc;
}

int main(void)
{
    return rill_exit_code(rill_run(RILL_CORO(start, NULL)));
}
