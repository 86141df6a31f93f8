/* sim_fetch.c - a client session and scripted HTTP servers in one world; the whole history is checked.
 *
 * Tasks make requests through one session with small limits. For each request that arrives a server draws what
 * it does: it answers whole, in odd chunks, up to its end, after interim responses, before the body has come;
 * or wrongly, with more octets than it said, with less, with none; or it breaks the connection, also at the
 * moment of its next use. Requests are cancelled, left half read and run out of time. Whatever happens:
 *
 *  - no answer is given to another request. A server that sends octets nobody asked for can make a client take
 *    them for an answer: who comes next on such a connection, before they could be seen, is excepted;
 *  - what must not be repeated arrives at most once, all else at most twice;
 *  - no more connections are in use than the limits say, for each host and in all;
 *  - each request ends in its time, and as the script lets it end;
 *  - at the end all places are free: so many requests as the limits allow are under way at once. */
#include "tests/support/seeds.h"

#include <rill/client.h>
#include <rill/stream.h>
#include <rill/timeout.h>

#include <stdio.h>

enum {
    hosts = 3,
    first_port = 81,
    requests_each = 6,
    clients = 10,
    ids = 256,
    body_most = 40 << 10,
    interim_most = 3,
};

enum script {
    WHOLE,
    CHUNKED,
    TO_THE_END, /* the end of the connection is the end of the body */
    INTERIM,    /* responses before the response */
    EARLY,      /* it answers, and reads the request's body after that */
    EXCESS,     /* octets behind the answer that nobody asked for */
    STALE,      /* the connection ends after the answer */
    REDIRECTED, /* to the same at another host */
    DROPPED,    /* not an octet, and the connection ends */
    CUT,        /* the end comes too early */
    BROKEN,     /* so does a reset */
    WRONG,      /* a head that nobody may accept */
    SILENT,     /* not a word, or no more */
    SCRIPTS
};

static const rill_time total_most = RILL_SEC(5), slack = RILL_MS(500), faults_end = RILL_SEC(20);

/* A request, by its id, and what became of it. */
struct asked {
    const char *method;
    unsigned host; /* that is asked first */
    size_t body;   /* octets */
    rill_time total, began;
    rill_task *task;    /* while it is alive */
    size_t read;        /* how much of the body is read: SIZE_MAX for all */
    bool alive;         /* the client is in it, and so has a connection while it is answered */
    bool cancelled;     /* somebody asked it to end */
    bool excepted;      /* it took octets that nobody asked for */
    bool probes;        /* answered when all places are taken */
    unsigned served_by; /* host + 1 while a server has it */
    unsigned arrivals[2];
    enum script script; /* of the last arrival */
    const char *wrong;  /* what is wrong with it; NULL: nothing */
    int result;
};

static struct asked all[ids];
static unsigned last_id;
static rill_http_session *session;
static size_t limit, limit_per_host;
static bool repeats; /* what may be repeated is, if its connection was an old one */
static bool closing; /* the session was closed in the middle */
static unsigned probes_wanted, probes_there;
static rill_event probes_met;
static unsigned ends[SCRIPTS][2]; /* results of all seeds by script: failures, successes */
static unsigned repeated, cancelled, timed_out, excepted, closed;

static char octet_of(unsigned id, size_t i)
{
    return (char)('a' + (id * 31 + i * 7 + i / 11) % 23);
}

static bool is_head(const struct asked *asked)
{
    return strcmp(asked->method, "HEAD") == 0;
}

/* The first thing that is wrong with a request counts. */
static void blame(unsigned id, const char *why)
{
    if (all[id].wrong == NULL)
        all[id].wrong = why;
}

/* --- A server: what it says. --- */

/* Say it, whole or in pieces, with pauses. */
static int say(rill_stream *stream, const char *octets, size_t size)
{
    bool whole = seeds_draw(2) == 0;
    int r = 0;
    for (size_t at = 0; at < size && r >= 0;) {
        size_t left = size - at;
        size_t part = whole ? left : 1 + seeds_draw((uint32_t)(left < 900 ? left : 900));
        r = rill_stream_write(stream, octets + at, part, NULL);
        at += part;
        if (r >= 0 && seeds_draw(4) == 0)
            r = rill_sleep(RILL_US(seeds_draw(3000)));
    }
    return r < 0 ? r : 0;
}

static int say_text(rill_stream *stream, const char *text)
{
    return say(stream, text, strlen(text));
}

static int say_head(rill_stream *stream, unsigned id, const char *framing)
{
    char head[256];
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nX-Id: %u\r\n%s\r\n", id, framing);
    return say_text(stream, head);
}

static size_t answer_size(unsigned id)
{
    return id % 7 == 0 ? 0 : id * 37 % 3000;
}

static void fill(unsigned id, char *octets, size_t size)
{
    for (size_t i = 0; i < size; i++)
        octets[i] = octet_of(id, i);
}

static int say_body(rill_stream *stream, unsigned id, size_t size)
{
    char octets[3000];
    fill(id, octets, size);
    return is_head(&all[id]) ? 0 : say(stream, octets, size);
}

static int say_whole(rill_stream *stream, unsigned id)
{
    char framing[64];
    snprintf(framing, sizeof framing, "Content-Length: %zu\r\n", answer_size(id));
    int r = say_head(stream, id, framing);
    return r < 0 ? r : say_body(stream, id, answer_size(id));
}

static int say_chunk(rill_stream *stream, unsigned id, size_t at, size_t size)
{
    static const char *const extensions[] = { "", ";x", ";name=\"a;b\"", "" };
    char head[64], octets[3000];
    fill(id, octets, at + size);
    snprintf(head, sizeof head, "%zx%s\r\n", size, extensions[seeds_draw(4)]);
    int r = say_text(stream, head);
    if (r == 0)
        r = say(stream, octets + at, size);
    return r < 0 ? r : say_text(stream, "\r\n");
}

static int say_chunks(rill_stream *stream, unsigned id)
{
    size_t size = answer_size(id);
    int r = say_head(stream, id, "Transfer-Encoding: chunked\r\n");
    if (is_head(&all[id]))
        return r;
    for (size_t at = 0; at < size && r == 0;) {
        size_t left = size - at, part = 1 + seeds_draw((uint32_t)(left < 400 ? left : 400));
        r = say_chunk(stream, id, at, part);
        at += part;
    }
    return r < 0 ? r : say_text(stream, seeds_draw(2) ? "0\r\n\r\n" : "0\r\nX-Sum: 1\r\n\r\n");
}

static int say_interim(rill_stream *stream)
{
    static const char *const texts[] = { "HTTP/1.1 100 Continue\r\n\r\n",
                                         "HTTP/1.1 102 Processing\r\nX-Id: 0\r\n\r\n",
                                         "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" };
    int r = 0;
    for (uint32_t left = 1 + seeds_draw(interim_most); left > 0 && r == 0; left--)
        r = say_text(stream, texts[seeds_draw(3)]);
    return r;
}

static int say_wrong(rill_stream *stream)
{
    static const char *const texts[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX Id: 3\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/3.0 200 OK\r\n\r\n",
        "SSH-2.0-x\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    };
    return say_text(stream, texts[seeds_draw(sizeof texts / sizeof *texts)]);
}

static int say_redirect(rill_stream *stream, unsigned id)
{
    char head[256];
    snprintf(head, sizeof head,
             "HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:%u/%u/1\r\nContent-Length: 0\r\n\r\n",
             first_port + (all[id].host + 1) % hosts, id);
    return say_text(stream, head);
}

/* A part of an answer, and then nothing more comes. */
static int say_part(rill_stream *stream, unsigned id)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nX-Id: 1\r\nContent-Length: 3000\r\n";
    if (seeds_draw(2) == 0)
        return say(stream, text, 1 + seeds_draw(sizeof text - 2));
    int r = say_head(stream, id, "Content-Length: 3000\r\n");
    return r < 0 ? r : say_body(stream, id, seeds_draw(2999));
}

static int read_away(rill_stream *stream)
{
    char octets[4096];
    int r;
    while ((r = rill_stream_read(stream, octets, sizeof octets)) > 0)
        ;
    return r;
}

/* --- A server: what it hears. --- */

static bool may_be_repeated(const struct asked *asked)
{
    return repeats && strcmp(asked->method, "POST") != 0;
}

/* Whether a connection is certainly in use for it: not if a fault may just have cost it that. */
static bool has_connection(const struct asked *asked)
{
    return asked->alive && asked->served_by > 0 && !(seeds_faults && may_be_repeated(asked));
}

/* A request has arrived: now its connection is in use. */
static void note_arrival(unsigned id, unsigned hop, unsigned host)
{
    struct asked *asked = &all[id];
    unsigned there = 0, everywhere = 0;
    asked->served_by = host + 1;
    if (++asked->arrivals[hop] > (may_be_repeated(asked) ? 2u : 1u))
        blame(id, "it arrived once too often");
    for (unsigned i = 1; i <= last_id; i++)
        if (has_connection(&all[i])) {
            everywhere++;
            there += all[i].served_by == host + 1;
        }
    if (everywhere > limit || (limit_per_host > 0 && there > limit_per_host))
        blame(id, "it has a connection above the limits");
}

static int read_body(rill_stream *stream, unsigned id, size_t size)
{
    char part[1000];
    int r = 0;
    for (size_t at = 0; at < size && r == 0;) {
        size_t left = size - at, much = left < sizeof part ? left : sizeof part;
        r = rill_stream_read_exactly(stream, part, much, NULL);
        for (size_t i = 0; r == 0 && i < much; i++)
            if (part[i] != octet_of(id + 1, at + i))
                blame(id, "its body arrived changed");
        at += much;
    }
    return r;
}

/* The next head: 1; 0 at the end of the connection; an error. */
static int hear(rill_stream *stream, unsigned host, unsigned *ret_id, unsigned *ret_hop,
                size_t *ret_size)
{
    static const rill_span end = { "\r\n\r\n", 4 };
    rill_span head;
    char text[1000], method[8];
    int r = rill_stream_read_until(stream, &end, 1, &head);
    if (r <= 0 || head.size >= sizeof text)
        return r <= 0 ? r : -EMSGSIZE;
    memcpy(text, head.at, head.size);
    text[head.size] = 0;
    if (sscanf(text, "%7s /%u/%u ", method, ret_id, ret_hop) != 3 || *ret_id == 0 ||
        *ret_id > last_id || *ret_hop > 1 || strcmp(method, all[*ret_id].method) != 0)
        return expect_failed(__FILE__, __LINE__, "a request that nobody made");
    const char *length = strstr(text, "Content-Length: ");
    *ret_size = all[*ret_id].body;
    EXPECT((length != NULL) == (*ret_size > 0));
    note_arrival(*ret_id, *ret_hop, host);
    return 1;
}

/* A second answer, which nobody asked for. Who comes next may take it for his: he sees that, and is excepted. */
static int say_too_much(rill_stream *stream, unsigned host)
{
    unsigned id, hop;
    size_t size;
    char head[128];
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nX-Excess: %lld\r\nContent-Length: 0\r\n\r\n",
             (long long)rill_now());
    int r = say_text(stream, head);
    if (r == 0)
        r = hear(stream, host, &id, &hop, &size);
    if (r > 0) {
        all[id].script = DROPPED;
        all[id].served_by = 0;
    }
    return r < 0 ? r : 0;
}

/* --- A server: a request and its answer. --- */

/* 1: the next request may come; 0: this connection is over. */
static int finish(rill_stream *stream, unsigned id, unsigned host, enum script script)
{
    int r = 0;
    switch (script) {
    case TO_THE_END:
        r = say_head(stream, id, "");
        return r < 0 ? r : say_body(stream, id, answer_size(id));
    case EXCESS: r = say_whole(stream, id); return r < 0 ? r : say_too_much(stream, host);
    case STALE: return say_whole(stream, id);
    case DROPPED:
        all[id].served_by = 0; /* perhaps it is repeated, and has to wait for another place */
        if (seeds_draw(2) == 0)
            rill_stream_abort(stream);
        return 0;
    case CUT: return say_part(stream, id);
    case BROKEN:
        r = say_part(stream, id);
        all[id].served_by = 0;
        rill_stream_abort(stream);
        return r;
    case WRONG: r = say_wrong(stream); return r < 0 ? r : read_away(stream);
    case SILENT:
        r = seeds_draw(2) == 0 ? say_part(stream, id) : 0;
        return r < 0 ? r : read_away(stream);
    default: return 1;
    }
}

static int answer(rill_stream *stream, unsigned id, unsigned host, enum script script)
{
    int r = 0;
    switch (script) {
    case WHOLE: r = say_whole(stream, id); break;
    case CHUNKED: r = say_chunks(stream, id); break;
    case INTERIM:
        r = say_interim(stream);
        if (r == 0)
            r = say_whole(stream, id);
        break;
    case REDIRECTED:
        all[id].served_by = 0; /* it gives its place here back when it has read this */
        r = say_redirect(stream, id);
        break;
    default: break;
    }
    return r < 0 ? r : finish(stream, id, host, script);
}

static int wait_for_all_probes(void)
{
    if (++probes_there == probes_wanted)
        rill_event_set(&probes_met);
    return rill_event_wait(&probes_met);
}

static int serve_one(rill_stream *stream, unsigned host)
{
    unsigned id, hop;
    size_t size;
    int r = hear(stream, host, &id, &hop, &size);
    if (r <= 0)
        return r;
    struct asked *asked = &all[id];
    enum script script = asked->probes ? WHOLE : (enum script)seeds_draw(SCRIPTS);
    if (script == REDIRECTED && hop == 1)
        script = WHOLE;
    asked->script = script;
    if (script == EARLY)
        r = say_whole(stream, id);
    if (r >= 0)
        r = read_body(stream, id, size);
    if (r == 0 && asked->probes)
        r = wait_for_all_probes();
    return r < 0 ? r : answer(stream, id, host, script);
}

static int serve(rill_stream *stream, void *arg)
{
    int r = 1;
    while (r > 0)
        r = serve_one(stream, (unsigned)(uintptr_t)arg);
    if (r < 0)
        rill_stream_abort(stream); /* its end must not be taken for that of a body */
    rill_stream_close(stream);
    return r == -EBADMSG ? r : 0; /* what else broke is the script's, or the client's */
}

/* --- A client. --- */

static int read_answer(unsigned id, rill_http_response *response)
{
    char part[700];
    size_t got = 0;
    int r = 1;
    rill_span field = rill_http_header(response, "X-Id");
    uint64_t named = 0, said_at;
    if (rill_parse_u64(rill_http_header(response, "X-Excess"), INT64_MAX, &said_at) == 0)
        all[id].excepted = (rill_time)said_at + slack > all[id].began;
    if (rill_parse_u64(field, ids, &named) < 0 || named != id)
        blame(id, "it was given the answer of another one");
    while (r > 0 && got < all[id].read) {
        r = rill_http_read(response, part, sizeof part);
        for (int i = 0; i < r; i++)
            if (part[i] != octet_of(id, got + (size_t)i))
                blame(id, "it was given octets of another one");
        got += r > 0 ? (size_t)r : 0;
    }
    if (r == 0 && !is_head(&all[id]) && got != answer_size(id))
        blame(id, "it was given a part as if it were whole");
    return r < 0 ? r : 0;
}

/* The body of a request: octet_of() of the id that follows repeats itself with every 23rd. */
static rill_span body_of(unsigned id)
{
    static char bodies[23][body_most];
    char *octets = bodies[(id + 1) % 23];
    if (octets[0] == 0)
        fill(id + 1, octets, body_most);
    return (rill_span){ octets, all[id].body };
}

static int fetch(unsigned id)
{
    const struct asked *asked = &all[id];
    rill_http_response *response;
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/%u/0", first_port + asked->host, id);
    rill_http_request_opts opts = { .total = asked->total };
    if (asked->body > 0)
        opts.body = body_of(id);
    int r = rill_http_request(session, asked->method, url, &opts, &response);
    if (r < 0)
        return r;
    r = read_answer(id, response);
    rill_http_close(response);
    return r;
}

/* Whether the script lets the request end so. */
static bool script_allows(const struct asked *asked, int r)
{
    bool partly = is_head(asked) || asked->read != SIZE_MAX;
    switch (asked->script) {
    case DROPPED: return r == -ECONNRESET;
    case CUT: return r == -EPROTO || (r == 0 && partly);
    case BROKEN: return r == -ECONNRESET || (r == 0 && partly);
    case WRONG: return r == -EPROTO;
    case SILENT: return r == 0 && partly; /* else it runs out of time */
    default: return r == 0;
    }
}

static bool may_end_so(const struct asked *asked, int r, rill_time took)
{
    bool arrived = asked->arrivals[0] > 0;
    if (took > asked->total + slack)
        return false;
    if (r == -ECANCELED)
        return asked->cancelled;
    if (r == -ESHUTDOWN)
        return closing;
    if (r == -ETIME)
        return took > asked->total - RILL_MS(1);
    if (seeds_faults && r < 0)
        return true;
    /* Lost with a connection that ended as it was used again, and not repeated. */
    if (!arrived || (asked->script == REDIRECTED && r < 0))
        return r == -ECONNRESET && !may_be_repeated(asked);
    return script_allows(asked, r);
}

/* Perhaps the one that is just getting the place that was given back: it must go on to the next. */
static void cancel_another(void)
{
    unsigned id = 1 + seeds_draw(last_id);
    if (all[id].alive && all[id].arrivals[0] == 0 && !all[id].probes)
        all[id].cancelled |= rill_cancel(all[id].task, NULL);
}

static int ask(void *arg)
{
    unsigned id = (unsigned)(uintptr_t)arg;
    struct asked *asked = &all[id];
    if (closing)
        return 0;
    asked->began = rill_now();
    asked->task = rill_current_task();
    asked->alive = true;
    int r = fetch(id);
    asked->alive = false;
    asked->result = r;
    if (seeds_draw(4) == 0)
        cancel_another();
    if (!may_end_so(asked, r, rill_now() - asked->began))
        blame(id, "it ended otherwise than it may");
    ends[asked->script][r == 0] += asked->arrivals[0] > 0;
    timed_out += r == -ETIME;
    cancelled += r == -ECANCELED;
    repeated += asked->arrivals[0] > 1 || asked->arrivals[1] > 1;
    return 0;
}

static unsigned draw_request(void)
{
    static const char *const methods[] = { "GET", "GET", "POST", "PUT", "HEAD", "GET", "POST" };
    unsigned id = ++last_id;
    struct asked *asked = &all[id];
    asked->method = methods[seeds_draw(sizeof methods / sizeof *methods)];
    asked->host = seeds_draw(hosts);
    asked->total = RILL_MS(50 + seeds_draw((uint32_t)(total_most / RILL_MS(1))));
    asked->read = seeds_draw(4) == 0 ? seeds_draw(2000) : SIZE_MAX;
    if (strchr(asked->method, 'P') != NULL)
        asked->body = 1 + seeds_draw(seeds_draw(3) == 0 ? body_most : 200);
    return id;
}

static int be_client(void *arg)
{
    (void)arg;
    for (int i = 0; i < requests_each; i++) {
        unsigned id = draw_request();
        rill_task *task = rill_create_task(RILL_CORO(ask, (void *)(uintptr_t)id));
        if (seeds_draw(5) == 0) {
            EXPECT_IS(rill_sleep(RILL_US(seeds_draw(100 * 1000))), 0);
            all[id].cancelled |= rill_cancel(task, NULL);
        }
        int r = rill_join(task); /* cancelled before its first step, it has not asked at all */
        EXPECT(r == 0 || (r == -ECANCELED && all[id].cancelled));
        if (seeds_draw(3) == 0)
            EXPECT_IS(rill_sleep(RILL_US(seeds_draw(seeds_draw(4) == 0 ? 3000000 : 40 * 1000))), 0);
    }
    return 0;
}

/* --- The story. --- */

static void swallow(rill_loop *loop, const char *message, rill_future *future, void *arg)
{
    (void)loop;
    (void)message;
    (void)future;
    (void)arg;
}

static int draw_session(void)
{
    static const rill_time keepalives[] = { -1, RILL_MS(30), RILL_SEC(15) };
    limit = 1 + seeds_draw(6);
    limit_per_host = seeds_draw(4);
    repeats = seeds_draw(8) != 0;
    rill_http_session_opts opts = { .limit = limit,
                                    .limit_per_host = limit_per_host,
                                    .retry = repeats ? 0 : -1,
                                    .keepalive = keepalives[seeds_draw(3)] };
    return rill_http_session_new(&opts, &session);
}

static int start_servers(rill_server *servers[hosts])
{
    for (unsigned i = 0; i < hosts; i++) {
        int r, tries = 1000;
        do
            r = rill_start_server("127.0.0.1", first_port + i, serve, (void *)(uintptr_t)i, NULL,
                                  &servers[i]);
        while (r < 0 && seeds_faults && --tries > 0);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The session ends while requests are under way: they end, too. */
static int close_in_the_middle(void)
{
    EXPECT_IS(rill_sleep(RILL_US(seeds_draw(400 * 1000))), 0);
    rill_time began = rill_now();
    closing = true;
    closed++;
    EXPECT_IS(rill_http_session_close(session), 0);
    EXPECT(rill_now() - began < slack);
    return 0;
}

/* All places are free: as many requests as there are places, and none is answered before all have come. */
static int take_all_places(void)
{
    rill_task *tasks[ids];
    size_t per_host = limit_per_host > 0 ? limit_per_host : limit;
    probes_wanted = (unsigned)(limit < per_host * hosts ? limit : per_host * hosts);
    EXPECT_IS(rill_sleep(faults_end), 0); /* the faults have ended, and so has what was kept */
    for (unsigned i = 0; i < probes_wanted; i++) {
        unsigned id = ++last_id;
        all[id] = (struct asked){ .method = "GET",
                                  .host = i % hosts,
                                  .total = total_most,
                                  .read = SIZE_MAX,
                                  .probes = true };
        tasks[i] = rill_create_task(RILL_CORO(ask, (void *)(uintptr_t)id));
    }
    int r = 0;
    for (unsigned i = 0; i < probes_wanted; i++)
        r = rill_first_error(r, rill_join(tasks[i]));
    EXPECT_IS(r, 0);
    EXPECT_IS(probes_there, probes_wanted);
    for (unsigned i = 0; i < probes_wanted; i++)
        EXPECT_IS(all[last_id - i].result, 0);
    return 0;
}

static int check_history(void)
{
    for (unsigned id = 1; id <= last_id; id++) {
        const struct asked *asked = &all[id];
        excepted += asked->excepted;
        if (asked->wrong == NULL || asked->excepted)
            continue;
        print_message("request %u (%s, script %u, %u and %u arrivals, %s): %s\n", id, asked->method,
                      asked->script, asked->arrivals[0], asked->arrivals[1],
                      rill_errname(asked->result), asked->wrong);
        return expect_failed(__FILE__, __LINE__, asked->wrong);
    }
    return 0;
}

static int end_servers(rill_server *servers[hosts])
{
    rill_time began = rill_now();
    for (unsigned i = 0; i < hosts; i++) {
        rill_server_close(servers[i]);
        EXPECT_IS(rill_server_wait_closed(servers[i]), 0);
        rill_server_free(servers[i]);
    }
    EXPECT(rill_now() - began < total_most); /* no connection was left open */
    return 0;
}

static int fetch_all(void *arg)
{
    rill_server *servers[hosts];
    rill_task *tasks[clients];
    (void)arg;
    memset(all, 0, sizeof all);
    last_id = probes_there = 0;
    closing = false;
    rill_event_clear(&probes_met);
    if (seeds_faults)
        rill_loop_set_error_handler(rill_get_running_loop(), swallow, NULL);
    EXPECT_IS(draw_session(), 0);
    EXPECT_IS(start_servers(servers), 0);
    for (size_t i = 0; i < seeds_load; i++)
        tasks[i] = rill_create_task(RILL_CORO(be_client, NULL));
    if (seeds_draw(4) == 0)
        EXPECT_IS(close_in_the_middle(), 0);
    int r = 0;
    for (size_t i = 0; i < seeds_load; i++)
        r = rill_first_error(r, rill_join(tasks[i]));
    EXPECT_IS(r, 0);
    if (!closing) {
        EXPECT_IS(take_all_places(), 0);
        EXPECT_IS(rill_http_session_close(session), 0);
    }
    EXPECT_IS(end_servers(servers), 0);
    return check_history();
}

static void answer_belongs_to_its_request_whatever_servers_do(void **state)
{
    (void)state;
    memset(ends, 0, sizeof ends);
    repeated = cancelled = timed_out = excepted = closed = 0;
    if (!seeds_try(&(struct seeds_story){
            .name = "fetch_all", .tell = fetch_all, .seeds = 150, .load = clients }))
        return;
    for (size_t i = 0; i < SCRIPTS; i++)
        print_message("script %zu: %u failed, %u ended well\n", i, ends[i][0], ends[i][1]);
    print_message("%u repeated, %u cancelled, %u out of time, %u excepted, %u sessions closed\n",
                  repeated, cancelled, timed_out, excepted, closed);
    for (size_t i = 0; i < SCRIPTS; i++)
        assert_true(i == REDIRECTED || ends[i][i != DROPPED && i != WRONG && i != SILENT] > 0);
    assert_true(repeated > 0 && cancelled > 0 && timed_out > 0 && excepted > 0 && closed > 0);
}

static void answer_belongs_to_its_request_also_under_faults(void **state)
{
    (void)state;
    (void)seeds_try(&(struct seeds_story){ .name = "fetch_all_under_faults",
                                           .tell = fetch_all,
                                           .seeds = 150,
                                           .load = clients,
                                           .faults_end = faults_end });
}

static const struct scenario scenarios[] = {
    OUTSIDE(answer_belongs_to_its_request_whatever_servers_do),
    OUTSIDE(answer_belongs_to_its_request_also_under_faults),
};

int main(void)
{
    return SEEDS_MAIN("sim_fetch", scenarios);
}
