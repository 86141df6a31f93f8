/* test_tls_memory.c - TLS when OpenSSL itself lacks memory: it allocates as rill does, and any allocation fails.
 *
 * What OpenSSL keeps for good is counted apart from what is ours. RILL_TORTURE_STEP=1 fails each allocation, one
 * after the other; else it is each 41st. */
#include "core/base/mem.h"
#include "tests/support/secure.h"
#include "tests/support/stuck.h"

#include <rill/mem.h>

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

static long held; /* blocks of OpenSSL */

static void *allocate(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    void *memory = rill_alloc(size);
    held += memory != NULL;
    return memory;
}

static void *resize(void *memory, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    void *resized = rill_resize(memory, size);
    held += memory == NULL && resized != NULL;
    return resized;
}

static void release(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    held -= memory != NULL;
    rill_free(memory);
}

/* --- The program. --- */

static rill_tls_context *client, *server;
static const char *certificate; /* of the server */

static int talk(void) RILL_SUSPENDS;

static int talk(void)
{
    char in[8];
    int r = say(left, "hello");
    if (r == 0)
        r = rill_stream_read_exactly(right, in, 5, NULL);
    if (r == 0 && memcmp(in, "hello", 5) != 0)
        return -EILSEQ;
    if (r == 0)
        r = say(right, "welcome");
    if (r == 0)
        r = rill_stream_read_exactly(left, in, 7, NULL);
    if (r == 0 && memcmp(in, "welcome", 7) != 0)
        return -EILSEQ;
    if (r == 0)
        r = rill_stream_write_eof(left);
    return r < 0 ? r : end_stream(&right);
}

static int connect_and_talk(void) RILL_SUSPENDS;

static int connect_and_talk(void)
{
    OWNED_PAIR;
    int other = 0, r = make_streams(NULL);
    if (r == 0)
        r = shake_hands(client, "example.org", server, &other);
    r = rill_first_error(r, other);
    return r < 0 ? r : talk();
}

/* From the contexts to the ends of two connections, of which the second resumes. */
static int connect_twice(void) RILL_SUSPENDS;

static int connect_twice(void)
{
    int r = certs_client("ca", NULL, &client);
    if (r == 0)
        r = certs_server(certificate, NULL, &server);
    if (r == 0)
        r = connect_and_talk();
    if (r == 0)
        r = connect_and_talk();
    rill_tls_context_unref(client);
    rill_tls_context_unref(server);
    client = server = NULL;
    return r;
}

/* Who waits for one that could not go on would wait for ever. */
static int be_patient(void *arg)
{
    rill_scope scope = { 0 };
    (void)arg;
    rill_loop_set_error_handler(rill_get_running_loop(), swallow_error, NULL);
    int r = rill_timeout(&scope, RILL_SEC(1));
    return r < 0 ? r : rill_scope_leave(&scope, connect_twice());
}

/* --- Without memory. --- */

static int64_t ours(void)
{
    return rill__mem_live() - held;
}

/* One run in which allocation `nth` fails; 0: none.   Returns: how many there were. */
static uint64_t run(uint64_t nth, int *ret_result)
{
    static char what[64];
    struct footing before = footing_now();
    int64_t ours_before = ours();
    snprintf(what, sizeof what, "without allocation %llu", (unsigned long long)nth);
    stuck_watch(what, 120);
    rill__mem_fail_nth(nth, false);
    *ret_result = rill_run(RILL_CORO(be_patient, NULL));
    uint64_t count = rill__mem_count();
    rill__mem_fail_nth(0, false);
    stuck_watch(NULL, 0);
    if (*ret_result == -EILSEQ || ours() != ours_before ||
        footing_now().descriptors != before.descriptors)
        fail_msg("%s: %s, %lld blocks left", what, rill_errname(*ret_result),
                 (long long)(ours() - ours_before));
    return count;
}

static void fail_allocations(const char *certificate_, int wanted)
{
    const char *given = getenv("RILL_TORTURE_STEP");
    uint64_t step = given != NULL ? 1 : under_valgrind() ? 401 : 41, count = 0, nth;
    unsigned failed = 0, tried = 0;
    int result;
    certificate = certificate_;
    for (int warm = 0; warm < 3; warm++) {
        count = run(0, &result);
        assert_int_equal(result, wanted);
    }
    long before = held;
    for (nth = 1; nth <= count; nth += step, tried++) {
        (void)run(nth, &result);
        failed += result != wanted;
        assert_true(result < 0 || wanted == 0); /* no lack of memory makes a bad certificate good */
    }
    (void)run(0, &result);
    assert_int_equal(result, wanted); /* it has recovered */
    print_message("%llu allocations, %u of %u runs ended otherwise; OpenSSL has %ld blocks more\n",
                  (unsigned long long)count, failed, tried, held - before);
    assert_true(failed > 0);
}

static void any_allocation_may_fail(void **unused)
{
    (void)unused;
    fail_allocations("good", 0);
}

static void certificate_is_refused_also_without_memory(void **unused)
{
    (void)unused;
    fail_allocations("wrong", -EKEYREJECTED);
    fail_allocations("stranger", -EKEYREJECTED);
}

int main(void)
{
    if (CRYPTO_set_mem_functions(allocate, resize, release) != 1)
        return 77;
    certs_make();
    const struct scenario scenarios[] = {
        OUTSIDE(any_allocation_may_fail),
        OUTSIDE(certificate_is_refused_also_without_memory),
    };
    return RUN_SCENARIOS("tls_memory", scenarios);
}
