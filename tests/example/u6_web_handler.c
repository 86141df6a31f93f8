/* u6_web_handler.c - a page whose handler gathers the answers of two upstreams, which take a second each. */
#include <rill.h>

#include <stdio.h>

static char site[64]; /* its URL */
static const char user[] = "user", news[] = "news";

static int answer(rill_stream *stream, const char *status, const char *body)
{
    char text[512];
    int size = snprintf(text, sizeof text, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", status,
                        strlen(body), body);
    int rc = rill_stream_write(stream, text, (size_t)size, NULL);
    return rc < 0 ? rc : 0;
}

struct part {
    rill_http_session *session;
    const char *of;
    char text[64];
};

static int get_part(void *arg)
{
    struct part *part = arg;
    rill_http_response *response;
    rill_span body;
    int rc = rill_http_get(part->session, part->of, NULL, &response);
    if (rc < 0)
        return rc;
    rc = rill_http_read_all(response, sizeof part->text - 1, &body);
    if (rc == 0)
        snprintf(part->text, sizeof part->text, "%.*s", (int)body.size, body.at);
    rill_http_close(response);
    return rc;
}

/* All at once. If one fails the others are cancelled, and none is left behind. */
static int get_parts(size_t count, struct part parts[])
{
    rill_group group = { 0 };
    int rc = rill_group_enter(&group);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = rill_group_go(&group, RILL_CORO(get_part, &parts[i]));
    rc = rill_group_leave(&group, rc);
    rill_group_fini(&group);
    return rc;
}

static int answer_page(rill_stream *stream)
{
    rill_http_session *session;
    char page[256];
    int rc = rill_http_session_new(&(rill_http_session_opts){ .base_url = site }, &session);
    if (rc < 0)
        return rc;
    struct part parts[] = { { session, user, "" }, { session, news, "" } };
    rc = get_parts(2, parts);
    rc = rill_first_error(rc, rill_http_session_close(session));
    snprintf(page, sizeof page, "%s; %s", parts[0].text, parts[1].text);
    return rc < 0 ? answer(stream, "502 Bad Gateway", rill_strerror(rc))
                  : answer(stream, "200 OK", page);
}

static int answer_late(rill_stream *stream, const char *body)
{
    int rc = rill_sleep(RILL_SEC(1));
    return rc < 0 ? rc : answer(stream, "200 OK", body);
}

/* The site and its upstreams in one. */
static int serve(rill_stream *stream, void *arg)
{
    char path[16];
    rill_span head;
    int rc;
    (void)arg;
    while ((rc = rill_stream_read_until(stream, &RILL_SPAN("\r\n\r\n"), 1, &head)) > 0) {
        if (sscanf(head.at, "GET /%15s HTTP/1.1\r\n", path) != 1)
            rc = answer(stream, "400 Bad Request", "");
        else if (strcmp(path, user) == 0)
            rc = answer_late(stream, "hello");
        else if (strcmp(path, news) == 0)
            rc = answer_late(stream, "tea is ready");
        else
            rc = answer_page(stream);
        if (rc < 0)
            return rc;
    }
    return rc == -ENODATA ? 0 : rc;
}

static int visit(rill_http_session *session)
{
    rill_http_response *response;
    rill_span body;
    rill_time begin = rill_now();
    int rc = rill_http_get(session, "page", NULL, &response);
    if (rc < 0)
        return rc;
    rc = rill_http_read_all(response, 256, &body);
    if (rc == 0)
        printf("%d %.*s (after %d s)\n", rill_http_status(response), (int)body.size, body.at,
               (int)((rill_now() - begin) / RILL_SEC(1)));
    rill_http_close(response);
    return rc;
}

static int start(void *arg)
{
    rill_server *server;
    rill_http_session *session;
    (void)arg;
    int rc = rill_start_server("127.0.0.1", 0, serve, NULL, NULL, &server);
    if (rc < 0)
        return rc;
    rill_addr at = rill_server_address(server);
    snprintf(site, sizeof site, "http://127.0.0.1:%u/", rill_addr_port(&at));
    rc = rill_http_session_new(&(rill_http_session_opts){ .base_url = site }, &session);
    if (rc == 0) {
        rc = visit(session);
        rc = rill_first_error(rc, rill_http_session_close(session));
    }
    rill_server_close(server);
    rc = rill_first_error(rc, rill_server_wait_closed(server));
    rill_server_free(server);
    return rc;
}

int main(void)
{
    return rill_exit_code(rill_run(RILL_CORO(start, NULL)));
}
