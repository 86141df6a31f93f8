/* s24_blocking_io.c - two tasks that block, in series: their times add up. */
#include <rill.h>

#include <stdio.h>
#include <time.h>

static void work(int number, int seconds)
{
    struct timespec span = { .tv_sec = seconds };
    printf("开始运行IO任务%d...\n", number);
    nanosleep(&span, NULL);
    printf("IO任务%d已完成，耗时%d秒...\n", number, seconds);
}

int main(void)
{
    rill_time begin = rill_now();
    work(1, 2);
    work(2, 3);
    printf("所有IO任务总耗时%.5f秒\n", (double)(rill_now() - begin) / 1e9);
    return 0;
}
