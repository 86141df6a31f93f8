/* session.c - a session's life: options taken over, requests and responses counted, the end.
 *
 * The memory goes with the last response. Closing ends at once what waits: requests by their scopes, so that
 * each returns through its own ladder, responses by the reset of their connections. */
#include "core/client/session.h"

#include "core/base/check.h"
#include "core/client/auth.h"

#include <rill/task.h>
#include <rill/tls.h>

#include <errno.h>

enum { default_limit = 100, default_redirects = 10, default_growth = 250 };

/* --- Options. --- */

static rill_time span_or(rill_time span, rill_time otherwise)
{
    return span == 0 ? otherwise : span;
}

static int copy_span(rill_arena *arena, rill_span *span)
{
    char *copy = rill_arena_copy(arena, span->at, span->size);
    if (copy == NULL)
        return -ENOMEM;
    span->at = copy;
    return 0;
}

static int copy_headers(rill_http_session *session)
{
    rill_http_session_opts *opts = &session->opts;
    rill_http_line *lines =
        rill_arena_alloc_zero(&session->arena, opts->header_count, sizeof *lines);
    if (lines == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < opts->header_count; i++) {
        lines[i] = opts->headers[i];
        if (copy_span(&session->arena, &lines[i].name) < 0 ||
            copy_span(&session->arena, &lines[i].value) < 0)
            return -ENOMEM;
    }
    opts->headers = lines;
    return rill__head_prepare(session);
}

static int take_base(rill_http_session *session)
{
    rill_span text = rill_span_of(session->opts.base_url);
    int r = copy_span(&session->arena, &text); /* what has no host of its own points into it */
    return r < 0 ? r : rill__url_parse(&session->arena, text, NULL, &session->base);
}

static void fill_in_defaults(rill_http_session_opts *opts)
{
    opts->total = span_or(opts->total, RILL_SEC(300));
    opts->connect = span_or(opts->connect, RILL_FOREVER);
    opts->sock_connect = span_or(opts->sock_connect, RILL_SEC(30));
    opts->sock_read = span_or(opts->sock_read, RILL_FOREVER);
    opts->limit = opts->limit > 0 ? opts->limit : default_limit;
    opts->limit_per_host = opts->limit_per_host > 0 ? opts->limit_per_host : SIZE_MAX;
    opts->keepalive = opts->keepalive < 0 ? 0 : span_or(opts->keepalive, RILL_SEC(15));
    opts->dns_ttl = opts->dns_ttl < 0 ? 0 : span_or(opts->dns_ttl, RILL_FOREVER);
    opts->redirects = opts->redirects == 0 ? default_redirects : opts->redirects;
    opts->inflate_max = opts->inflate_max > 0 ? opts->inflate_max : default_growth;
}

static int take_options(rill_http_session *session)
{
    rill_http_session_opts *opts = &session->opts;
    fill_in_defaults(opts);
    int r = copy_headers(session);
    if (r == 0 && opts->base_url != NULL)
        r = take_base(session);
    if (r == 0 && opts->auth.user != NULL)
        r = rill__auth_basic(&session->arena, rill_span_of(opts->auth.user),
                             rill_span_of(opts->auth.password), &session->authorization);
    if (r == 0 && opts->trust_env)
        r = rill__proxies_read(&session->arena, &session->proxies);
    if (opts->address != NULL) {
        session->address = *opts->address;
        opts->address = &session->address;
    }
    return r;
}

int rill_http_session_new(const rill_http_session_opts *opts, rill_http_session **ret_session)
{
    rill_http_session *session = rill_alloc_zero(1, sizeof *session);
    if (session == NULL)
        return -ENOMEM;
    session->refs = 1;
    if (opts != NULL)
        session->opts = *opts;
    if (session->opts.tls != NULL)
        rill_tls_context_ref(session->opts.tls);
    list_init(&session->requests);
    list_init(&session->responses);
    rill__jar_init(&session->jar);
    int r = take_options(session);
    rill__pool_init(&session->pool, session->opts.limit, session->opts.limit_per_host,
                    session->opts.keepalive);
    if (r < 0)
        rill__session_unref(session);
    else
        *ret_session = session;
    return r;
}

/* --- The end. --- */

rill_http_session *rill__session_ref(rill_http_session *session)
{
    session->refs++;
    return session;
}

void rill__session_unref(rill_http_session *session)
{
    if (--session->refs > 0)
        return;
    rill_tls_context_unref(session->opts.tls);
    rill__jar_fini(&session->jar);
    rill_arena_fini(&session->arena);
    rill_free(session);
}

void rill__session_leave(struct rill__request *request)
{
    list_remove(&request->link);
    if (list_is_empty(&request->session->requests))
        rill__waitq_wake_all(&request->session->closer);
}

/* End what is under way, and put its connections, closed, on `list`. */
static void end_all(rill_http_session *session, struct list *list)
{
    session->closed = true;
    list_for_each(node, &session->requests) {
        struct rill__request *request = container_of(node, struct rill__request, link);
        (void)rill_scope_cancel(&request->scope, "the session is closed"); /* or it has fired */
    }
    for (struct list *node; (node = list_pop_front(&session->responses)) != NULL;) {
        rill_http_response *response = container_of(node, rill_http_response, link);
        response->error = -ESHUTDOWN;
        rill__connection_abort(response->connection, list);
        response->connection = NULL;
    }
    rill__pool_close(&session->pool, list);
}

/* Wait until every request has returned. */
static int wait_for_requests(rill_http_session *session)
{
    struct rill__waiter waiter;
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r == 0 && !list_is_empty(&session->requests))
        r = rill__waitq_wait(&session->closer, &waiter, task);
    return r;
}

int rill_http_session_close(rill_http_session *session)
{
    struct list list;
    if (session == NULL)
        return 0;
    list_init(&list);
    end_all(session, &list);
    int r = wait_for_requests(session);
    r = rill_first_error(r, rill__pool_drop(&list, r == 0));
    rill__session_unref(session);
    return r;
}

void rill_http_session_free(rill_http_session *session)
{
    struct list list;
    if (session == NULL)
        return;
    list_init(&list);
    end_all(session, &list);
    CHECK(rill__pool_drop(&list, false) == 0); /* it waits for nothing */
    rill__session_unref(session);
}
