/* sim_peers.c - scripted peers: servers that misbehave, in the same world as the clients that they serve.
 *
 * A server of questions answers datagrams as a script says that is drawn for each: whole, late, cut short, not
 * at all, twice. A cut answer is asked for again over a connection, where the script may be: octet by octet,
 * half of it and the end, half of it and a reset, silence. Everybody knows what each script must lead to, so
 * whatever the seed makes of the network: an answer belongs to its question, a client that had one has the
 * right one, and all end in time. Without faults each script has exactly its own result. */
#include "tests/support/seeds.h"

#include <rill/net.h>
#include <rill/stream.h>
#include <rill/timeout.h>

enum {
    clients = 6,
    questions = 5,
    tries = 4,
    answer_size = 200,
    port = 53,
    questions_most = clients * questions * tries + 1
};

enum script { WHOLE, LATE, CUT, NEVER, TWICE, DATAGRAM_SCRIPTS };

enum talk { AT_ONCE, OCTETS, HALF, RESET, SILENT, TALK_SCRIPTS };

static const rill_time patience = RILL_SEC(1), lateness = RILL_SEC(3);

struct question {
    uint16_t id; /* of this try: never given again */
    uint16_t number;
};

struct answer {
    struct question to;
    unsigned char octets[answer_size];
};

static rill_udp *server;
static uint16_t last_id;
static uint8_t scripts[questions_most], talks[questions_most]; /* what was drawn, by id */
static unsigned seen[DATAGRAM_SCRIPTS], heard[TALK_SCRIPTS];   /* results, over all seeds */
static unsigned stale, answered;

static void make_answer(struct question to, struct answer *ret_answer)
{
    ret_answer->to = to;
    for (size_t i = 0; i < answer_size; i++)
        ret_answer->octets[i] = (unsigned char)(to.number * 7 + i);
}

static bool is_right(const struct answer *answer, struct question to)
{
    struct answer right;
    make_answer(to, &right);
    return memcmp(answer, &right, sizeof right) == 0;
}

/* --- The server of datagrams. --- */

struct asked {
    struct question question;
    rill_addr from;
};

static int send_late(void *arg)
{
    const struct asked *asked = arg;
    struct answer answer;
    make_answer(asked->question, &answer);
    int r = rill_sleep(lateness);
    return r < 0 ? r : rill_udp_send(server, &answer, sizeof answer, &asked->from);
}

static int answer_later(struct asked *asked)
{
    rill_task_opts opts = { .copy = sizeof *asked };
    rill_unref(rill_create_task_with(RILL_CORO(send_late, asked), &opts));
    return 0;
}

static int answer(struct asked *asked)
{
    enum script script = (enum script)seeds_draw(DATAGRAM_SCRIPTS);
    struct answer answer;
    scripts[asked->question.id] = (uint8_t)script;
    make_answer(asked->question, &answer);
    size_t size = script == CUT ? sizeof answer / 2 : sizeof answer;
    if (script == NEVER)
        return 0;
    if (script == LATE)
        return answer_later(asked);
    int r = rill_udp_send(server, &answer, size, &asked->from);
    if (r >= 0 && script == TWICE)
        r = rill_udp_send(server, &answer, size, &asked->from);
    return r;
}

static int answer_datagrams(void *arg)
{
    struct asked asked;
    int r;
    (void)arg;
    while ((r = rill_udp_recv(server, &asked.question, sizeof asked.question, &asked.from)) !=
           -ECANCELED) {
        if (r == sizeof asked.question)
            r = answer(&asked);
        if (r < 0 && !seeds_faults)
            return r;
    }
    return r;
}

/* --- The server of connections. --- */

static int send_octets(rill_stream *stream, const struct answer *answer)
{
    int r = 0;
    for (size_t i = 0; i < sizeof *answer && r >= 0; i++) {
        r = rill_stream_write(stream, (const char *)answer + i, 1, NULL);
        if (r >= 0)
            r = rill_sleep(RILL_MS(1));
    }
    return r;
}

static int send_half(rill_stream *stream, const struct answer *answer)
{
    int r = rill_stream_write(stream, answer, sizeof *answer / 2, NULL);
    return r < 0 ? r : rill_stream_drain(stream);
}

static int be_silent(rill_stream *stream)
{
    char in;
    return rill_stream_read(stream, &in, 1); /* until the client goes */
}

static int talk(rill_stream *stream, void *arg)
{
    struct question question;
    struct answer answer;
    (void)arg;
    if (rill_stream_read_exactly(stream, &question, sizeof question, NULL) < 0)
        return 0;
    enum talk script = (enum talk)seeds_draw(TALK_SCRIPTS);
    talks[question.id] = (uint8_t)script;
    make_answer(question, &answer);
    int r = 0;
    switch (script) {
    case OCTETS: r = send_octets(stream, &answer); break;
    case HALF: r = send_half(stream, &answer); break;
    case RESET:
        r = send_half(stream, &answer);
        if (r >= 0)
            r = rill_sleep(RILL_MS(200)); /* that half has been read by then */
        rill_stream_abort(stream);
        break;
    case SILENT: r = be_silent(stream); break;
    default: r = rill_stream_write(stream, &answer, sizeof answer, NULL); break;
    }
    return r == -ECANCELED ? r : 0;
}

/* --- A client. --- */

static int read_answer(struct question question)
{
    OWNED_STREAM rill_stream *stream = NULL;
    struct answer answer;
    int r = rill_open_connection("127.0.0.1", port, NULL, &stream);
    if (r == 0)
        r = rill_stream_write(stream, &question, sizeof question, NULL);
    if (r >= 0)
        r = rill_stream_read_exactly(stream, &answer, sizeof answer, NULL);
    return r == 0 && !is_right(&answer, question) ? -EBADMSG : r;
}

static int ask_over_connection(struct question question)
{
    static const int results[TALK_SCRIPTS] = {
        [HALF] = -ENODATA, [RESET] = -ECONNRESET, [SILENT] = -ETIME
    };
    rill_scope scope = { 0 };
    int r = rill_timeout(&scope, patience);
    if (r == 0)
        r = rill_scope_leave(&scope, read_answer(question));
    EXPECT(r != -EBADMSG);
    enum talk script = (enum talk)talks[question.id];
    if (!seeds_faults)
        EXPECT_IS(r, results[script]);
    heard[script] += r == results[script];
    answered += r == 0;
    return 0;
}

/* The answer to this question and no other: its size. */
static int receive_answer(rill_udp *udp, struct question question)
{
    struct answer answer;
    for (;;) {
        int r = rill_udp_recv(udp, &answer, sizeof answer, NULL);
        if (r < 0)
            return r;
        if (memcmp(&answer.to, &question, sizeof question) != 0) {
            stale++; /* it came too late, or once more */
            continue;
        }
        return r == sizeof answer && !is_right(&answer, question) ? -EBADMSG : r;
    }
}

/* 1: it was answered, however; 0: it was not. */
static int ask_once(rill_udp *udp, uint16_t number)
{
    static const int results[DATAGRAM_SCRIPTS] = {
        [WHOLE] = sizeof(struct answer),   [LATE] = -ETIME,
        [CUT] = sizeof(struct answer) / 2, [NEVER] = -ETIME,
        [TWICE] = sizeof(struct answer),
    };
    struct question question = { ++last_id, number };
    scripts[question.id] = NEVER;
    int r = rill_udp_send(udp, &question, sizeof question, NULL);
    EXPECT(r == sizeof question || seeds_faults);
    rill_scope scope = { 0 };
    r = rill_timeout(&scope, patience);
    if (r == 0)
        r = rill_scope_leave(&scope, receive_answer(udp, question));
    EXPECT(r != -EBADMSG);
    enum script script = (enum script)scripts[question.id];
    if (!seeds_faults)
        EXPECT_IS(r, results[script]);
    seen[script] += r == results[script];
    answered += r == sizeof(struct answer);
    if (r == sizeof(struct answer) / 2) {
        r = ask_over_connection(question);
        return r < 0 ? r : 1;
    }
    return r > 0;
}

static int be_client(void *arg)
{
    rill_udp *udp;
    rill_addr at;
    uint16_t number = (uint16_t)(uintptr_t)arg;
    EXPECT_IS(rill_addr_parse(RILL_SPAN("127.0.0.1:53"), &at), 0);
    int r = rill_udp_open(NULL, &at, &udp);
    if (r < 0)
        return seeds_faults ? 0 : r;
    for (int i = 0; i < questions && r >= 0; i++, number++) {
        r = 0;
        for (int left = tries; left > 0 && r == 0; left--)
            r = ask_once(udp, number);
    }
    rill_udp_close(udp);
    return r;
}

/* --- The story. --- */

static void swallow(rill_loop *loop, const char *message, rill_future *future, void *arg)
{
    (void)loop;
    (void)message;
    (void)future;
    (void)arg;
}

static int open_server(rill_server **ret_talker)
{
    rill_addr at;
    int r = rill_addr_parse(RILL_SPAN("127.0.0.1:53"), &at), tries_left = 1000;
    if (r < 0)
        return r;
    do
        r = rill_udp_open(&at, NULL, &server);
    while (r < 0 && seeds_faults && --tries_left > 0);
    if (r < 0)
        return r;
    do
        r = rill_start_server("127.0.0.1", port, talk, NULL, NULL, ret_talker);
    while (r < 0 && seeds_faults && --tries_left > 0);
    return r;
}

static int ask_all(void *arg)
{
    rill_server *talker;
    rill_task *tasks[clients];
    (void)arg;
    last_id = 0;
    if (seeds_faults)
        rill_loop_set_error_handler(rill_get_running_loop(), swallow, NULL);
    EXPECT_IS(open_server(&talker), 0);
    OWNED_FUTURE rill_task *answers = rill_create_task(RILL_CORO(answer_datagrams, NULL));
    rill_time began = rill_now();
    for (size_t i = 0; i < seeds_load; i++)
        tasks[i] = rill_create_task(RILL_CORO(be_client, (void *)(uintptr_t)(i * questions)));
    int r = 0;
    for (size_t i = 0; i < seeds_load; i++)
        r = rill_first_error(r, rill_join(tasks[i]));
    EXPECT_IS(r < 0 ? r : 0, 0);
    /* Two waits for each try, and what the network adds. */
    EXPECT(rill_now() - began <= questions * tries * 2 * patience + RILL_SEC(5));
    EXPECT_IS(rill_sleep(2 * lateness), 0); /* the last late answer */
    rill_cancel(answers, NULL);
    EXPECT_IS(rill_await(answers), -ECANCELED);
    rill_server_close(talker);
    EXPECT_IS(rill_server_wait_closed(talker), 0);
    rill_server_free(talker);
    rill_udp_close(server);
    return 0;
}

static void answer_belongs_to_its_question_under_any_seed(void **unused)
{
    (void)unused;
    memset(seen, 0, sizeof seen);
    memset(heard, 0, sizeof heard);
    stale = answered = 0;
    if (!seeds_try(&(struct seeds_story){
            .name = "ask_all", .tell = ask_all, .seeds = 200, .load = clients, .faults = true }))
        return;
    print_message("%u answers in time, %u too late or once more\n", answered, stale);
    for (size_t i = 0; i < DATAGRAM_SCRIPTS; i++)
        assert_true(seen[i] > 0);
    for (size_t i = 0; i < TALK_SCRIPTS; i++)
        assert_true(heard[i] > 0);
    assert_true(stale > 0);
}

static const struct scenario scenarios[] = {
    OUTSIDE(answer_belongs_to_its_question_under_any_seed),
};

int main(void)
{
    return SEEDS_MAIN("sim_peers", scenarios);
}
