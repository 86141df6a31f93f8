/* names.c - a name server for tests: what it does with a question is said by the first label of the name. */
#include "tests/support/names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    octets_most = 2048,
    type_a = 1,
    type_cname = 5,
    type_soa = 6,
    type_ptr = 12,
    type_aaaa = 28
};

enum { code_ok = 0, code_fail = 2, code_none = 3, code_refused = 5 };

struct names names, names_other;

struct query {
    unsigned char octets[512];
    size_t size, name_size; /* of the name as it is in there, from octet 12 on */
    unsigned type;
    char name[256], label[64];
};

/* --- Reading. --- */

static bool read_query(struct query *query)
{
    size_t at = 12, used = 0;
    if (query->size < 12 + 5)
        return false;
    while (at < query->size && query->octets[at] != 0) {
        size_t label = query->octets[at++];
        if (label > 63 || at + label + 5 > query->size || used + label + 1 >= sizeof query->name)
            return false;
        memcpy(query->name + used, query->octets + at, label);
        at += label;
        used += label;
        query->name[used++] = '.';
    }
    query->name[used > 0 ? used - 1 : 0] = 0;
    size_t first = strcspn(query->name, ".");
    memcpy(query->label, query->name, first);
    query->label[first] = 0;
    query->name_size = at + 1 - 12;
    query->type = (unsigned)query->octets[at + 1] << 8 | query->octets[at + 2];
    return true;
}

static bool is(const struct query *query, const char *label)
{
    return strcmp(query->label, label) == 0;
}

/* --- Writing. --- */

static void put16(rill_text *text, unsigned value)
{
    rill_text_char(text, (char)(value >> 8));
    rill_text_char(text, (char)value);
}

static void put_name(rill_text *text, const char *name)
{
    while (*name != 0) {
        size_t size = strcspn(name, ".");
        rill_text_char(text, (char)size);
        rill_text_add(text, (rill_span){ name, size });
        name += size + (name[size] == '.');
    }
    rill_text_char(text, 0);
}

static void put_head(rill_text *text, const struct query *query, unsigned code, unsigned answers,
                     unsigned authorities)
{
    put16(text, (unsigned)query->octets[0] << 8 | query->octets[1]);
    put16(text, 0x8180 | code);
    put16(text, 1);
    put16(text, answers);
    put16(text, authorities);
    put16(text, 0);
    rill_text_add(text, (rill_span){ (const char *)query->octets + 12, query->name_size + 4 });
}

/* A record of the name that was asked for, without its data. */
static void put_record(rill_text *text, unsigned type, unsigned ttl, size_t size)
{
    put16(text, 0xc00c);
    put16(text, type);
    put16(text, 1);
    put16(text, 0);
    put16(text, ttl);
    put16(text, (unsigned)size);
}

static void put_address(rill_text *text, const char *address, unsigned ttl)
{
    char both[64];
    rill_addr addr;
    bool in6 = strchr(address, ':') != NULL;
    snprintf(both, sizeof both, in6 ? "[%s]:0" : "%s:0", address);
    if (rill_addr_parse(rill_span_of(both), &addr) < 0)
        return;
    put_record(text, in6 ? type_aaaa : type_a, ttl, in6 ? 16 : 4);
    const void *octets = in6 ? (const void *)&addr.in6.sin6_addr : (const void *)&addr.in4.sin_addr;
    rill_text_add(text, (rill_span){ octets, in6 ? 16 : 4 });
}

/* The zone's own record, which says how long a refusal holds. */
static void put_zone(rill_text *text, unsigned minimum)
{
    put_record(text, type_soa, 3600, 2 + 20);
    put16(text, 0); /* two names, of the root */
    for (int i = 0; i < 4; i++) {
        put16(text, 0);
        put16(text, 1);
    }
    put16(text, 0);
    put16(text, minimum);
}

static void put_refusal(rill_text *text, const struct query *query, unsigned code, unsigned minimum)
{
    put_head(text, query, code, 0, minimum > 0);
    if (minimum > 0)
        put_zone(text, minimum);
}

static void put_addresses(rill_text *text, const struct query *query, const char *in4,
                          const char *in6, unsigned ttl)
{
    const char *address = query->type == type_a ? in4 : query->type == type_aaaa ? in6 : NULL;
    if (address == NULL) {
        put_refusal(text, query, code_ok, 30);
        return;
    }
    put_head(text, query, code_ok, 1, 0);
    put_address(text, address, ttl);
}

static void put_many(rill_text *text, const struct query *query)
{
    char address[32];
    if (query->type != type_a) {
        put_refusal(text, query, code_ok, 30);
        return;
    }
    put_head(text, query, code_ok, 60, 0);
    for (unsigned i = 0; i < 60; i++) {
        snprintf(address, sizeof address, "10.0.0.%u", i + 1);
        put_address(text, address, 10);
    }
}

static void put_alias(rill_text *text, const struct query *query, const char *to, bool with_address)
{
    char name[64];
    rill_text data = { name, sizeof name, 0, false };
    put_name(&data, to);
    put_head(text, query, code_ok, with_address ? 2 : 1, 0);
    put_record(text, type_cname, 5, data.used);
    rill_text_add(text, (rill_span){ name, data.used });
    if (!with_address)
        return;
    put_name(text, to);
    put16(text, query->type);
    put16(text, 1);
    put16(text, 0);
    put16(text, 10);
    bool in6 = query->type == type_aaaa;
    put16(text, in6 ? 16 : 4);
    rill_text_add(text, in6 ? (rill_span){ "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16 }
                            : (rill_span){ "\177\0\0\1", 4 });
}

static void put_reverse(rill_text *text, const struct query *query)
{
    char name[64];
    rill_text data = { name, sizeof name, 0, false };
    if (strstr(query->name, ".2.0.192.") != NULL) {
        put_refusal(text, query, code_none, 30);
        return;
    }
    put_name(&data, "host.test");
    put_head(text, query, code_ok, 1, 0);
    put_record(text, type_ptr, 10, data.used);
    rill_text_add(text, (rill_span){ name, data.used });
}

static void put_lie(rill_text *text, const struct query *query)
{
    put_addresses(text, query, "127.0.0.1", "::1", 10);
    if (is(query, "id"))
        text->at[0] = (char)(text->at[0] + 1);
    if (is(query, "query"))
        text->at[13] = (char)(text->at[13] + 1);
    if (is(query, "stub"))
        text->used = text->used > 40 ? 40 : text->used;
    for (size_t at = 12 + query->name_size + 4; is(query, "garbage") && at < text->used; at++)
        text->at[at] = (char)(at * 37);
}

static void put_double_question(rill_text *text, const struct query *query)
{
    if (query->type != type_a) {
        put_refusal(text, query, code_ok, 30);
        return;
    }
    put_head(text, query, code_ok, 2, 0);
    put_address(text, "192.0.2.1", 10);
    put_address(text, "127.0.0.1", 10);
}

/* What the script says; nothing: there is no answer. */
static void answer(rill_text *text, const struct query *query)
{
    if (query->type == type_ptr)
        put_reverse(text, query);
    else if (is(query, "one") || is(query, "cut") || is(query, "cutcut") || is(query, "cuthalf"))
        put_addresses(text, query, "127.0.0.1", "::1", 10);
    else if (is(query, "short"))
        put_addresses(text, query, "127.0.0.1", "::1", 0);
    else if (is(query, "four") || is(query, "slow") || is(query, "double"))
        put_addresses(text, query, "127.0.0.1", NULL, 10);
    else if (is(query, "six"))
        put_addresses(text, query, NULL, "::1", 10);
    else if (is(query, "holes"))
        put_addresses(text, query, "192.0.2.1", "::1", 10);
    else if (is(query, "blackhole"))
        put_double_question(text, query);
    else if (is(query, "half") && query->type == type_a)
        put_addresses(text, query, "127.0.0.1", NULL, 10);
    else if (is(query, "many"))
        put_many(text, query);
    else if (is(query, "alias"))
        put_alias(text, query, "one.test", true);
    else if (is(query, "loop"))
        put_alias(text, query, query->name, false);
    else if (is(query, "other"))
        put_alias(text, query, "elsewhere.test", false);
    else if (is(query, "fail"))
        put_refusal(text, query, code_fail, 0);
    else if (is(query, "lame"))
        put_refusal(text, query, query->type == type_a ? code_fail : code_ok, 0);
    else if (is(query, "refuse"))
        put_refusal(text, query, code_refused, 0);
    else if (is(query, "soon"))
        put_refusal(text, query, code_none, 0);
    else if (is(query, "id") || is(query, "query") || is(query, "garbage") || is(query, "stub"))
        put_lie(text, query);
    else if (!is(query, "silent") && !is(query, "half") && !is(query, "empty"))
        put_refusal(text, query, code_none, 30);
}

/* --- Datagrams. --- */

struct letter {
    struct names *server;
    rill_addr to;
    size_t size;
    char octets[octets_most];
};

static int post(struct letter *letter)
{
    if (letter->server->udp == NULL)
        return 0;
    int r = rill_udp_send(letter->server->udp, letter->octets, letter->size, &letter->to);
    return r == -ECANCELED ? r : 0;
}

static int post_late(void *arg)
{
    int r = rill_sleep(RILL_MS(200));
    return r < 0 ? r : post(arg);
}

static int reply(struct query *query, struct letter *letter)
{
    rill_text text = { letter->octets, sizeof letter->octets, 0, false };
    rill_task_opts opts = { .copy = sizeof *letter };
    answer(&text, query);
    letter->size = text.used;
    if (strncmp(query->label, "cut", 3) == 0) {
        letter->octets[2] |= 2; /* there is more */
        letter->size = 12 + query->name_size + 4;
        memset(letter->octets + 6, 0, 6);
    }
    if (letter->size == 0 && !is(query, "empty"))
        return 0;
    if (is(query, "slow")) {
        rill_unref(rill_create_task_with(RILL_CORO(post_late, letter), &opts));
        return 0;
    }
    int r = post(letter);
    return r >= 0 && is(query, "double") ? post(letter) : r;
}

static int answer_datagrams(void *arg)
{
    struct letter letter = { .server = arg };
    struct query query;
    while (letter.server->udp != NULL) {
        int r = rill_udp_recv(letter.server->udp, query.octets, sizeof query.octets, &letter.to);
        if (r == -ECANCELED || r == -EBADF || r == -ENOMEM)
            return r == -EBADF ? 0 : r;
        query.size = r > 0 ? (size_t)r : 0;
        if (!read_query(&query))
            continue;
        letter.server->asked++;
        snprintf(letter.server->last, sizeof letter.server->last, "%s", query.name);
        r = reply(&query, &letter);
        if (r < 0)
            return r;
    }
    return 0;
}

/* --- Connections. --- */

static int answer_on(rill_stream *stream, struct query *query)
{
    char octets[octets_most + 2];
    rill_text text = { octets + 2, octets_most, 0, false };
    answer(&text, query);
    octets[0] = (char)(text.used >> 8);
    octets[1] = (char)text.used;
    size_t size = is(query, "cutcut") ? 0 : is(query, "cuthalf") ? text.used / 2 : text.used + 2;
    return size > 0 ? rill_stream_write(stream, octets, size, NULL) : -EPIPE;
}

static int answer_connection(rill_stream *stream, void *arg)
{
    struct names *server = arg;
    struct query query;
    unsigned char size[2];
    int r;
    server->connected++;
    while ((r = rill_stream_read_exactly(stream, size, 2, NULL)) >= 0) {
        query.size = (size_t)size[0] << 8 | size[1];
        if (query.size > sizeof query.octets)
            return 0;
        r = rill_stream_read_exactly(stream, query.octets, query.size, NULL);
        if (r < 0 || !read_query(&query))
            break;
        r = answer_on(stream, &query);
        if (r < 0 || is(&query, "cuthalf"))
            break;
    }
    return r == -ECANCELED || r == -ENOMEM ? r : 0;
}

/* --- Life. --- */

int names_start(struct names *server)
{
    *server = (struct names){ .asked = 0 };
    int r =
        rill_start_server("127.0.0.1", 0, answer_connection, server, NULL, &server->connections);
    if (r < 0)
        return r;
    rill_addr at = rill_server_address(server->connections);
    r = rill_udp_open(&at, NULL, &server->udp);
    if (r < 0)
        return r;
    snprintf(server->at, sizeof server->at, "127.0.0.1:%u", rill_addr_port(&at));
    rill_task *task = rill_create_task(RILL_CORO(answer_datagrams, server));
    r = rill_done(task) ? rill_result(task) : 0;
    rill_unref(task);
    return r;
}

void names_end(struct names *server)
{
    rill_server_abort_clients(server->connections);
    rill_server_free(server->connections);
    rill_udp_close(server->udp);
    server->connections = NULL;
    server->udp = NULL;
}

void names_drop(int *mark)
{
    (void)mark;
    names_end(&names);
    names_end(&names_other);
}
