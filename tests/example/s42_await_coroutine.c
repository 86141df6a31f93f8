/* s42_await_coroutine.c - await a coroutine that has a result. */
#include <rill.h>

#include <stdio.h>

static int others(const char **ret_value)
{
    puts("start");
    int rc = rill_sleep(RILL_SEC(5));
    if (rc < 0)
        return rc;
    puts("end");
    *ret_value = "返回值";
    return 0;
}

static int func(void *arg)
{
    const char *value;
    (void)arg;
    puts("执行协程内部代码");
    int rc = others(&value);
    if (rc == 0)
        printf("IO请求结束，结果为 %s\n", value);
    return rc;
}

int main(void)
{
    return rill_exit_code(rill_run(RILL_CORO(func, NULL)));
}
