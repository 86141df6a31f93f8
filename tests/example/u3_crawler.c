/* u3_crawler.c - follows the links of a site, ten fetches at once, each page once; prints the sorted list. */
#include <rill.h>

#include <stdio.h>
#include <stdlib.h>

enum { pages = 40, at_once = 10, found_max = 100 };

static rill_http_session *session;
static rill_group group;
static rill_semaphore places;
static char found[found_max][16];
static int found_count, fetches, most_fetches;

/* Page N of the site links to 2N+1, 2N+2, and back to its parent. */
static int serve(rill_stream *stream, void *arg)
{
    rill_span head;
    char body[256], answer[512];
    int rc, page;
    (void)arg;
    while ((rc = rill_stream_read_until(stream, &RILL_SPAN("\r\n\r\n"), 1, &head)) > 0) {
        bool there = sscanf(head.at, "GET /page/%d HTTP/1.1\r\n", &page) == 1 && page < pages;
        int size = snprintf(body, sizeof body,
                            "<a href=\"/page/%d\">left</a> <a href=\"%d\">right</a> "
                            "<a href=\"../page/%d\">back</a>",
                            2 * page + 1, 2 * page + 2, page > 0 ? (page - 1) / 2 : 0);
        size = snprintf(answer, sizeof answer, "HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s",
                        there ? "200 OK" : "404 Not Found", size, body);
        rc = rill_stream_write(stream, answer, (size_t)size, NULL);
        if (rc < 0)
            break;
    }
    return rc == -ENODATA ? 0 : rc;
}

static int visit(void *arg);

/* Go to a page, unless somebody was there. Nothing is awaited, so no lock is needed. */
static int go_to(const char *name, size_t size)
{
    for (int i = 0; i < found_count; i++)
        if (strlen(found[i]) == size && memcmp(found[i], name, size) == 0)
            return 0;
    if (found_count == found_max || size >= sizeof *found)
        return -E2BIG;
    memcpy(found[found_count], name, size);
    return rill_group_go(&group, RILL_CORO(visit, found[found_count++]));
}

/* Links here end in the name of a page. */
static int follow_links(rill_span body)
{
    int rc = 0;
    for (const char *at = body.at; (at = strstr(at, "href=\"")) != NULL && rc == 0;) {
        const char *end = strchr(at += 6, '"');
        const char *slash = memrchr(at, '/', (size_t)(end - at));
        const char *name = slash != NULL ? slash + 1 : at;
        rc = go_to(name, (size_t)(end - name));
        at = end;
    }
    return rc;
}

static int fetch(char *page)
{
    rill_http_response *response;
    rill_span body;
    int rc = rill_http_get(session, page, NULL, &response);
    if (rc < 0)
        return rc;
    rc = rill_http_read_all(response, 64 << 10, &body);
    if (rc == 0 && rill_http_status(response) == 200)
        rc = follow_links(body);
    else
        page[0] = 0; /* not there */
    rill_http_close(response);
    return rc;
}

static int visit(void *arg)
{
    int rc = rill_semaphore_acquire(&places);
    if (rc < 0)
        return rc;
    most_fetches = ++fetches > most_fetches ? fetches : most_fetches;
    rc = fetch(arg);
    fetches--;
    rill_semaphore_release(&places);
    return rc;
}

static int crawl(void)
{
    int rc = rill_group_enter(&group);
    if (rc == 0)
        rc = rill_group_leave(&group, go_to("0", 1));
    rill_group_fini(&group);
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
    snprintf(base, sizeof base, "http://127.0.0.1:%u/page/", rill_addr_port(&at));
    rc = rill_http_session_new(&(rill_http_session_opts){ .base_url = base }, &session);
    if (rc == 0) {
        rc = rill_semaphore_init(&places, at_once);
        rc = rill_first_error(rc, crawl());
        rc = rill_first_error(rc, rill_http_session_close(session));
    }
    rill_server_close(server);
    rc = rill_first_error(rc, rill_server_wait_closed(server));
    rill_server_free(server);
    return rc;
}

static int by_number(const void *a, const void *b)
{
    size_t one = strlen(a), other = strlen(b);
    return one != other ? (one < other ? -1 : 1) : strcmp(a, b);
}

int main(void)
{
    int rc = rill_run(RILL_CORO(start, NULL));
    qsort(found, (size_t)found_count, sizeof *found, by_number);
    for (int i = 0; i < found_count && rc == 0; i++)
        if (found[i][0] != 0)
            printf("%s ", found[i]);
    printf("\n%s\n", most_fetches <= at_once ? "never more than 10 at once" : "too many at once");
    return rill_exit_code(rc);
}
