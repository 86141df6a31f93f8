/* asker.c - one session that asks as its arguments say: the half of flow_curl.py that is rill's.
 *
 * asker ADDRESS METHOD BODY USER:PASSWORD HEADER URL...
 *
 * All URLs are asked at the address, whatever their hosts. "-" stands for none. What came of each URL is a line:
 * its status, or the name of its error. */
#include <rill.h>

#include <stdio.h>
#include <string.h>

enum { arguments_least = 7, body_max = 1 << 20 };

struct asker {
    int count;
    char **arguments;
};

static int ask(rill_http_session *session, const char *method, const char *url,
               const rill_http_request_opts *opts) RILL_SUSPENDS;

static int ask(rill_http_session *session, const char *method, const char *url,
               const rill_http_request_opts *opts)
{
    rill_http_response *response;
    rill_span body;
    int r = rill_http_request(session, method, url, opts, &response);
    if (r < 0)
        return r;
    r = rill_http_read_all(response, body_max, &body);
    if (r == 0)
        r = rill_http_status(response);
    rill_http_close(response);
    return r;
}

static const char *given(const char *argument)
{
    return strcmp(argument, "-") == 0 ? NULL : argument;
}

/* What the arguments say of every request. `line` is the memory of the header. */
static rill_http_request_opts read_options(char **arguments, rill_http_line *line)
{
    rill_http_request_opts opts = { .redirects = 10 };
    const char *body = given(arguments[3]), *header = given(arguments[5]);
    char *user = strcmp(arguments[4], "-") == 0 ? NULL : arguments[4];
    if (body != NULL)
        opts.body = rill_span_of(body);
    if (user != NULL)
        opts.auth = (rill_http_auth){ strsep(&user, ":"), user };
    const char *colon = header != NULL ? strchr(header, ':') : NULL;
    if (colon != NULL) {
        *line = (rill_http_line){ { header, (size_t)(colon - header) }, rill_span_of(colon + 2) };
        opts.headers = line;
        opts.header_count = 1;
    }
    return opts;
}

static int run(void *arg)
{
    const struct asker *asker = arg;
    rill_http_session *session;
    rill_http_line line;
    rill_addr address;
    int r = rill_addr_parse(rill_span_of(asker->arguments[1]), &address);
    if (r < 0)
        return r;
    r = rill_http_session_new(&(rill_http_session_opts){ .address = &address }, &session);
    if (r < 0)
        return r;
    rill_http_request_opts opts = read_options(asker->arguments, &line);
    for (int i = arguments_least - 1; i < asker->count && r >= 0; i++) {
        r = ask(session, asker->arguments[2], asker->arguments[i], &opts);
        if (r == -ECANCELED)
            break;
        printf("%s\n", r >= 0 ? "answered" : rill_strerror(r));
        r = 0;
    }
    return rill_first_error(r, rill_http_session_close(session));
}

int main(int argc, char **argv)
{
    struct asker asker = { argc, argv };
    if (argc < arguments_least) {
        fputs("usage: asker ADDRESS METHOD BODY USER:PASSWORD HEADER URL...\n", stderr);
        return 2;
    }
    return rill_exit_code(rill_run(RILL_CORO(run, &asker)));
}
