/* fuzz_dns.c - the octets of a name server, as a loop takes them: over datagrams and over connections.
 *
 * The first octet says how: 1 puts the question behind the head, so that the answer is about it; 2 cuts the
 * datagram short, so that the rest comes over a connection; 4 asks for one family; 8 for a name. The number is
 * always the right one. Oracle: the lookup ends in time with a code that it may have, addresses are of a family
 * that was asked for, and nothing is left behind. What is told of times is within the octets. */
#include "tests/fuzz/fuzz.h"

#include "core/base/mem.h"
#include "core/dns/question.h"
#include "tests/support/guard.h"

#include <rill.h>

#include <errno.h>
#include <string.h>

enum { octets_most = 2048, with_question = 1, cut = 2, one_family = 4, reverse = 8 };

static const uint8_t *given;
static size_t given_size;
static unsigned how;
static rill_udp *udp;
static guard end;

static size_t put(char *to, const char *from, size_t size, size_t used)
{
    size_t part = size < octets_most - used ? size : octets_most - used;
    memcpy(to + used, from, part);
    return used + part;
}

/* The answer to `query`: what was given, with its number. */
static size_t answer(const char *query, size_t size, char octets[octets_most])
{
    size_t head = given_size < 12 ? given_size : 12;
    size_t used = put(octets, (const char *)given, head, 0);
    if (how & with_question && size > 12 && used == 12) {
        octets[4] = 0;
        octets[5] = 1;
        used = put(octets, query + 12, size - 12, used);
    }
    used = put(octets, (const char *)given + head, given_size - head, used);
    if (used >= 2)
        memcpy(octets, query, 2);
    return used;
}

static int answer_datagrams(void *arg)
{
    char query[512], octets[octets_most];
    rill_addr from;
    int r;
    (void)arg;
    while ((r = rill_udp_recv(udp, query, sizeof query, &from)) >= 0) {
        size_t size = answer(query, (size_t)r, octets);
        if (how & cut && r > 12) {
            size = put(octets, query, (size_t)r, 0);
            octets[2] = (char)0x82;
        }
        r = rill_udp_send(udp, octets, size, &from);
        if (r < 0)
            break;
    }
    return r == -EBADF ? 0 : r;
}

static int answer_connection(rill_stream *stream, void *arg)
{
    char query[512], octets[octets_most + 2];
    uint8_t head[2];
    (void)arg;
    while (rill_stream_read_exactly(stream, head, 2, NULL) >= 0) {
        size_t size = (size_t)head[0] << 8 | head[1];
        if (size > sizeof query || rill_stream_read_exactly(stream, query, size, NULL) < 0)
            break;
        char whole[octets_most];
        size_t used = answer(query, size, whole);
        octets[0] = (char)(used >> 8);
        octets[1] = (char)used;
        memcpy(octets + 2, whole, used);
        if (rill_stream_write(stream, octets, used + 2, NULL) < 0)
            break;
    }
    return 0;
}

static void check(int r)
{
    PROMISE(r == 0 || r == -ENOENT || r == -ENODATA || r == -EREMOTEIO || r == -ETIMEDOUT ||
            r == -ECONNREFUSED);
}

static int look_up(void)
{
    rill_dns_hints hints = { .family = how & one_family ? AF_INET6 : 0 };
    char name[254];
    rill_addr addr;
    rill_addrinfo *list;
    PROMISE(rill_addr_parse(RILL_SPAN("127.0.0.1:0"), &addr) == 0);
    int r;
    if (how & reverse) {
        r = rill_getnameinfo(&addr, 0, name, sizeof name);
        check(r);
        return 0;
    }
    r = rill_getaddrinfo("a.test", 7, &hints, &list);
    check(r);
    for (size_t i = 0; r == 0 && i < list->count; i++)
        PROMISE(list->at[i].any.sa_family == AF_INET6 ||
                (list->at[i].any.sa_family == AF_INET && hints.family == 0));
    if (r == 0)
        rill_addrinfo_free(list);
    return 0;
}

static int main_task(void *arg)
{
    rill_server *server;
    char at[32];
    rill_text text = { at, sizeof at, 0, false };
    (void)arg;
    PROMISE(rill_start_server("127.0.0.1", 0, answer_connection, NULL, NULL, &server) == 0);
    rill_addr addr = rill_server_address(server);
    PROMISE(rill_udp_open(&addr, NULL, &udp) == 0);
    rill_addr_format(&addr, &text);
    rill_dns_opts opts = { .hosts = "/nonexistent/hosts",
                           .resolv_conf = "/nonexistent/resolv",
                           .servers = rill_text_end(&text),
                           .timeout = RILL_MS(500) };
    PROMISE(rill_dns_configure(&opts) == 0);
    rill_unref(rill_create_task(RILL_CORO(answer_datagrams, NULL)));
    rill_time start = rill_now();
    int r = look_up();
    PROMISE(rill_now() - start < RILL_SEC(30));
    rill_udp_close(udp);
    rill_server_abort_clients(server);
    rill_server_free(server);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const rill_sim_net net = { .latency_min = 1, .latency_max = 1000 };
    static const rill_sim_opts world = { .seed = 1, .net = &net };
    static const rill_loop_opts opts = { .sim = &world };
    static bool warm;
    if (size == 0 || size > octets_most)
        return 0;
    if (end.map == NULL)
        guard_init(&end, octets_most);
    how = data[0];
    given = data + 1;
    given_size = size - 1;
    const unsigned char *octets = (const unsigned char *)guard_put(&end, given, given_size);
    (void)rill__dns_refusal_ttl(octets, given_size);
    (void)rill__dns_least_ttl(octets, given_size);
    (void)rill__dns_is_failure(octets, given_size);
    int64_t blocks = rill__mem_live();
    PROMISE(rill_run_with(RILL_CORO(main_task, NULL), &opts) == 0);
    PROMISE(!warm || rill__mem_live() == blocks); /* some things are made once per process */
    warm = true;
    return 0;
}
