/* fetch.c - fetches the URLs it is given: at most 20 at once, 4 of one host, all within 30 seconds; prints
 * status, length and URL of each as it comes, and how far it is on a terminal. Ctrl-C ends it at once. */
#include <rill.h>

#include <stdio.h>
#include <unistd.h>

enum { most = 1000 };

static rill_http_session *session;

static int fetch(void *url)
{
    rill_http_response *response;
    rill_span body;
    int rc = rill_http_get(session, url, NULL, &response);
    if (rc == 0) {
        rc = rill_http_read_all(response, 64 << 20, &body);
        if (rc == 0)
            rc = rill_return_fmt("%d %zu %s", rill_http_status(response), body.size, (char *)url);
        rill_http_close(response);
    }
    if (rc == 0 || rc == -ECANCELED)
        return rc;
    const rill_err *why = rill_last_error(); /* one that fails does not end the others */
    return rill_return_fmt("%s", why != NULL && why->msg != NULL ? why->msg : rill_strerror(rc));
}

/* Print the results as they come. */
static int print_all(size_t count, rill_future *const tasks[])
{
    rill_as_completed it;
    rill_future *task;
    size_t done = 0;
    bool terminal = isatty(STDERR_FILENO);
    int rc = rill_as_completed_init(&it, count, tasks, RILL_FOREVER);
    while (rc >= 0 && (rc = rill_as_completed_next(&it, &task)) > 0) {
        puts(rill_value(task) != NULL ? rill_value(task) : "cancelled");
        fflush(stdout);
        if (terminal)
            fprintf(stderr, "\r%zu of %zu\r", ++done, count);
    }
    rill_as_completed_fini(&it);
    return rc;
}

static int fetch_all(void *arg)
{
    static rill_future *tasks[most];
    char **urls = arg;
    size_t count = 0;
    rill_group group = { 0 };
    int rc = rill_group_enter(&group);
    for (; rc == 0 && urls[count] != NULL && count < most; count++)
        tasks[count] = rill_group_create_task(&group, RILL_CORO(fetch, urls[count]));
    if (rc == 0)
        rc = rill_group_leave(&group, print_all(count, tasks)); /* ends what is under way */
    for (size_t i = 0; i < count; i++)
        rill_unref(tasks[i]);
    rill_group_fini(&group);
    return rc;
}

static int start(void *arg)
{
    rill_http_session_opts opts = { .limit = 20, .limit_per_host = 4 };
    int rc = rill_http_session_new(&opts, &session);
    if (rc < 0)
        return rc;
    rc = rill_wait_for_call(RILL_CORO(fetch_all, arg), RILL_SEC(30));
    return rill_first_error(rc, rill_http_session_close(session));
}

int main(int argc, char **argv)
{
    (void)argc;
    return rill_exit_code(rill_run(RILL_CORO(start, argv + 1)));
}
