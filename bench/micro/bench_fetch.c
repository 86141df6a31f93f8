/* bench_fetch.c - GETs of a small file through one session, 1,000 tasks at once: CPU time per request.
 *   bench_fetch [URL [HTTPS_URL CA_FILE]]
 * With the second URL rounds over TLS alternate with plain ones, over connections that are kept as well. */
#include "bench/micro/micro.h"

#include <rill/client.h>
#include <rill/group.h>
#include <rill/loop.h>
#include <rill/tls.h>

#include <errno.h>

enum { at_once = 1000, rounds = 40, connections = 100, body_max = 64 << 10 };

struct fetch {
    rill_http_session *session;
    const char *url;
    double spent;
};

static int get(void *arg)
{
    struct fetch *fetch = arg;
    rill_http_response *response;
    rill_span body;
    int rc = rill_http_get(fetch->session, fetch->url, NULL, &response);
    if (rc < 0)
        return rc;
    rc = rill_http_read_all(response, body_max, &body);
    if (rc == 0 && (rill_http_status(response) != 200 || body.size == 0))
        rc = -EBADMSG;
    rill_http_close(response);
    return rc;
}

static int get_all(struct fetch *fetch) RILL_SUSPENDS;

static int get_all(struct fetch *fetch)
{
    rill_group group = { 0 };
    int rc = rill_group_enter(&group);
    for (int i = 0; i < at_once && rc == 0; i++)
        rc = rill_group_go(&group, RILL_CORO(get, fetch));
    rc = rill_group_leave(&group, rc);
    rill_group_fini(&group);
    return rc;
}

static int get_timed(struct fetch *fetch) RILL_SUSPENDS;

static int get_timed(struct fetch *fetch)
{
    double begun = micro_cpu_ns();
    int rc = get_all(fetch);
    fetch->spent += micro_cpu_ns() - begun;
    return rc;
}

/* The first round makes the connections and touches pages: it is not counted. */
static int compare(struct fetch fetches[2], int count) RILL_SUSPENDS;

static int compare(struct fetch fetches[2], int count)
{
    int rc = 0;
    for (int i = 0; i <= rounds && rc == 0; i++)
        for (int which = 0; which < count && rc == 0; which++) {
            if (i == 1)
                fetches[which].spent = 0;
            rc = get_timed(&fetches[which]);
        }
    return rc;
}

static void report(const struct fetch fetches[2], int count)
{
    double requests = at_once * rounds;
    micro_report("fetch", fetches[0].spent / requests, "ns");
    if (count < 2)
        return;
    micro_report("fetch-tls", fetches[1].spent / requests, "ns");
    printf("fetch-tls-cost %.3f x\n", fetches[1].spent / fetches[0].spent);
}

static const char *ca_file;

static int run(void *arg)
{
    const char *const *urls = arg;
    rill_http_session_opts opts = { .limit = 2 * connections, .limit_per_host = connections };
    rill_http_session *session;
    int count = urls[1] != NULL ? 2 : 1, rc = 0;
    if (count == 2)
        rc = rill_tls_context_new(&(rill_tls_context_opts){ .ca_file = ca_file }, &opts.tls);
    if (rc == 0)
        rc = rill_http_session_new(&opts, &session);
    rill_tls_context_unref(opts.tls);
    if (rc < 0)
        return rc;
    struct fetch fetches[2] = { { session, urls[0], 0 }, { session, urls[1], 0 } };
    rc = compare(fetches, count);
    if (rc == 0)
        report(fetches, count);
    return rill_first_error(rc, rill_http_session_close(session));
}

int main(int argc, char **argv)
{
    const char *urls[2] = { argc > 1 ? argv[1] : "http://127.0.0.1:8080/",
                            argc > 3 ? argv[2] : NULL };
    ca_file = argc > 3 ? argv[3] : NULL;
    return rill_exit_code(rill_run(RILL_CORO(run, urls)));
}
