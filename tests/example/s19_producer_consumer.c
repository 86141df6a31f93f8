/* s19_producer_consumer.c - a consumer that is a generator: it yields answers and is sent work. */
#include <rill.h>

#include <stdio.h>

static int consumer(void *arg)
{
    static char ok[] = "200 OK";
    void *answer = NULL, *work;
    (void)arg;
    for (;;) {
        int rc = rill_yield(answer, &work);
        if (rc < 0)
            return rc; /* closed */
        printf("[CONSUMER] consuming %d...\n", *(int *)work);
        answer = ok;
    }
}

static int produce(rill_gen *to)
{
    void *answer;
    int rc = rill_gen_send(to, NULL, &answer); /* up to its first yield */
    for (int n = 1; n <= 5 && rc > 0; n++) {
        printf("[PRODUCE] Producing %d...\n", n);
        rc = rill_gen_send(to, &n, &answer);
        if (rc > 0)
            printf("[PRODUCE] Consumer return:%s\n", (const char *)answer);
    }
    return rill_first_error(rc, rill_gen_close(to));
}

int main(void)
{
    rill_gen *gen;
    int rc = rill_gen_new(consumer, NULL, &gen);
    if (rc == 0) {
        rc = produce(gen);
        rill_gen_free(gen);
    }
    return rill_exit_code(rc);
}
