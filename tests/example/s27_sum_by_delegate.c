/* s27_sum_by_delegate.c - caller, delegate, sub-generator: what is sent passes straight through. */
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

static int delegate(void *arg)
{
    rill_gen *sub;
    void *total;
    int rc = rill_gen_new(sum, arg, &sub);
    if (rc < 0)
        return rc;
    rc = rill_yield_from(sub, &total);
    if (rc == 0)
        printf("加和总数是: %d\n", *(int *)total);
    rill_gen_free(sub);
    return rc;
}

int main(void)
{
    int total = 0, two = 2, three = 3;
    int *sends[] = { NULL, &two, &three, NULL };
    rill_gen *gen;
    int rc = rill_gen_new(delegate, &total, &gen);
    if (rc < 0)
        return rill_exit_code(rc);
    rc = 1;
    for (size_t i = 0; i < sizeof sends / sizeof *sends && rc > 0; i++)
        rc = rill_gen_send(gen, sends[i], NULL);
    rill_gen_free(gen);
    return rill_exit_code(rc);
}
