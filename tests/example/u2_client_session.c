/* u2_client_session.c - one session, five requests at once: each answer's status and length, in order. */
#include <rill.h>

#include <stdio.h>

static const char *const methods[] = { "GET", "POST", "PUT", "HEAD", "GET" };

static rill_http_session *session;
static int numbers[] = { 0, 1, 2, 3, 4 };
static char results[5][32];

/* Answers each request with its method and the length of its body, and a PUT with 201. */
static int serve(rill_stream *stream, void *arg)
{
    rill_http_field fields[32];
    rill_http_message head;
    rill_span text;
    char body[64], answer[256];
    int rc;
    (void)arg;
    while ((rc = rill_stream_read_until(stream, &RILL_SPAN("\r\n\r\n"), 1, &text)) > 0) {
        rill_http_head_init(&head, fields, 32);
        if (rill_http_request_parse(&head, text.at, text.size, NULL) <= 0)
            return -EBADMSG;
        bool put = head.method == RILL_HTTP_PUT, no_body = head.method == RILL_HTTP_HEAD;
        rill_span method = rill_http_span(&head, head.method_name);
        int size = snprintf(body, sizeof body, "%.*s, %d octets", (int)method.size, method.at,
                            (int)head.length);
        int all = snprintf(answer, sizeof answer, "HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s",
                           put ? "201 Created" : "200 OK", size, no_body ? "" : body);
        rc = rill_stream_read_exactly(stream, body, head.length, NULL);
        if (rc == 0)
            rc = rill_stream_write(stream, answer, (size_t)all, NULL);
        if (rc < 0)
            return rc;
    }
    return rc == -ENODATA ? 0 : rc;
}

static int ask(void *arg)
{
    int number = *(int *)arg;
    const char *method = methods[number];
    rill_http_request_opts opts = { .body = { "hello", 5 } };
    rill_http_response *response;
    rill_span body;
    int rc = rill_http_request(session, method, "/", method[0] == 'P' ? &opts : NULL, &response);
    if (rc < 0)
        return rc;
    rc = rill_http_read_all(response, 1024, &body);
    if (rc == 0)
        snprintf(results[number], sizeof *results, "%s %d %d", method, rill_http_status(response),
                 (int)body.size);
    rill_http_close(response);
    return rc;
}

static int ask_all(void)
{
    rill_group group = { 0 };
    int rc = rill_group_enter(&group);
    for (int i = 0; i < 5 && rc == 0; i++)
        rc = rill_group_go(&group, RILL_CORO(ask, &numbers[i]));
    rc = rill_group_leave(&group, rc);
    rill_group_fini(&group);
    for (int i = 0; i < 5 && rc == 0; i++)
        puts(results[i]);
    return rc;
}

static int start(void *arg)
{
    rill_server *server;
    char base[64];
    (void)arg;
    int rc = rill_start_server("127.0.0.1", 0, serve, NULL, NULL, &server);
    if (rc < 0)
        return rc;
    rill_addr at = rill_server_address(server);
    snprintf(base, sizeof base, "http://127.0.0.1:%u/", rill_addr_port(&at));
    rc = rill_http_session_new(&(rill_http_session_opts){ .base_url = base }, &session);
    if (rc == 0) {
        rc = ask_all();
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
