/* question.c - one question: asked server by server until one answers.
 *
 * Each server is asked by a c-ares channel of its own, with new sockets, ports and numbers. c-ares makes the
 * queries (A and AAAA at once, the search list), checks and reads the answers, goes over to TCP and sorts the
 * addresses. Which server comes next, and when a server has been silent for too long, is decided here: by the
 * loop's clock, for c-ares knows the machine's only. Such a silence is told to c-ares as a broken socket, so that
 * what has been answered, A say, is not lost with what has not.
 *
 * Everything happens on the loop's own stack. */
#include "core/dns/question.h"

#include <rill/mem.h>

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <string.h>

#include "core/dns/host.h"

enum { ttl_least = 1, ttl_most = 3600, refusal_most = 60, refusal_usual = 5, hour_ms = 3600000 };

static void free_question(struct rill__question *question)
{
    rill_free(question->addrs);
    rill_free(question);
}

static void close_channel(struct rill__question *question)
{
    rill__timer_stop(question->loop, &question->timer);
    rill__loop_unready(&question->on_late);
    if (question->channel != NULL)
        ares_destroy(question->channel);
    question->channel = NULL;
}

/* --- The answer. --- */

static void go_on(struct rill__question *question, int status)
{
    question->ended = true;
    question->status = status;
    rill__timer_stop(question->loop, &question->timer);
    rill__loop_ready(question->loop, &question->ready);
}

static rill_time kept_for(rill_time seconds, rill_time most)
{
    return RILL_SEC(seconds < ttl_least ? ttl_least : seconds > most ? most : seconds);
}

static int take_addresses(struct rill__question *question, const struct ares_addrinfo *result)
{
    rill_time least = ttl_most;
    rill_free(question->addrs); /* of a server that was asked before */
    question->addrs = rill_alloc_zero(RILL__DNS_ADDRESSES, sizeof *question->addrs);
    if (question->addrs == NULL)
        return ARES_ENOMEM;
    const struct ares_addrinfo_node *node = result->nodes;
    for (; node != NULL && question->count < RILL__DNS_ADDRESSES; node = node->ai_next) {
        rill_addr *addr = &question->addrs[question->count];
        bool wanted = question->kind == AF_UNSPEC || node->ai_family == question->kind;
        if (!wanted || node->ai_addrlen > sizeof addr->in6) /* a server may say what it likes */
            continue;
        memcpy(&addr->any, node->ai_addr, node->ai_addrlen);
        addr->length = node->ai_addrlen;
        question->count++;
        if (node->ai_ttl < least)
            least = node->ai_ttl;
    }
    const struct ares_addrinfo_cname *alias = result->cnames;
    for (; alias != NULL; alias = alias->next)
        if (alias->ttl < least)
            least = alias->ttl;
    question->ttl = kept_for(least, ttl_most);
    return question->count > 0 ? ARES_SUCCESS : ARES_ENODATA;
}

static void on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *result)
{
    struct rill__question *question = arg;
    (void)timeouts;
    if (status == ARES_SUCCESS && !question->ended)
        status = take_addresses(question, result);
    if (!question->ended)
        go_on(question, status);
    ares_freeaddrinfo(result);
}

static int take_name(struct rill__question *question, unsigned char *octets, int size)
{
    struct hostent *host = NULL;
    int status = ares_parse_ptr_reply(octets, size, NULL, 0, AF_INET, &host);
    if (status != ARES_SUCCESS)
        return status;
    if (host->h_name == NULL ||
        rill__host_name(host->h_name, question->host, sizeof question->host) < 0)
        status = ARES_EBADRESP;
    ares_free_hostent(host);
    question->ttl = kept_for(rill__dns_least_ttl(octets, (size_t)size), ttl_most);
    return status;
}

static void on_name(void *arg, int status, int timeouts, unsigned char *octets, int size)
{
    struct rill__question *question = arg;
    (void)timeouts;
    if (status == ARES_SUCCESS && !question->ended)
        status = take_name(question, octets, size);
    if (!question->ended)
        go_on(question, status);
}

/* --- Asking one server. --- */

const rill_addr *rill__question_server(const struct rill__question *question)
{
    const struct rill__dns_conf *conf = question->conf;
    return &conf->servers[(question->asked > 0 ? question->asked - 1 : 0) % conf->count];
}

/* Everything is told to c-ares, so that it reads no files. */
static int open_channel(struct rill__question *question)
{
    const struct rill__dns_conf *conf = question->conf;
    char lookups[] = "b";
    struct in_addr placeholder = { 0 };
    struct ares_options options = {
        .flags = ARES_FLAG_NOCHECKRESP,
        .timeout = hour_ms,
        .tries = 1,
        .ndots = (int)conf->ndots,
        .servers = &placeholder,
        .nservers = 1,
        .domains = (char **)(uintptr_t)conf->domains,
        .ndomains = question->absolute ? 0 : (int)conf->domain_count,
        .lookups = lookups,
        .sock_state_cb = rill__dns_socket_state,
        .sock_state_cb_data = question,
    };
    return ares_init_options(&question->channel, &options,
                             ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
                                 ARES_OPT_SERVERS | ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS |
                                 ARES_OPT_SORTLIST | ARES_OPT_NOROTATE | ARES_OPT_SOCK_STATE_CB);
}

static int set_server(struct rill__question *question)
{
    const rill_addr *server = rill__question_server(question);
    int port = (int)rill_addr_port(server);
    struct ares_addr_port_node node = { .family = server->any.sa_family,
                                        .udp_port = port,
                                        .tcp_port = port };
    if (node.family == AF_INET)
        node.addr.addr4 = server->in4.sin_addr;
    else
        memcpy(&node.addr.addr6, &server->in6.sin6_addr, sizeof node.addr.addr6);
    return ares_set_servers_ports(question->channel, &node);
}

static void ask(struct rill__question *question)
{
    struct ares_addrinfo_hints hints = { .ai_family = question->kind, .ai_socktype = SOCK_STREAM };
    question->ended = question->silent = question->broken = false;
    question->refusal_ttl = 0;
    question->asked++;
    int status = open_channel(question);
    if (status != ARES_SUCCESS) {
        question->channel = NULL;
        go_on(question, status);
        return;
    }
    ares_set_socket_functions(question->channel, &rill__dns_socket_functions, question);
    status = set_server(question);
    if (status != ARES_SUCCESS)
        go_on(question, status);
    else if (question->kind == RILL__DNS_REVERSE)
        ares_query(question->channel, question->name, 1, 12, on_name, question); /* IN PTR */
    else
        ares_getaddrinfo(question->channel, question->name, NULL, &hints, on_addresses, question);
}

void rill__question_sent(struct rill__question *question)
{
    rill__timer_stop(question->loop, &question->timer);
    if (question->dropped)
        return;
    rill__timer_start(question->loop, &question->timer,
                      rill_time_add(rill__loop_now(question->loop), question->conf->timeout));
}

/* The server has been silent for too long. */
static void run_late(struct rill__ready *ready)
{
    struct rill__question *question = container_of(ready, struct rill__question, on_late);
    if (question->ended || question->dropped)
        return;
    question->silent = question->any_silent = true;
    rill__dns_sockets_fail(question, -ETIMEDOUT);
    if (!question->ended)
        go_on(question, ARES_ETIMEOUT);
}

/* --- From server to server. --- */

static int failure_of(const struct rill__question *question)
{
    return question->silent ? -ETIMEDOUT : -EREMOTEIO;
}

/* What a failure is called. Of a broken socket c-ares says that it was refused. If one of A and AAAA could not be
 * answered, the refusal of the other one is none of the name. */
static int error_of(const struct rill__question *question)
{
    if (question->local < 0 && question->status != ARES_SUCCESS)
        return question->local;
    switch (question->status) {
    case ARES_SUCCESS: return 0;
    case ARES_ENOTFOUND: return question->broken ? failure_of(question) : -ENOENT;
    case ARES_ENODATA: return question->broken ? failure_of(question) : -ENODATA;
    case ARES_ENOMEM: return -ENOMEM;
    case ARES_ETIMEOUT: return -ETIMEDOUT;
    case ARES_ECONNREFUSED: return question->silent ? -ETIMEDOUT : -ECONNREFUSED;
    default: return failure_of(question);
    }
}

static const char *text_of(const struct rill__question *question, int error)
{
    switch (error) {
    case -ENOENT: return "no such name";
    case -ENODATA: return "it has no such address";
    case -ETIMEDOUT: return "the name server is silent";
    case -ECONNREFUSED: return "nobody serves names there";
    case -EREMOTEIO:
        return question->broken ? "the name server fails" : ares_strerror(question->status);
    default: return rill_strerror(error);
    }
}

/* Whether another server might know more. A second round is for those that were silent. */
static bool goes_on(const struct rill__question *question, int error)
{
    unsigned servers = question->conf->count, attempts = question->conf->attempts;
    bool fails = error == -ETIMEDOUT || error == -ECONNREFUSED || error == -EREMOTEIO;
    if (!fails || question->local < 0)
        return false;
    return question->asked < servers ||
           (question->any_silent && question->asked < servers * attempts);
}

static void finish(struct rill__question *question, int error)
{
    char server[RILL_ADDR_TEXT_MAX];
    rill_text text = { server, sizeof server, 0, false };
    rill_text why = { question->why, sizeof question->why, 0, false };
    question->rc = error;
    if (error == -ENOENT || error == -ENODATA)
        question->ttl =
            kept_for(question->refusal_ttl > 0 ? (rill_time)question->refusal_ttl : refusal_usual,
                     refusal_most);
    else if (error < 0)
        question->ttl = 0;
    else if (question->broken && question->ttl > RILL_SEC(refusal_usual))
        question->ttl = RILL_SEC(refusal_usual); /* the other half may come next time */
    rill_addr_format(rill__question_server(question), &text);
    rill_text_fmt(&why, "%s (asked %s)", text_of(question, error), rill_text_end(&text));
    (void)rill_text_end(&why);
    question->done(question);
    free_question(question);
}

static void run_question(struct rill__ready *ready)
{
    struct rill__question *question = container_of(ready, struct rill__question, ready);
    question->ended = true; /* what c-ares says from here on is of no interest */
    close_channel(question);
    if (question->dropped) {
        free_question(question);
        return;
    }
    int error = question->asked > 0 ? error_of(question) : 0;
    if (question->asked == 0 || goes_on(question, error))
        ask(question);
    else
        finish(question, error);
}

/* --- Life. --- */

static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static int library_status;

static void init_library(void)
{
    library_status = ares_library_init_mem(ARES_LIB_INIT_ALL, rill_alloc, rill_free, rill_resize);
}

struct rill__question *rill__question_new(struct rill_loop *loop, const struct rill__dns_conf *conf)
{
    (void)pthread_once(&library_once, init_library);
    struct rill__question *question =
        library_status == ARES_SUCCESS ? rill_alloc_zero(1, sizeof *question) : NULL;
    if (question == NULL)
        return NULL;
    question->loop = loop;
    question->conf = conf;
    question->ready.run = run_question;
    question->on_late.run = run_late;
    question->timer.ready = &question->on_late;
    list_init(&question->sockets);
    return question;
}

void rill__question_start(struct rill__question *question)
{
    rill__loop_ready(question->loop, &question->ready);
}

void rill__question_drop(struct rill__question *question)
{
    question->dropped = true;
    rill__timer_stop(question->loop, &question->timer);
    rill__loop_ready(question->loop, &question->ready);
}

const char *rill__dns_version(void)
{
    return ares_version(NULL);
}
