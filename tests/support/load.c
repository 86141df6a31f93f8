/* load.c - a small load client. See load.h. */
#include "tests/support/load.h"
#include "tests/support/fetch.h"
#include "tests/support/proc.h"

#include <rill/mem.h>
#include <rill/text.h>

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { ANSWER_LIMIT_MS = 10000 };

enum outcome { OUTCOME_OK, OUTCOME_FAILED, OUTCOME_STALE };

struct record {
    long began_ms;
    int took_ms, code; /* code: the status of the answer, or -errno */
    enum outcome outcome;
    bool closes, reused;
};

struct load {
    struct load_options options;
    char request[512];
    pthread_t threads[LOAD_CONNECTIONS_MAX];
    int thread_count;
    long end_ms;
    atomic_bool stopping;
    atomic_size_t ok, first, record_count; /* first: connections past their first request */
    struct record records[LOAD_RECORDS_MAX];
};

/* One connection of the load; lives on the stack of its thread. */
struct client {
    struct load *load;
    int fd; /* -1: not connected */
    size_t answers;
    char text[FETCH_BODY_MAX];
};

static size_t content_length(const char *head)
{
    const char *field = strcasestr(head, "\r\nContent-Length: ");
    uint64_t length;
    if (field == NULL)
        return SIZE_MAX;
    field += strlen("\r\nContent-Length: ");
    if (rill_parse_u64((rill_span){ field, strcspn(field, "\r") }, FETCH_BODY_MAX, &length) != 0)
        return SIZE_MAX;
    return (size_t)length;
}

/* Read one answer of known length. Returns: its status; -ECONNRESET (nothing came: the stale case
 * if the connection was reused); -EPROTO (something came, but not a whole answer); -ETIME. */
static int read_answer(struct client *client, bool *ret_closes)
{
    size_t used = 0, whole = SIZE_MAX;
    uint64_t status;
    while (used < whole) {
        if (used == sizeof client->text - 1)
            return -EPROTO;
        ssize_t got = recv(client->fd, client->text + used, sizeof client->text - 1 - used, 0);
        if (got < 0 && errno == EAGAIN)
            return -ETIME;
        if (got <= 0)
            return used == 0 ? -ECONNRESET : -EPROTO;
        used += (size_t)got;
        client->text[used] = '\0';
        char *end = whole == SIZE_MAX ? strstr(client->text, "\r\n\r\n") : NULL;
        if (end == NULL)
            continue;
        end[2] = '\0'; /* the head alone, for the searches */
        size_t length = content_length(client->text);
        *ret_closes = strcasestr(client->text, "\r\nConnection: close\r\n") != NULL;
        if (length == SIZE_MAX)
            return -EPROTO;
        whole = (size_t)(end - client->text) + 4 + length;
    }
    if (used != whole || strncmp(client->text, "HTTP/1.1 ", 9) != 0 ||
        rill_parse_u64((rill_span){ client->text + 9, 3 }, 999, &status) != 0)
        return -EPROTO;
    return (int)status;
}

static void disconnect(struct client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    client->answers = 0;
}

static struct record ask(struct client *client)
{
    struct record record = { .began_ms = proc_now_ms(), .reused = client->answers > 0 };
    if (client->fd < 0)
        client->fd = fetch_connect(client->load->options.port, ANSWER_LIMIT_MS);
    if (client->fd < 0)
        record.code = client->fd;
    else if (fetch_send(client->fd, client->load->request) != 0)
        record.code = -ECONNRESET;
    else
        record.code = read_answer(client, &record.closes);
    record.took_ms = (int)(proc_now_ms() - record.began_ms);
    if (record.code == 200)
        record.outcome = OUTCOME_OK;
    else
        record.outcome =
            record.code == -ECONNRESET && record.reused ? OUTCOME_STALE : OUTCOME_FAILED;
    if (record.code < 0 || record.closes)
        disconnect(client);
    else
        client->answers++;
    return record;
}

static void keep(struct load *load, const struct record *record)
{
    size_t index = atomic_fetch_add(&load->record_count, 1);
    if (index < LOAD_RECORDS_MAX)
        load->records[index] = *record;
    if (record->outcome == OUTCOME_OK)
        atomic_fetch_add(&load->ok, 1);
}

static void *run_client(void *arg)
{
    struct client *client = rill_alloc_zero(1, sizeof *client);
    struct load *load = arg;
    struct timespec think = { load->options.think_ms / 1000,
                              load->options.think_ms % 1000 * 1000000L };
    bool first = true, leave = client == NULL;
    if (client != NULL)
        *client = (struct client){ .load = load, .fd = -1 };
    while (!leave && !atomic_load(&load->stopping) && proc_now_ms() < load->end_ms) {
        struct record record = ask(client);
        keep(load, &record);
        if (first)
            atomic_fetch_add(&load->first, 1);
        first = false;
        leave = record.closes && load->options.leave_on_close;
        if (record.outcome == OUTCOME_FAILED)
            proc_pause(); /* a refused connect is quick: do not spin on it */
        if (load->options.think_ms > 0)
            nanosleep(&think, NULL);
    }
    if (client != NULL)
        disconnect(client);
    rill_free(client);
    return NULL;
}

struct load *load_new(const struct load_options *options)
{
    struct load *load = rill_alloc_zero(1, sizeof *load);
    if (load == NULL)
        return NULL;
    load->options = *options;
    load->end_ms = proc_now_ms() + LOAD_MS_MAX;
    snprintf(load->request, sizeof load->request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n",
             options->target);
    for (int i = 0; i < options->connections && i < LOAD_CONNECTIONS_MAX; i++) {
        if (pthread_create(&load->threads[i], NULL, run_client, load) != 0) {
            load_free(load);
            return NULL;
        }
        load->thread_count++;
    }
    while (atomic_load(&load->first) < (size_t)load->thread_count && proc_now_ms() < load->end_ms)
        proc_pause();
    return load;
}

int load_await(struct load *load, size_t more, int timeout_ms)
{
    size_t goal = atomic_load(&load->ok) + more;
    for (long end = proc_now_ms() + timeout_ms; proc_now_ms() < end; proc_pause())
        if (atomic_load(&load->ok) >= goal)
            return 0;
    return -ETIME;
}

static size_t kept(const struct load *load)
{
    size_t count = atomic_load(&load->record_count);
    return count < LOAD_RECORDS_MAX ? count : LOAD_RECORDS_MAX;
}

static void join(struct load *load)
{
    atomic_store(&load->stopping, true);
    for (int i = 0; i < load->thread_count; i++)
        pthread_join(load->threads[i], NULL);
    load->thread_count = 0;
}

void load_stop(struct load *load, struct load_result *ret)
{
    join(load);
    *ret = (struct load_result){ .requests = kept(load) };
    ret->truncated = atomic_load(&load->record_count) > LOAD_RECORDS_MAX;
    for (size_t i = 0; i < ret->requests; i++) {
        const struct record *record = &load->records[i];
        ret->ok += record->outcome == OUTCOME_OK;
        ret->failed += record->outcome == OUTCOME_FAILED;
        ret->stale += record->outcome == OUTCOME_STALE;
        ret->closes += record->closes;
        if (record->outcome == OUTCOME_OK && record->took_ms > ret->worst_ms)
            ret->worst_ms = record->took_ms;
    }
}

size_t load_failed_since(const struct load *load, long since_ms)
{
    size_t count = 0;
    for (size_t i = 0; i < kept(load); i++)
        count +=
            load->records[i].outcome == OUTCOME_FAILED && load->records[i].began_ms >= since_ms;
    return count;
}

void load_print_troubles(const struct load *load)
{
    size_t printed = 0;
    for (size_t i = 0; i < kept(load) && printed < 20; i++) {
        const struct record *record = &load->records[i];
        if (record->outcome == OUTCOME_OK)
            continue;
        printf("    at %ld ms, after %d ms on a %s connection: %s, code %d (%s)\n",
               record->began_ms - load->records[0].began_ms, record->took_ms,
               record->reused ? "reused" : "new",
               record->outcome == OUTCOME_STALE ? "stale" : "failed", record->code,
               record->code < 0 ? strerror(-record->code) : "status");
        printed++;
    }
}

void load_free(struct load *load)
{
    if (load != NULL)
        join(load);
    rill_free(load);
}

struct load_result load_end_untroubled(struct load *load)
{
    struct load_result result;
    load_stop(load, &result);
    if (result.failed + result.stale > 0)
        load_print_troubles(load);
    load_free(load);
    printf("    %zu requests, %zu failed, %zu stale, slowest %ld ms\n", result.requests,
           result.failed, result.stale, result.worst_ms);
    assert_int_equal(result.failed, 0);
    assert_int_equal(result.stale, 0);
    return result;
}
