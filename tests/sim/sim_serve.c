/* sim_serve.c - the serving half of a worker and scripted clients in one world.
 *
 * Each client asks for a row of things in one go, in pieces of any size, and knows the answer to each: files,
 * parts of them, heads, what is not there, bodies that look like requests, something that breaks the rules at
 * the end. Then it behaves, or it does not: it vanishes, stops in the middle, sends an octet a second, says no
 * more, reads late. Whatever the seed makes of the network: answers come in order, each is the one to its
 * request to the last octet, nothing comes after the last one, and no client holds its connection longer than
 * the limits say. */
#include "tests/support/seeds.h"
#include "tests/support/serving.h"
#include "tests/support/site.h"
#include "tests/support/story.h"

#include <rill/timeout.h>

#include <stdio.h>

enum {
    clients = 8,
    talks_each = 3,
    wishes_most = 12,
    text_most = 8000,
    files = 6,
    file_most = 50 * 1000,
    head_timeout = 10, /* seconds, as all defaults: of the configuration */
    idle_timeout = 60,
    body_timeout = 30,
    send_timeout = 30,
};

enum conduct {
    TALKS,    /* asks, reads, goes */
    LEAVES,   /* half-closes when all is asked: it is answered all the same */
    VANISHES, /* resets the connection at any moment */
    STOPS,    /* the end in the middle of a request */
    TRICKLES, /* an octet of a head each second */
    STALLS,   /* a body that does not go on */
    IDLES,    /* says no more */
    IGNORES,  /* asks for much, and reads nothing of it for minutes */
    CONDUCTS
};

static const size_t file_sizes[files] = { 0, 1, 300, 4096, 20 * 1000, file_most };
static char contents[files][file_most + 1];
static char conf[1024];

/* What a client asks and must get. */
struct wish {
    int status;
    bool bodiless, any_body;
    const char *body;
    size_t size;
};

struct talk {
    struct wish wishes[wishes_most];
    unsigned count; /* of wishes that are answered */
    bool last;      /* nothing is answered after those */
    size_t whole;   /* octets of `text` up to the end of the last of them */
    char text[text_most];
    rill_text out;
    rill_stream *stream;
    bool reads_late;
    struct answer answer;
};

static struct talk talks[clients];
static unsigned answered, refused, cut, ignored, told[CONDUCTS];

/* --- What is asked. --- */

static void want(struct talk *talk, int status, const char *body, size_t size)
{
    talk->wishes[talk->count++] =
        (struct wish){ .status = status, .body = body, .size = size, .any_body = body == NULL };
}

static void ask_for_a_part(struct talk *talk, unsigned i)
{
    unsigned first = seeds_draw((uint32_t)file_sizes[i]);
    unsigned last = first + seeds_draw((uint32_t)file_sizes[i] - first);
    rill_text_fmt(&talk->out, "GET /f%u HTTP/1.1\r\nHost: a\r\nRange: bytes=%u-%u\r\n\r\n", i,
                  first, last);
    want(talk, 206, contents[i] + first, last - first + 1);
}

/* The body of a request could be one itself. */
static void ask_with_a_body(struct talk *talk)
{
    static const char body[] = "GET /f1 HTTP/1.1\r\nHost: a\r\n\r\n";
    rill_text_fmt(&talk->out, "GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n%s",
                  sizeof body - 1, body);
    want(talk, 200, "hello\n", 6);
}

static void ask_with_chunks(struct talk *talk)
{
    rill_text_add(&talk->out, RILL_SPAN("GET /hello HTTP/1.1\r\nHost: a\r\n"
                                        "Transfer-Encoding: chunked\r\n\r\n"));
    for (uint32_t left = seeds_draw(4); left > 0; left--)
        rill_text_add(&talk->out, RILL_SPAN("12;a=\"b\"\r\nGET /f1 HTTP/1.1\r\n\r\n"));
    rill_text_add(&talk->out, RILL_SPAN("0\r\nX-A: b\r\n\r\n"));
    want(talk, 200, "hello\n", 6);
}

static void ask_for_one(struct talk *talk)
{
    unsigned i = seeds_draw(files);
    switch (seeds_draw(7)) {
    case 0: ask_with_a_body(talk); break;
    case 1: ask_with_chunks(talk); break;
    case 2:
        rill_text_add(&talk->out, RILL_SPAN("GET /none HTTP/1.1\r\nHost: a\r\n\r\n"));
        want(talk, 404, NULL, 0);
        break;
    case 3:
        rill_text_fmt(&talk->out, "HEAD /f%u HTTP/1.1\r\nHost: a\r\n\r\n", i);
        want(talk, 200, contents[i], file_sizes[i]);
        talk->wishes[talk->count - 1].bodiless = true;
        break;
    case 4: ask_for_a_part(talk, 2 + i % 4); break;
    default:
        rill_text_fmt(&talk->out, "GET /f%u HTTP/1.1\r\nHost: a\r\n\r\n", i);
        want(talk, 200, contents[i], file_sizes[i]);
    }
}

/* After this one nothing more is answered. */
static void ask_for_the_last(struct talk *talk)
{
    static const char *const wrong[] = {
        "GET  /hello HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a\r\n X: y\r\n\r\n",
    };
    talk->last = true;
    if (seeds_draw(2) == 0) {
        rill_text_add(&talk->out,
                      RILL_SPAN("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
        want(talk, 200, "hello\n", 6);
    } else {
        rill_text_add(&talk->out, rill_span_of(wrong[seeds_draw(sizeof wrong / sizeof *wrong)]));
        want(talk, 400, NULL, 0);
    }
    talk->whole = talk->out.used;
    if (seeds_draw(2) == 0) /* it must not be answered */
        rill_text_add(&talk->out, RILL_SPAN("GET /f1 HTTP/1.1\r\nHost: a\r\n\r\n"));
}

static void ask_for_some(struct talk *talk)
{
    talk->out = (rill_text){ talk->text, sizeof talk->text, 0, false };
    talk->count = 0;
    talk->last = false;
    for (uint32_t left = seeds_draw(wishes_most); left > 0; left--)
        ask_for_one(talk);
    talk->whole = talk->out.used;
}

/* --- Sending and receiving. --- */

static int send_pieces(void *arg)
{
    struct talk *talk = arg;
    bool whole = seeds_draw(2) == 0;
    int r = 0;
    for (size_t at = 0; at < talk->out.used && r == 0;) {
        size_t left = talk->out.used - at;
        size_t part = whole ? left : 1 + seeds_draw((uint32_t)(left < 300 ? left : 300));
        r = client_send(talk->stream, (rill_span){ talk->text + at, part });
        at += part;
        if (r == 0 && seeds_draw(3) == 0)
            r = rill_sleep(RILL_US(seeds_draw(20 * 1000)));
    }
    return r;
}

static int check_answer(struct talk *talk, const struct wish *wish)
{
    const struct answer *answer = &talk->answer;
    if (seeds_faults && (answer->status >= 500 || answer->status == 403))
        return 0; /* it could not, or was not allowed to, and says so */
    EXPECT_IS(answer->status, wish->status);
    if (wish->bodiless) {
        rill_span length = answer_field(answer, "Content-Length");
        uint64_t size;
        EXPECT(rill_parse_u64(length, file_most, &size) == 0 && size == wish->size);
    } else if (!wish->any_body) {
        EXPECT_IS(answer->body_size, wish->size);
        EXPECT(memcmp(answer->body, wish->body, wish->size) == 0);
    }
    answered++;
    return 0;
}

/* All answers, in order. An error only where something may break. */
static int read_answers(struct talk *talk)
{
    for (unsigned i = 0; i < talk->count; i++) {
        int r = 0;
        if (talk->reads_late && seeds_draw(2) == 0)
            r = rill_sleep(RILL_MS(seeds_draw(2000)));
        if (r == 0)
            r = client_answer(talk->stream, talk->wishes[i].bodiless, &talk->answer);
        if (r < 0)
            return r;
        r = check_answer(talk, &talk->wishes[i]);
        if (r < 0)
            return r;
        if (seeds_faults && answer_has(&talk->answer, "Connection", "close"))
            return -ECONNRESET; /* after an error of its own it may refuse to go on */
    }
    return 0;
}

/* Ask and read at the same time. What broke is the result. */
static int ask_and_read(struct talk *talk)
{
    rill_task *sender = rill_create_task(RILL_CORO(send_pieces, talk));
    int r = read_answers(talk);
    if (r < 0)
        rill_cancel(sender, NULL);
    int sent = rill_join(sender);
    if (r == 0 && sent < 0)
        r = talk->last ? 0 : sent; /* what comes after the last request is not taken */
    return r;
}

/* --- Conducts: each gives 0, or what broke. --- */

/* The connection ends, and not an octet comes before. */
static int hear_the_end(struct talk *talk, unsigned seconds)
{
    rill_time began = rill_now();
    int r = client_ended(talk->stream);
    EXPECT(r != -EPROTO);
    EXPECT(rill_now() - began <= RILL_SEC(seconds + 1));
    return r;
}

static int go(struct talk *talk)
{
    if (seeds_draw(3) == 0)
        ask_for_the_last(talk);
    int r = ask_and_read(talk);
    return r == 0 && talk->last ? hear_the_end(talk, 6) : r;
}

static int leave(struct talk *talk)
{
    int r = send_pieces(talk);
    if (r == 0)
        r = rill_stream_write_eof(talk->stream);
    if (r == 0)
        r = read_answers(talk);
    return r < 0 ? r : hear_the_end(talk, 6);
}

static int vanish(struct talk *talk)
{
    rill_task *sender = rill_create_task(RILL_CORO(send_pieces, talk));
    rill_scope scope = { 0 };
    int r = rill_timeout(&scope, RILL_US(seeds_draw(100 * 1000)));
    if (r == 0)
        r = rill_scope_leave(&scope, read_answers(talk));
    rill_cancel(sender, NULL);
    int sent = rill_join(sender);
    rill_stream_abort(talk->stream);
    return r == -EBADMSG || sent == -EBADMSG ? -EBADMSG : 0;
}

/* Something that is not finished. */
static const char unfinished[] = "GET /hello HTTP/1.1\r\nHost: a\r\nX-Long: 0123456789";

static int stop(struct talk *talk)
{
    size_t size = 1 + seeds_draw(sizeof unfinished - 2);
    rill_text_add(&talk->out, (rill_span){ unfinished, size });
    return leave(talk);
}

/* An answer with 408 within `seconds`, and the end. */
static int hear_too_late(struct talk *talk, rill_time began, unsigned seconds)
{
    int r = client_answer(talk->stream, false, &talk->answer);
    if (r < 0)
        return r;
    EXPECT(talk->answer.status == 408 || (seeds_faults && talk->answer.status >= 500));
    EXPECT(rill_now() - began <= RILL_SEC(seconds + 2));
    refused++;
    r = hear_the_end(talk, 6);
    return talk->answer.status == 408 ? r : 0;
}

static int trickle(struct talk *talk)
{
    int r = ask_and_read(talk);
    rill_time began = rill_now();
    for (size_t i = 0; r == 0 && i < sizeof unfinished && rill_stream_buffered(talk->stream) == 0;
         i++) {
        r = client_send(talk->stream, (rill_span){ unfinished + i, 1 });
        if (r == 0)
            r = rill_sleep(RILL_SEC(1));
    }
    return r < 0 ? r : hear_too_late(talk, began, head_timeout);
}

static int stall(struct talk *talk)
{
    rill_text_add(&talk->out,
                  RILL_SPAN("GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\nabc"));
    int r = ask_and_read(talk);
    return r < 0 ? r : hear_too_late(talk, rill_now(), body_timeout);
}

static int idle(struct talk *talk)
{
    int r = ask_and_read(talk);
    return r < 0 ? r : hear_the_end(talk, idle_timeout + 1);
}

/* What fits on its way is sent; then the client is cut, long before it reads. Not a whole answer is missing
 * in between, and nothing keeps it waiting. */
static int ignore(struct talk *talk)
{
    while (talk->count < wishes_most) {
        rill_text_fmt(&talk->out, "GET /f%d HTTP/1.1\r\nHost: a\r\n\r\n", files - 1);
        want(talk, 200, contents[files - 1], file_most);
    }
    int r = send_pieces(talk);
    if (r == 0)
        r = rill_sleep(RILL_SEC(4 * send_timeout));
    rill_time began = rill_now();
    if (r == 0)
        r = read_answers(talk);
    EXPECT(rill_now() - began <= RILL_SEC(1));
    ignored += r < 0;
    return r == -EBADMSG ? r : 0;
}

static int behave(struct talk *talk, enum conduct conduct)
{
    switch (conduct) {
    case TALKS: return go(talk);
    case LEAVES: return leave(talk);
    case VANISHES: return vanish(talk);
    case STOPS: return stop(talk);
    case TRICKLES: return trickle(talk);
    case STALLS: return stall(talk);
    case IGNORES: return ignore(talk);
    default: return idle(talk);
    }
}

/* --- The story. --- */

static int talk_once(struct talk *talk)
{
    enum conduct conduct = (enum conduct)seeds_draw(CONDUCTS);
    ask_for_some(talk);
    talk->reads_late = conduct != IGNORES && seeds_draw(4) == 0;
    int r = client_open(&talk->stream);
    if (r < 0)
        return seeds_faults ? 0 : r;
    r = behave(talk, conduct);
    rill_stream_close(talk->stream);
    rill_stream_unref(talk->stream);
    told[conduct] += r == 0;
    cut += r < 0;
    EXPECT(r != -EBADMSG);
    return seeds_faults ? 0 : r;
}

static int be_client(void *arg)
{
    int r = 0;
    for (int i = 0; i < talks_each && r == 0; i++)
        r = talk_once(arg);
    return r;
}

static void swallow(rill_loop *loop, const char *message, rill_future *future, void *arg)
{
    (void)loop;
    (void)message;
    (void)future;
    (void)arg;
}

static int serve_all(void *arg)
{
    rill_task *tasks[clients];
    (void)arg;
    serving.send_buffer = 0;
    if (seeds_faults)
        rill_loop_set_error_handler(rill_get_running_loop(), swallow, NULL);
    int r = serving_start(conf, NULL);
    if (r < 0)
        return seeds_faults ? 0 : r;
    for (size_t i = 0; i < seeds_load; i++)
        tasks[i] = rill_create_task(RILL_CORO(be_client, &talks[i]));
    for (size_t i = 0; i < seeds_load; i++)
        r = rill_first_error(r, rill_join(tasks[i]));
    r = rill_first_error(r, serving_stop());
    EXPECT_IS(r, 0);
    return 0;
}

static void answers_come_in_order_whatever_clients_do(void **state)
{
    (void)state;
    answered = refused = cut = ignored = 0;
    memset(told, 0, sizeof told);
    if (!seeds_try(&(struct seeds_story){
            .name = "serve_all", .tell = serve_all, .seeds = 100, .load = clients }))
        return;
    print_message("%u answers, %u refusals, %u connections broken\n", answered, refused, cut);
    assert_int_equal(cut, 0);
    assert_true(answered > 0 && refused > 0 && ignored > 0);
    for (size_t i = 0; i < CONDUCTS; i++)
        assert_true(told[i] > 0);
}

static void answers_come_in_order_also_under_faults(void **state)
{
    (void)state;
    (void)seeds_try(&(struct seeds_story){ .name = "serve_all_under_faults",
                                           .tell = serve_all,
                                           .seeds = 100,
                                           .load = clients,
                                           .faults_end = RILL_SEC(20) });
}

static const struct scenario scenarios[] = {
    OUTSIDE(answers_come_in_order_whatever_clients_do),
    OUTSIDE(answers_come_in_order_also_under_faults),
};

static void make_files(void)
{
    site_make();
    for (unsigned i = 0; i < files; i++) {
        char name[8];
        for (size_t at = 0; at < file_sizes[i]; at++)
            contents[i][at] = (char)('a' + (i * 3 + at * 7 + at / 13) % 23);
        snprintf(name, sizeof name, "f%u", i);
        site_put(name, contents[i], 0); /* a text: zeros follow the octets */
    }
    snprintf(conf, sizeof conf,
             "listen: [\"127.0.0.1:1\"]\n"
             "log: {access: stdout}\n"
             "routes:\n"
             "  /hello: {respond: {body: \"hello\\n\"}}\n"
             "  /: {files: {root: %s}}\n",
             site.folder);
}

int main(void)
{
    make_files();
    int r = story_prepare(conf);
    if (r == 0)
        r = SEEDS_MAIN("sim_serve", scenarios);
    return site_remove() < 0 || r != 0;
}
