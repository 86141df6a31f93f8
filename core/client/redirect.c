/* redirect.c - where a redirect leads, and what is sent there: as curl does it, and fetch says it. */
#include "core/client/auth.h"
#include "core/client/session.h"

#include <rill/task.h>

#include <errno.h>

static bool is_redirect(unsigned status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* 301 and 302 make a GET of a POST, 303 of everything but HEAD: the body goes. */
static void change_method(struct rill__request *request, unsigned status)
{
    bool post = request->method_id == RILL_HTTP_POST;
    if (status == 303 ? request->method_id == RILL_HTTP_HEAD
                      : !post || status == 307 || status == 308)
        return;
    request->method = RILL_SPAN("GET");
    request->method_id = RILL_HTTP_GET;
    rill__upload_drop(&request->upload);
}

/* Secrets are those of the origin that was asked first: they are sent to no other, but again if a redirect leads
 * back. A Location may bring a password for that origin, and for no other. */
static int change_authorization(struct rill__request *request)
{
    const struct rill__url *to = &request->response->url;
    request->strange = !rill__url_same_origin(&request->first, to);
    if (request->strange || to->user.at == NULL || to->user.at == request->first.user.at)
        return 0;
    return rill__auth_basic(&request->response->arena, to->user, to->password,
                            &request->authorization);
}

static int go_on(struct rill__request *request, rill_span location)
{
    rill_http_response *response = request->response;
    struct rill__url from = response->url;
    if (request->redirects >= (unsigned)request->redirects_max)
        return rill_fail(-ELOOP, "more than %d redirects", request->redirects_max);
    int r = rill__url_parse(&response->arena, location, &from, &response->url);
    if (r == -EINVAL)
        return rill_fail(-EPROTO, "it redirects to a bad URL");
    if (r < 0)
        return r;
    request->redirects++;
    change_method(request, response->head.status);
    if (request->upload.begun)
        return rill_fail(-ESPIPE, "it redirects a body that cannot be sent twice");
    return change_authorization(request);
}

int rill__redirect_follow(struct rill__request *request)
{
    rill_http_response *response = request->response;
    rill_span location = rill_http_head_value(&response->head, RILL_HTTP_FIELD_LOCATION);
    if (request->redirects_max <= 0 || !is_redirect(response->head.status) || location.at == NULL)
        return 0;
    int r = go_on(request, location);
    return r < 0 ? r : 1;
}
