/* s26_sum_by_send.c - a sum of what is sent; its end is a return, and the value is asked for. */
#include <rill.h>

#include <stdio.h>

static int sum(void *arg)
{
    int *total = arg;
    void *sent;
    for (;;) {
        int rc = rill_yield(total, &sent);
        if (rc < 0)
            return rc;
        if (sent == NULL)
            break;
        printf("加 %d\n", *(int *)sent);
        *total += *(int *)sent;
    }
    puts("加 None");
    return rill_gen_return(total);
}

int main(void)
{
    int total = 0, two = 2, three = 3;
    rill_gen *gen;
    int rc = rill_gen_new(sum, &total, &gen);
    if (rc < 0)
        return rill_exit_code(rc);
    rc = rill_gen_next(gen, NULL);
    if (rc > 0)
        rc = rill_gen_send(gen, &two, NULL);
    if (rc > 0)
        rc = rill_gen_send(gen, &three, NULL);
    if (rc > 0)
        rc = rill_gen_send(gen, NULL, NULL);
    if (rc == 0)
        printf("StopIteration: %d\n", *(int *)rill_gen_value(gen));
    rill_gen_free(gen);
    return rill_exit_code(rc);
}
