/* runner.c - sends every request vector to a real server in each delivery mode and compares answers.
 *
 * Modes: whole; one octet per segment, with a turn for the server between; in two segments, split at
 * every offset; behind a good request on the same connection; and two copies at once. A split changes
 * nothing, so the answers must be the same each time. When a connection is to be kept, another
 * request is asked on it; when it is to end, nothing may come before the end. */
#include "tests/support/serving.h"
#include "tests/wire/vector.h"

#include <rill/loop.h>
#include <rill/task.h>
#include <rill/timeout.h>

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define GOOD  RILL_SPAN("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
#define AGAIN RILL_SPAN("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

enum {
    octets_most =
        1200, /* of a message whose octets all go one by one; of longer ones the ends do */
    splits_most = 400,
    limit_seconds = 20,
    why_size = 400,
};

static struct vector vectors[VECTORS_MAX];
static size_t vector_count, deliveries, accepted_bad;
static char site[64], conf[2048];

/* --- One delivery --- */

enum mode { WHOLE, OCTETS, SPLIT, BEHIND, TWICE };

struct delivery {
    const struct vector *vector;
    enum mode mode;
    size_t split;       /* octets of the first segment, for SPLIT */
    char why[why_size]; /* what went wrong */
};

static int wrong(struct delivery *delivery, const char *format, ...) RILL_PRINTF(2, 3);

static int wrong(struct delivery *delivery, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(delivery->why, sizeof delivery->why, format, args);
    va_end(args);
    return -EBADMSG;
}

static int send_segment(rill_stream *stream, const char *at, size_t size)
{
    int r = client_send(stream, (rill_span){ at, size });
    for (int i = 0; i < 2 && r == 0; i++)
        r = rill_sleep(0);
    return r;
}

/* The first and last octets of a long message one by one, the middle in pieces. */
static int send_octets(rill_stream *stream, rill_span message)
{
    int r = 0;
    for (size_t at = 0, size; at < message.size && r == 0; at += size) {
        size_t left = message.size - at;
        bool middle = message.size > octets_most && at > octets_most / 2 && left > octets_most / 2;
        size = !middle ? 1 : left - octets_most / 2 < 997 ? left - octets_most / 2 : 997;
        r = send_segment(stream, message.at + at, size);
    }
    return r;
}

static int send_message(rill_stream *stream, const struct delivery *delivery)
{
    rill_span message = delivery->vector->message;
    int r = 0;
    switch (delivery->mode) {
    case WHOLE: return client_send(stream, message);
    case OCTETS: return send_octets(stream, message);
    case SPLIT:
        r = send_segment(stream, message.at, delivery->split);
        return r < 0 ? r
                     : client_send(stream, (rill_span){ message.at + delivery->split,
                                                        message.size - delivery->split });
    case BEHIND: r = client_send(stream, GOOD); break;
    case TWICE: r = client_send(stream, message); break;
    }
    return r < 0 ? r : client_send(stream, message);
}

static int check_answer(struct delivery *delivery, const struct expected *expected,
                        const struct answer *answer)
{
    if (answer->status != expected->status) {
        accepted_bad += expected->status >= 400 && answer->status < 300;
        return wrong(delivery, "status %d, not %d", answer->status, expected->status);
    }
    if (answer_field(answer, "Date").size != 29)
        return wrong(delivery, "no date in\n%s", answer->head);
    for (size_t i = 0; i < expected->has_count; i++) {
        const struct expected_field *field = &expected->has[i];
        bool good = field->value != NULL ? answer_has(answer, field->name, field->value)
                                         : answer_field(answer, field->name).at == NULL;
        if (!good)
            return wrong(delivery, "%s is not %s in\n%s", field->name,
                         field->value != NULL ? field->value : "absent", answer->head);
    }
    rill_span body = { answer->body, answer->body_size };
    if (expected->has_body && !rill_span_equal(body, expected->body))
        return wrong(delivery, "the body is '%.*s'", (int)body.size, body.at);
    return 0;
}

/* Receive an answer and compare it. */
static int await_answer(rill_stream *stream, struct delivery *delivery,
                        const struct expected *expected, const char *which)
{
    static struct answer answer;
    int r = client_answer(stream, expected->head, &answer);
    if (r < 0)
        return wrong(delivery, "%s did not come: %s", which, rill_errname(r));
    return check_answer(delivery, expected, &answer);
}

static int await_answers(rill_stream *stream, struct delivery *delivery)
{
    static const struct expected good = { .status = 200,
                                          .has_body = true,
                                          .body = RILL_SPAN("hello\n") };
    const struct vector *vector = delivery->vector;
    int r = 0, times = delivery->mode == TWICE && vector->keep ? 2 : 1;
    if (delivery->mode == BEHIND)
        r = await_answer(stream, delivery, &good, "the answer to the good request before");
    for (int time = 0; time < times && r == 0; time++)
        for (size_t i = 0; i < vector->answer_count && r == 0; i++)
            r = await_answer(stream, delivery, &vector->answers[i], "an answer");
    if (r < 0)
        return r;
    if (vector->keep) {
        r = client_send(stream, AGAIN);
        if (r == 0)
            r = await_answer(stream, delivery, &good, "the answer to another request");
    }
    if (r == 0 && (r = client_ended(stream)) < 0 && !(vector->cut && r == -ECONNRESET))
        return wrong(delivery, "%s", r == -EPROTO ? "more octets came" : rill_errname(r));
    return vector->cut ? 0 : r;
}

static int converse(rill_stream *stream, struct delivery *delivery)
{
    int r = send_message(stream, delivery);
    if (r == 0 && delivery->vector->end)
        r = rill_stream_write_eof(stream);
    if (r < 0)
        return wrong(delivery, "sending failed: %s", rill_errname(r));
    return await_answers(stream, delivery);
}

static int deliver(struct delivery *delivery)
{
    rill_scope scope = { 0 };
    rill_stream *stream;
    deliveries++;
    int r = client_open(&stream);
    if (r < 0)
        return r;
    r = rill_timeout(&scope, RILL_SEC(limit_seconds));
    if (r == 0)
        r = rill_scope_leave(&scope, converse(stream, delivery));
    if (r == -ETIME)
        r = wrong(delivery, "nothing came for %d seconds", limit_seconds);
    rill_stream_unref(stream);
    return r;
}

/* --- One vector --- */

/* A record for each answer, the last with the rule that the vector is about. */
static int check_log(struct delivery *delivery)
{
    const struct vector *vector = delivery->vector;
    const char *log = serving_access_log(), *rule = strstr(log, "\"rule\":");
    size_t records = 0;
    char wanted[32];
    for (const char *p = log; *p != 0; p++) {
        records += *p == '\n';
        if ((uint8_t)*p < ' ' ? *p != '\n' : *p == 0x7f)
            return wrong(delivery, "a control octet in the log: %s", log);
    }
    if (records != vector->answer_count + (vector->keep || vector->cut))
        return wrong(delivery, "%zu access records:\n%s", records, log);
    if (vector->rule == 0)
        return rule == NULL ? 0 : wrong(delivery, "a refusal in the log: %s", log);
    snprintf(wanted, sizeof wanted, "\"rule\":%u,", vector->rule);
    if (rule == NULL || !rill_span_starts(rill_span_of(rule), rill_span_of(wanted)))
        return wrong(delivery, "no %s in the log: %s", wanted, log);
    return strstr(log, "\"end\":\"refused\"") != NULL ? 0 : wrong(delivery, "not refused: %s", log);
}

static int deliver_splits(struct delivery *delivery)
{
    size_t size = delivery->vector->message.size;
    size_t step = size <= splits_most ? 1 : size / splits_most + 1;
    int r = 0;
    delivery->mode = SPLIT;
    for (size_t split = 1; split < size && r == 0; split++) {
        bool near_end = split < splits_most / 4 || size - split < splits_most / 4;
        if (!near_end && split % step != 0)
            continue;
        delivery->split = split;
        r = deliver(delivery);
    }
    return r;
}

static int deliver_all(void *arg)
{
    struct delivery *delivery = arg;
    int r = serving_start(conf, NULL);
    (void)serving_access_log();
    if (r < 0)
        return r;
    delivery->mode = WHOLE;
    r = deliver(delivery);
    if (r == 0)
        r = settle();
    if (r == 0)
        r = check_log(delivery);
    for (enum mode mode = OCTETS; mode <= TWICE && r == 0; mode++) {
        if (mode == TWICE && delivery->vector->end)
            break; /* only the second copy would end the sending */
        delivery->mode = mode;
        r = mode == SPLIT ? deliver_splits(delivery) : deliver(delivery);
    }
    return rill_first_error(r, serving_stop());
}

static void vector_is_answered_alike_however_it_comes(void **state)
{
    static const char *const modes[] = { "whole", "octet by octet", "split",
                                         "behind a good request", "twice" };
    const struct vector *vector = *state;
    struct delivery delivery = { .vector = vector };
    int r = rill_run(RILL_CORO(deliver_all, &delivery));
    if (r < 0 && rill_ring_problem() != NULL) {
        print_message("%s\n", rill_ring_problem());
        skip();
    }
    if (r < 0 && delivery.mode == SPLIT)
        print_message("split behind octet %zu of %zu\n", delivery.split, vector->message.size);
    if (r < 0)
        fail_msg("%s:%u: delivered %s: %s", vector->file, vector->line, modes[delivery.mode],
                 delivery.why[0] != 0 ? delivery.why : rill_errname(r));
}

/* --- All vectors --- */

static void put_file(const char *name, const char *content)
{
    static const struct timespec times[2] = { { 1600000000, 0 }, { 1600000000, 0 } };
    char path[128];
    snprintf(path, sizeof path, "%s/%s", site, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, content, strlen(content)) < 0 || futimens(fd, times) < 0)
        print_error("cannot make %s\n", path);
    close(fd);
}

static void make_site(void)
{
    char path[96];
    snprintf(site, sizeof site, "/tmp/rill-wire-XXXXXX");
    if (mkdtemp(site) == NULL)
        exit(1);
    put_file("ten", "0123456789");
    put_file("empty", "");
    put_file("page.html", "<p>page\n");
    put_file("a b", "blank\n");
    put_file("list.json", "[1,2]\n");
    put_file(".secret", "no\n");
    snprintf(path, sizeof path, "%s/dir", site);
    mkdir(path, 0755);
    put_file("dir/index.html", "<p>index\n");
    snprintf(path, sizeof path, "%s/a dir", site);
    mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/bare", site);
    mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/pipe", site);
    if (mkfifo(path, 0644) < 0)
        print_error("cannot make %s\n", path);
    snprintf(path, sizeof path, "%s/out", site);
    if (symlink("/etc/hostname", path) < 0)
        print_error("cannot make %s\n", path);
    snprintf(conf, sizeof conf,
             "listen: [\"127.0.0.1:1\"]\n"
             "log: {access: stdout}\n"
             "limits: {body: 100k}\n"
             "routes:\n"
             "  /hello: {respond: {body: \"hello\\n\"}}\n"
             "  /none: {respond: {status: 204}}\n"
             "  /gone: {respond: {status: 410, body: \"gone\\n\"}}\n"
             "  /moved: {respond: {status: 308, location: /new/}}\n"
             "  /set: {respond: {body: \"set\\n\"}, header: {X-Set: \"1\"}}\n"
             "  /app/: {respond: {body: \"app\\n\"}}\n"
             "  /: {files: {root: %s}}\n"
             "  /gather: {gather: {parts: {list: {file: %s/list.json}}}}\n",
             site, site);
}

static void remove_site(void)
{
    char *roots[] = { site, NULL };
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    for (FTSENT *entry; tree != NULL && (entry = fts_read(tree)) != NULL;)
        if (entry->fts_info != FTS_D)
            remove(entry->fts_accpath);
    if (tree != NULL)
        fts_close(tree);
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int read_all(char *folder)
{
    char *roots[] = { folder, NULL };
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
    int r = tree == NULL ? -errno : 0;
    for (FTSENT *entry; r == 0 && (entry = fts_read(tree)) != NULL;)
        if (entry->fts_info == FTS_F && strstr(entry->fts_name, ".txt") != NULL)
            r = vectors_read(entry->fts_path, vectors, &vector_count);
    if (tree != NULL)
        fts_close(tree);
    return r;
}

int main(int argc, char **argv)
{
    static struct CMUnitTest tests[VECTORS_MAX];
    if (argc < 2) {
        fprintf(stderr, "usage: runner FOLDER [PART OF A NAME]\n");
        return 2;
    }
    if (read_all(argv[1]) < 0 || vector_count == 0)
        return 1;
    size_t count = 0;
    for (size_t i = 0; i < vector_count; i++)
        if (argc < 3 || strstr(vectors[i].name, argv[2]) != NULL)
            tests[count++] =
                (struct CMUnitTest){ .name = vectors[i].name,
                                     .test_func = vector_is_answered_alike_however_it_comes,
                                     .initial_state = &vectors[i] };
    make_site();
    int r = _cmocka_run_group_tests("wire", tests, count, NULL, NULL);
    remove_site();
    print_message("%zu vectors, %zu deliveries, malformed input answered with 2xx: %zu\n", count,
                  deliveries, accepted_bad);
    return r;
}
