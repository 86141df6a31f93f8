/* bench_fetch.c - GETs of a small file through one session, 1,000 tasks at once: CPU time per request. */
#include "bench/micro/micro.h"

#include <rill/client.h>
#include <rill/group.h>
#include <rill/loop.h>

#include <errno.h>

enum { at_once = 1000, rounds = 40, body_max = 64 << 10 };

struct fetch {
    rill_http_session *session;
    const char *url;
    unsigned long done;
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
    fetch->done++;
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

static int run(void *arg)
{
    struct fetch fetch = { .url = arg };
    int rc = rill_http_session_new(NULL, &fetch.session);
    if (rc == 0)
        rc = get_all(&fetch); /* connections are made, pages touched */
    double begun = micro_cpu_ns();
    for (int i = 0; i < rounds && rc == 0; i++)
        rc = get_all(&fetch);
    double spent = micro_cpu_ns() - begun;
    if (rc == 0)
        micro_report("fetch", spent / (at_once * rounds), "ns");
    return rill_first_error(rc, rill_http_session_close(fetch.session));
}

int main(int argc, char **argv)
{
    static char none[] = "http://127.0.0.1:8080/";
    return rill_exit_code(rill_run(RILL_CORO(run, argc > 1 ? argv[1] : none)));
}
