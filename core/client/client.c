/* client.c - a request from its call to the head of its last response.
 *
 * All of it happens in one scope, whose deadline moves from phase to phase: so that one timer is enough, and
 * a session that is closed can end it wherever it waits. Each try is: a connection, the head, the body, the
 * response's head. One more try is made if a kept connection turned out dead, and one for each redirect. */
#include "core/base/mem.h"
#include "core/client/auth.h"
#include "core/client/decode.h"
#include "core/client/session.h"

#include <rill/task.h>

#include <errno.h>

/* --- Bounds of time. --- */

void rill__phase_set(struct rill__request *request, rill_time at, const char *name)
{
    request->phase = at < request->total_at ? name : "total";
    if (at > request->total_at)
        at = request->total_at;
    if (at != rill_scope_when(&request->scope))
        (void)rill_scope_reschedule(&request->scope,
                                    at); /* it fails if it has fired: then it is over */
}

static rill_time span_or(rill_time span, rill_time otherwise)
{
    return span == 0 ? otherwise : span;
}

static void take_bounds(struct rill__request *request)
{
    const rill_http_request_opts *own = request->opts;
    const rill_http_session_opts *all = &request->session->opts;
    request->total_at = rill__after(span_or(own->total, all->total));
    request->connect = span_or(own->connect, all->connect);
    request->sock_connect = span_or(own->sock_connect, all->sock_connect);
    request->sock_read = span_or(own->sock_read, all->sock_read);
    request->response->total_at = request->total_at;
    request->response->sock_read = request->sock_read;
}

/* --- One try. --- */

/* Send head and body. A server may answer and close before it has read all of it: then its answer counts,
 * not our failure to write. */
static int send_request(struct rill__request *request) RILL_SUSPENDS;

static int send_request(struct rill__request *request)
{
    rill_stream *stream = request->response->connection->stream;
    bool whole = true;
    rill__phase_set(request, RILL_FOREVER, "total");
    int r = rill_stream_write(stream, request->text.at, request->text.size, NULL);
    if (r >= 0 && rill__head_expects(request))
        r = rill__upload_ask(stream, &whole);
    if (r >= 0 && whole)
        r = rill__upload_send(&request->upload, stream, &whole);
    request->response->unsent = r < 0 || !whole;
    return r == -EPIPE || r == -ECONNRESET || r > 0 ? 0 : r;
}

static int try_once(struct rill__request *request, bool fresh) RILL_SUSPENDS;

static int try_once(struct rill__request *request, bool fresh)
{
    int r = rill__request_connect(request, fresh);
    if (r == 0)
        r = send_request(request);
    return r < 0 ? r : rill__response_begin(request);
}

/* Whether it may be sent again, and so on a connection that may be dead (RFC 9110, 9.2.2). */
static bool may_repeat(const struct rill__request *request)
{
    if (request->session->opts.retry < 0 || request->upload.begun)
        return false;
    switch (request->method_id) {
    case RILL_HTTP_GET:
    case RILL_HTTP_HEAD:
    case RILL_HTTP_OPTIONS:
    case RILL_HTTP_PUT:
    case RILL_HTTP_DELETE: return true;
    default: return false;
    }
}

/* Acceptance case 133: once, only on a reused connection that died, only for idempotent methods. */
static int try_request(struct rill__request *request) RILL_SUSPENDS;

static int try_request(struct rill__request *request)
{
    rill_http_response *response = request->response;
    request->proxy = request->address != NULL
                         ? NULL
                         : rill__proxies_find(&request->session->proxies, &response->url);
    int r = rill__head_write(request);
    if (r < 0)
        return r;
    r = try_once(request, false);
    if (r == -ECONNRESET && response->connection != NULL && response->connection->reused &&
        may_repeat(request)) {
        rill__connection_drop(response->connection);
        response->connection = NULL;
        r = try_once(request, true);
    }
    return r;
}

/* --- All of them. --- */

/* Make the response fit for the next one to come. */
static void forget_response(rill_http_response *response)
{
    rill__response_release(response);
    rill__decoder_free(response->decoder);
    response->decoder = NULL;
    response->more = false;
}

static int try_all(struct rill__request *request) RILL_SUSPENDS;

static int try_all(struct rill__request *request)
{
    int r = rill__upload_init(&request->upload, request->opts, &request->response->arena);
    if (r < 0)
        return r;
    do {
        r = try_request(request);
        if (r == 0)
            r = rill__redirect_follow(request);
        if (r > 0)
            forget_response(request->response);
    } while (r > 0);
    return r;
}

static int take_authorization(struct rill__request *request)
{
    const struct rill__url *url = &request->response->url;
    const rill_http_auth *auth = &request->opts->auth;
    rill_arena *arena = &request->response->arena;
    if (auth->user != NULL && url->user.at != NULL)
        return rill_fail(-EINVAL, "both the URL and `auth` say who asks");
    if (url->user.at != NULL)
        return rill__auth_basic(arena, url->user, url->password, &request->authorization);
    if (auth->user != NULL)
        return rill__auth_basic(arena, rill_span_of(auth->user), rill_span_of(auth->password),
                                &request->authorization);
    request->authorization = request->session->authorization;
    return 0;
}

/* Find out what is asked of whom. */
static int prepare(struct rill__request *request, const char *url)
{
    rill_http_session *session = request->session;
    const struct rill__url *base = session->base.text.at != NULL ? &session->base : NULL;
    if (!rill_http_is_token(request->method) ||
        rill_span_equal(request->method, RILL_SPAN("CONNECT")))
        return rill_fail(-EINVAL, "the method is no token, or not for a session");
    int r = rill__url_parse_known(&request->response->arena, rill_span_of(url), base,
                                  &session->front, &request->response->url);
    if (r < 0)
        return r;
    request->first = request->response->url;
    request->method_id = rill_http_method_of(request->method);
    request->address =
        request->opts->address != NULL ? request->opts->address : session->opts.address;
    request->redirects_max =
        request->opts->redirects != 0 ? request->opts->redirects : session->opts.redirects;
    take_bounds(request);
    return take_authorization(request);
}

static const rill_table_deed tells_request = {
    .what = RILL__AT(struct rill__request, method.at),
    .of = RILL__AT_VIA(struct rill__request, response, rill_http_response, url.host),
    .bound = RILL__AT(struct rill__request, phase),
};

/* Run the request in its scope. */
static int run(struct rill__request *request) RILL_SUSPENDS;

static int run(struct rill__request *request)
{
    rill_http_session *session = request->session;
    int r = rill_timeout_at(&request->scope, request->total_at);
    if (r < 0)
        return r;
    rill__scope_tell(&request->scope, &tells_request);
    request->phase = "total";
    list_push_back(&session->requests, &request->link);
    r = rill_scope_leave(&request->scope, try_all(request));
    rill__session_leave(request);
    if (session->closed && r != -ECANCELED)
        return rill_fail(-ESHUTDOWN, "the session was closed");
    return r;
}

/* Give an error its text: what was asked, and what came of it. */
static int explain(const struct rill__request *request, int r, const char *url,
                   const rill_err *before)
{
    const rill_err *last = rill_last_error();
    const char *why = last != NULL && last != before && last->code == r ? last->msg : NULL;
    if (request->response->url.text.at != NULL)
        url = request->response->url.text.at; /* without a password */
    else if (strchr(url, '@') != NULL)
        url = "a URL";
    if (r == -ETIME && rill_scope_expired(&request->scope))
        return rill_fail(r, "%.*s %.160s: no answer in time (%s)", (int)request->method.size,
                         request->method.at, url, request->phase);
    return rill_fail(r, "%.*s %.160s: %s", (int)request->method.size, request->method.at, url,
                     why != NULL ? why : rill_strerror(r));
}

/* The session's loop is that of its first request. */
static int bind_loop(rill_http_session *session)
{
    struct rill_loop *loop = rill__loop_running;
    if (loop == NULL)
        return -ESRCH;
    if (session->loop == NULL)
        session->loop = loop;
    return session->loop == loop ? 0 : rill__misuse(-EXDEV);
}

static int make_response(rill_http_session *session, rill_http_response **ret_response)
{
    rill_http_response *response = rill_alloc(sizeof *response);
    if (response == NULL)
        return -ENOMEM;
    memset(response, 0, offsetof(rill_http_response, head));
    rill__arena_lend(&response->arena, response->room, sizeof response->room);
    response->session = rill__session_ref(session);
    *ret_response = response;
    return 0;
}

int rill_http_request(rill_http_session *session, const char *method, const char *url,
                      const rill_http_request_opts *opts, rill_http_response **ret_response)
{
    static const rill_http_request_opts none;
    const rill_err *before = rill_last_error();
    struct rill__request request = { .session = session, .method = rill_span_of(method) };
    int r = bind_loop(session);
    if (r == 0)
        r = make_response(session, &request.response);
    if (r < 0)
        return r;
    request.opts = opts != NULL ? opts : &none;
    r = prepare(&request, url != NULL ? url : "");
    if (r == 0)
        r = run(&request);
    rill_http_response *response = request.response;
    if (r < 0) {
        response->error = r;
        if (r != -ECANCELED)
            r = explain(&request, r, url != NULL ? url : "", before);
        rill_http_close(response);
        return r;
    }
    if (response->body.done)
        rill__response_release(response);
    else
        list_push_back(&session->responses, &response->link);
    *ret_response = response;
    return 0;
}

int rill_http_get(rill_http_session *session, const char *url, const rill_http_request_opts *opts,
                  rill_http_response **ret_response)
{
    return rill_http_request(session, "GET", url, opts, ret_response);
}

int rill_http_post(rill_http_session *session, const char *url, const rill_http_request_opts *opts,
                   rill_http_response **ret_response)
{
    return rill_http_request(session, "POST", url, opts, ret_response);
}

int rill_http_put(rill_http_session *session, const char *url, const rill_http_request_opts *opts,
                  rill_http_response **ret_response)
{
    return rill_http_request(session, "PUT", url, opts, ret_response);
}

int rill_http_patch(rill_http_session *session, const char *url, const rill_http_request_opts *opts,
                    rill_http_response **ret_response)
{
    return rill_http_request(session, "PATCH", url, opts, ret_response);
}

int rill_http_delete(rill_http_session *session, const char *url,
                     const rill_http_request_opts *opts, rill_http_response **ret_response)
{
    return rill_http_request(session, "DELETE", url, opts, ret_response);
}

int rill_http_head(rill_http_session *session, const char *url, const rill_http_request_opts *opts,
                   rill_http_response **ret_response)
{
    rill_http_request_opts own = { .redirects = -1 };
    if (opts != NULL) {
        own = *opts;
        own.redirects = opts->redirects == 0 ? -1 : opts->redirects;
    }
    return rill_http_request(session, "HEAD", url, &own, ret_response);
}

int rill_http_options(rill_http_session *session, const char *url,
                      const rill_http_request_opts *opts, rill_http_response **ret_response)
{
    return rill_http_request(session, "OPTIONS", url, opts, ret_response);
}
