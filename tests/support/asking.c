/* asking.c - what scenarios of the HTTP client share. */
#include "tests/support/asking.h"

#include <stdio.h>

struct peer peer, other;
rill_http_session *session;
char asked_body[1 << 16], asked_url[256];

void drop_session(int *mark)
{
    (void)mark;
    rill_http_session_free(session);
    session = NULL;
    peer_end(&peer);
    peer_end(&other);
}

int begin_asking(const struct peer_answer *answers, const rill_http_session_opts *opts)
{
    rill_http_session_opts own = { .base_url = NULL };
    int r = peer_start(&peer, NULL, answers);
    if (r < 0)
        return r;
    if (opts != NULL)
        own = *opts;
    if (own.base_url == NULL)
        own.base_url = peer.url;
    return rill_http_session_new(&own, &session);
}

int ask(const char *method, const char *url, const rill_http_request_opts *opts)
{
    rill_http_response *response;
    rill_span octets;
    if (session == NULL) /* the scenario was left before this task began */
        return -ESHUTDOWN;
    int r = rill_http_request(session, method, url, opts, &response);
    if (r < 0)
        return r;
    snprintf(asked_url, sizeof asked_url, "%s", rill_http_url(response));
    r = rill_http_read_all(response, sizeof asked_body - 1, &octets);
    if (r == 0) {
        memcpy(asked_body, octets.at, octets.size + 1);
        r = rill_http_status(response);
    }
    rill_http_close(response);
    return r;
}

bool error_says(const char *text)
{
    const rill_err *error = rill_last_error();
    return error == NULL || error->msg == NULL || strstr(error->msg, text) != NULL;
}
