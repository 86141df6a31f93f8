/* test_server.c - servers: a task for each connection, errors told once, closing that waits for all. */
#include "core/base/mem.h"
#include "tests/support/expect.h"

#include <rill/net.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { clients_max = 150 };

static rill_server *server;
static rill_stream *clients[clients_max], *kept_stream;
static int told, started, finished; /* errors told; handlers */
static char last_told[200], path[64];
static rill_future *hold; /* handlers wait for it */

#define OWNED_ALL                                        \
    __attribute__((cleanup(drop_all))) int all_mark = 0; \
    (void)all_mark

static void drop_all(int *mark)
{
    (void)mark;
    rill_server_abort_clients(server);
    rill_server_free(server);
    server = NULL;
    for (int i = 0; i < clients_max; i++) {
        expect_drop_stream(&clients[i]);
        clients[i] = NULL;
    }
    expect_drop_stream(&kept_stream);
    kept_stream = NULL;
}

static void note_error(rill_loop *loop, const char *message, rill_future *future, void *arg)
{
    (void)loop;
    (void)arg;
    (void)future;
    told++;
    snprintf(last_told, sizeof last_told, "%s", message);
}

static int serve_with(rill_connection_fn *handler, const rill_server_opts *opts)
{
    server = NULL;
    told = started = finished = 0;
    rill_loop_set_error_handler(rill_get_running_loop(), note_error, NULL);
    return rill_start_server("127.0.0.1", 0, handler, &started, opts, &server);
}

static int connect_client(int i)
{
    rill_addr at = rill_server_address(server);
    return rill_stream_connect(&at, NULL, &clients[i]);
}

static int turns(int count)
{
    return give_up_turns(&count);
}

/* Turns until that many handlers run. */
static int await_started(int count)
{
    int r = 0;
    for (int i = 0; i < 2000 && started < count && r == 0; i++)
        r = rill_sleep(0);
    return r < 0 ? r : started < count ? -ETIME : 0;
}

/* --- Handlers. --- */

static int echo(rill_stream *stream, void *arg)
{
    char in[64];
    int r;
    ++*(int *)arg;
    while ((r = rill_stream_read(stream, in, sizeof in)) > 0) {
        r = rill_stream_write(stream, in, (size_t)r, NULL);
        if (r < 0)
            break;
    }
    finished++;
    return r;
}

static int close_when_read(rill_stream *stream, void *arg)
{
    char in[64];
    ++*(int *)arg;
    int r = rill_stream_read(stream, in, sizeof in);
    rill_stream_close(stream);
    r = rill_first_error(r, rill_stream_wait_closed(stream));
    finished++;
    return r;
}

static int fail_at_once(rill_stream *stream, void *arg)
{
    (void)stream;
    ++*(int *)arg;
    return rill_fail(-EPROTO, "the handler fails");
}

static int cancel_itself(rill_stream *stream, void *arg)
{
    (void)stream;
    ++*(int *)arg;
    rill_cancel(rill_current_task(), NULL);
    return rill_sleep(0);
}

static int wait_for_hold(rill_stream *stream, void *arg)
{
    (void)stream;
    ++*(int *)arg;
    int r = rill_join(rill_shield(hold));
    finished++;
    return r;
}

/* --- Serving. --- */

static int each_connection_has_a_task_of_its_own(void *arg)
{
    char in[8];
    (void)arg;
    OWNED_ALL;
    EXPECT_IS(serve_with(echo, NULL), 0);
    EXPECT(rill_server_is_serving(server));
    for (int i = 0; i < 3; i++)
        EXPECT_IS(connect_client(i), 0);
    for (int i = 2; i >= 0; i--) {
        EXPECT_IS(rill_stream_write(clients[i], "hello", 5, NULL), 5);
        EXPECT_IS(rill_stream_read(clients[i], in, sizeof in), 5);
    }
    EXPECT_IS(started, 3);
    for (int i = 0; i < 3; i++)
        EXPECT_IS(end_stream(&clients[i]), 0);
    rill_server_close(server);
    EXPECT(!rill_server_is_serving(server));
    EXPECT_IS(rill_server_wait_closed(server), 0);
    EXPECT_IS(finished, 3);
    EXPECT_IS(told, 0);
    return 0;
}

static int more_connections_than_a_turn_takes_are_all_served(void *arg)
{
    (void)arg;
    OWNED_ALL;
    EXPECT_IS(serve_with(echo, NULL), 0);
    for (int i = 0; i < clients_max; i++)
        EXPECT_IS(connect_client(i), 0);
    EXPECT_IS(await_started(clients_max), 0);
    return 0;
}

/* A handler that returns is done with the stream. */
static int return_of_the_handler_closes_the_stream(void *arg)
{
    char in[8];
    (void)arg;
    OWNED_ALL;
    EXPECT_IS(serve_with(echo, NULL), 0);
    EXPECT_IS(connect_client(0), 0);
    EXPECT_IS(rill_stream_write(clients[0], "last", 4, NULL), 4);
    EXPECT_IS(rill_stream_write_eof(clients[0]), 0);
    EXPECT_IS(rill_stream_read_exactly(clients[0], in, 4, NULL), 0);
    EXPECT_IS(rill_stream_read(clients[0], in, sizeof in), 0);
    return 0;
}

static int keep_the_stream(rill_stream *stream, void *arg)
{
    ++*(int *)arg;
    if (server != NULL) /* else the scenario was left, and nobody would drop it */
        kept_stream = rill_stream_ref(stream);
    return 0;
}

static int stream_that_somebody_refers_to_outlives_the_handler(void *arg)
{
    char in[8];
    (void)arg;
    OWNED_ALL;
    EXPECT_IS(serve_with(keep_the_stream, NULL), 0);
    EXPECT_IS(connect_client(0), 0);
    EXPECT_IS(await_started(1), 0);
    EXPECT_IS(turns(3), 0);
    EXPECT_IS(rill_stream_write(kept_stream, "still", 5, NULL), 5);
    EXPECT_IS(rill_stream_read(clients[0], in, sizeof in), 5);
    rill_server_close(server);
    EXPECT_IS(end_stream(&kept_stream), 0);
    EXPECT_IS(rill_server_wait_closed(server), 0);
    return 0;
}

static int woken;

static int wake(void *arg)
{
    rill_stream *stream = arg;
    char in[8];
    int r = rill_stream_read(stream, in, sizeof in);
    if (r > 0)
        r = rill_stream_write(stream, in, (size_t)r, NULL);
    rill_stream_unref(stream);
    woken = r;
    return 0;
}

static int park_the_stream(rill_stream *stream, void *arg)
{
    ++*(int *)arg;
    int r = rill_stream_park(rill_stream_ref(stream), RILL_FOREVER, RILL_CORO(wake, stream));
    if (r < 0)
        rill_stream_unref(stream);
    return r;
}

static int handler_may_park_its_stream_and_return(void *arg)
{
    RILL_AUTO_SCOPE rill_scope scope = { 0 }; /* without memory it stays parked */
    char in[8];
    (void)arg;
    OWNED_ALL;
    EXPECT_IS(rill_timeout(&scope, RILL_MS(500)), 0);
    EXPECT_IS(serve_with(park_the_stream, NULL), 0);
    EXPECT_IS(connect_client(0), 0);
    EXPECT_IS(await_started(1), 0);
    EXPECT_IS(turns(3), 0);
    EXPECT_IS(rill_stream_write(clients[0], "wake", 4, NULL), 4);
    EXPECT_IS(rill_stream_read(clients[0], in, sizeof in), 4);
    EXPECT_IS(rill_stream_read(clients[0], in, sizeof in), 0);
    return 0;
}

static int parked_connections_are_told_when_clients_are_closed(void *arg)
{
    char in[8];
    (void)arg;
    OWNED_ALL;
    EXPECT_IS(serve_with(park_the_stream, NULL), 0);
    EXPECT_IS(connect_client(0), 0);
    EXPECT_IS(await_started(1), 0);
    EXPECT_IS(turns(3), 0);
    rill_server_close(server);
    rill_server_close_clients(server);
    EXPECT_IS(rill_server_wait_closed(server), 0);
    EXPECT_IS(rill_stream_read(clients[0], in, sizeof in), 0);
    EXPECT_IS(woken, -EBADF);
    return 0;
}

/* Row 118. */
static int error_of_a_handler_is_told_once_and_ends_its_connection(void *arg)
{
    char in[8];
    (void)arg;
    OWNED_ALL;
    EXPECT_IS(serve_with(fail_at_once, NULL), 0);
    EXPECT_IS(connect_client(0), 0);
    EXPECT_IS(rill_stream_read(clients[0], in, sizeof in), 0);
    rill_server_close(server);
    EXPECT_IS(rill_server_wait_closed(server), 0);
    EXPECT_IS(turns(3), 0);
    EXPECT_IS(told, 1);
    return 0;
}

/* Row 118. */
static int cancel_of_a_handler_is_not_told_and_ends_its_connection(void *arg)
{
    char in[8];
    (void)arg;
    OWNED_ALL;
    EXPECT_IS(serve_with(cancel_itself, NULL), 0);
    EXPECT_IS(connect_client(0), 0);
    EXPECT_IS(rill_stream_read(clients[0], in, sizeof in), 0);
    EXPECT_IS(turns(3), 0);
    EXPECT_IS(started, 1);
    EXPECT_IS(told, 0);
    return 0;
}

/* --- Closing. --- */

static int wait_for_server(void *arg)
{
    (void)arg;
    if (server == NULL)
        return -ECANCELED; /* the scenario was left before our first step */
    int r = rill_server_wait_closed(server);
    trace(r == 0 ? 'w' : 'c');
    return r;
}

/* Row 117. */
static int wait_closed_waits_for_the_close_and_for_all_connections(void *arg)
{
    rill_task *waiters[3];
    (void)arg;
    OWNED_ALL;
    EXPECT_IS(serve_with(close_when_read, NULL), 0);
    waiters[0] = kept(rill_create_task(RILL_CORO(wait_for_server, NULL)));
    EXPECT_IS(turns(2), 0);
    EXPECT_IS(connect_client(0), 0);
    EXPECT_IS(await_started(1), 0);
    waiters[1] = kept(rill_create_task(RILL_CORO(wait_for_server, NULL)));
    EXPECT_IS(turns(2), 0);
    EXPECT_TRACE("");
    rill_server_close(server);
    waiters[2] = kept(rill_create_task(RILL_CORO(wait_for_server, NULL)));
    EXPECT_IS(turns(5), 0);
    EXPECT_TRACE("");
    EXPECT_IS(end_stream(&clients[0]), 0);
    for (int i = 0; i < 3; i++)
        EXPECT_IS(rill_await(waiters[i]), 0);
    EXPECT_IS(rill_server_wait_closed(server), 0); /* at once */
    EXPECT_TRACE("www");
    return 0;
}

static void close_server(void *arg)
{
    (void)arg;
    rill_server_close(server);
}

static void close_client(void *arg)
{
    (void)arg;
    rill_stream_close(clients[0]);
}

/* Row 117. Both close in one turn. */
static int wait_closed_ends_when_server_and_client_close_together(void *arg)
{
    rill_loop *loop = rill_get_running_loop();
    (void)arg;
    OWNED_ALL;
    EXPECT_IS(serve_with(close_when_read, NULL), 0);
    rill_task *waiter = kept(rill_create_task(RILL_CORO(wait_for_server, NULL)));
    EXPECT_IS(turns(1), 0);
    EXPECT_IS(connect_client(0), 0);
    EXPECT(rill_call_soon(loop, close_server, NULL).entry != NULL);
    EXPECT(rill_call_soon(loop, close_client, NULL).entry != NULL);
    EXPECT_IS(rill_server_wait_closed(server), 0);
    EXPECT_IS(rill_await(waiter), 0);
    return 0;
}

/* A cancelled waiter leaves the others, and the server as it is. */
static int cancelled_wait_closed_changes_nothing(void *arg)
{
    (void)arg;
    OWNED_ALL;
    EXPECT_IS(serve_with(echo, NULL), 0);
    rill_task *first = kept(rill_create_task(RILL_CORO(wait_for_server, NULL)));
    rill_task *second = kept(rill_create_task(RILL_CORO(wait_for_server, NULL)));
    EXPECT_IS(turns(1), 0);
    EXPECT(rill_cancel(first, NULL));
    EXPECT_IS(rill_await(first), -ECANCELED);
    EXPECT(rill_server_is_serving(server));
    rill_server_close(server);
    EXPECT_IS(rill_await(second), 0);
    return 0;
}

/* Row 117. What was written goes out, and nobody is blamed for the end. */
static int close_clients_is_polite(void *arg)
{
    char in[8];
    (void)arg;
    OWNED_ALL;
    EXPECT_IS(serve_with(echo, NULL), 0);
    EXPECT_IS(connect_client(0), 0);
    EXPECT_IS(rill_stream_write(clients[0], "hello", 5, NULL), 5);
    EXPECT_IS(rill_stream_read(clients[0], in, sizeof in), 5);
    rill_server_close(server);
    rill_server_close_clients(server);
    rill_server_close_clients(server); /* once more changes nothing */
    EXPECT_IS(rill_server_wait_closed(server), 0);
    EXPECT_IS(rill_stream_read(clients[0], in, sizeof in), 0);
    EXPECT_IS(turns(3), 0);
    EXPECT_IS(finished, 1);
    EXPECT_IS(told, 0);
    return 0;
}

static int write_for_ever(rill_stream *stream, void *arg)
{
    static char octets[64 << 10];
    int r = 0;
    ++*(int *)arg;
    while (r >= 0)
        r = rill_stream_write(stream, octets, sizeof octets, NULL);
    finished++;
    return r;
}

/* Row 117. */
static int abort_clients_is_immediate_even_with_full_buffers(void *arg)
{
    (void)arg;
    OWNED_ALL;
    EXPECT_IS(serve_with(write_for_ever, NULL), 0);
    EXPECT_IS(connect_client(0), 0);
    EXPECT_IS(await_started(1), 0);
    EXPECT_IS(turns(200), 0); /* everything on the way is full: the client does not read */
    rill_server_close(server);
    rill_task *waiter = kept(rill_create_task(RILL_CORO(wait_for_server, NULL)));
    EXPECT_IS(turns(5), 0);
    EXPECT_TRACE("");
    rill_server_abort_clients(server);
    EXPECT_IS(rill_await(waiter), 0);
    EXPECT_IS(turns(3), 0);
    EXPECT_IS(finished, 1);
    EXPECT_IS(told, 0);
    return 0;
}

/* A connection that was accepted, or not yet, when the server closes. */
static int close_in_the_turn_of_a_connection_loses_no_waiter(void *arg)
{
    (void)arg;
    for (int before = 0; before < 6; before++) {
        OWNED_ALL;
        EXPECT_IS(serve_with(echo, NULL), 0);
        rill_addr at = rill_server_address(server);
        OWNED_FD int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        EXPECT(connect(client, &at.any, at.length) == 0 || errno == EINPROGRESS);
        EXPECT_IS(turns(before), 0);
        rill_server_close(server);
        close(client);
        client = -1;
        EXPECT_IS(rill_server_wait_closed(server), 0);
    }
    return 0;
}

static int server_may_be_freed_while_handlers_run(void *arg)
{
    (void)arg;
    OWNED_ALL;
    hold = kept(rill_future_new());
    EXPECT_IS(serve_with(wait_for_hold, NULL), 0);
    EXPECT_IS(connect_client(0), 0);
    EXPECT_IS(await_started(1), 0);
    rill_server_free(server);
    server = NULL;
    EXPECT_IS(turns(3), 0);
    EXPECT_IS(finished, 0);
    (void)rill_future_set_result(hold, 0, NULL);
    EXPECT_IS(turns(5), 0);
    EXPECT_IS(finished, 1);
    return 0;
}

static int address_in_use_is_an_error_unless_it_is_shared(void *arg)
{
    const rill_server_opts shared = { .reuse_port = true };
    (void)arg;
    OWNED_ALL;
    EXPECT_IS(serve_with(echo, NULL), 0);
    rill_addr at = rill_server_address(server);
    rill_server *second = NULL;
    EXPECT_IS(rill_start_server("127.0.0.1", rill_addr_port(&at), echo, NULL, NULL, &second),
              -EADDRINUSE);
    EXPECT(second == NULL);
    rill_server_free(server);
    EXPECT_IS(serve_with(echo, &shared), 0);
    at = rill_server_address(server);
    EXPECT_IS(rill_start_server("127.0.0.1", rill_addr_port(&at), echo, NULL, &shared, &second), 0);
    rill_server_free(second);
    return 0;
}

static int closed_server_takes_no_connection(void *arg)
{
    (void)arg;
    OWNED_ALL;
    EXPECT_IS(serve_with(echo, NULL), 0);
    EXPECT_IS(connect_client(0), 0);
    rill_server_close(server);
    EXPECT_IS(rill_sleep(RILL_MS(1)), 0); /* the kernel lets go of the socket */
    EXPECT_IS(connect_client(1), -ECONNREFUSED);
    return 0;
}

/* --- For ever. --- */

static int serve_for_ever(void *arg)
{
    (void)arg;
    if (server == NULL)
        return -ECANCELED; /* the scenario was left before our first step */
    int r = rill_serve_forever(server);
    trace(r == -ECANCELED ? 'c' : r == -ESHUTDOWN ? 's' : r == -EBUSY ? 'b' : '?');
    return r;
}

static int serve_forever_ends_by_a_cancel_and_closes_the_server(void *arg)
{
    (void)arg;
    OWNED_ALL;
    EXPECT_IS(serve_with(echo, NULL), 0);
    rill_task *serving = kept(rill_create_task(RILL_CORO(serve_for_ever, NULL)));
    EXPECT_IS(turns(1), 0);
    EXPECT_IS(all_begun(1, &serving), 0);
    EXPECT_IS(rill_serve_forever(server), -EBUSY);
    EXPECT_IS(connect_client(0), 0);
    EXPECT_IS(await_started(1), 0);
    EXPECT(rill_cancel(serving, NULL));
    EXPECT_IS(turns(5), 0);
    EXPECT(!rill_server_is_serving(server));
    EXPECT_TRACE(""); /* it waits for the connection */
    EXPECT_IS(end_stream(&clients[0]), 0);
    EXPECT_IS(rill_await(serving), -ECANCELED);
    EXPECT_IS(finished, 1);
    EXPECT_IS(rill_serve_forever(server), -ESHUTDOWN);
    return 0;
}

static int serve_forever_is_told_of_a_close(void *arg)
{
    (void)arg;
    OWNED_ALL;
    EXPECT_IS(serve_with(echo, NULL), 0);
    rill_task *serving = kept(rill_create_task(RILL_CORO(serve_for_ever, NULL)));
    EXPECT_IS(turns(1), 0);
    rill_server_close(server);
    rill_server_close(server); /* once more changes nothing */
    EXPECT_IS(rill_await(serving), -ESHUTDOWN);
    return 0;
}

/* --- Limits. --- */

static struct rlimit limit_before;

static void restore_limit(int *unused)
{
    (void)unused;
    setrlimit(RLIMIT_NOFILE, &limit_before);
}

/* Row 119. It is told once for each try, with a pause between them. */
static int server_without_descriptors_tells_and_goes_on_later(void *arg)
{
    (void)arg;
    if (under_valgrind())
        return 0; /* it keeps limits to itself */
    __attribute__((cleanup(restore_limit))) int restore = 0;
    (void)restore;
    OWNED_ALL;
    getrlimit(RLIMIT_NOFILE, &limit_before);
    OWNED_FD int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    EXPECT_IS(serve_with(echo, NULL), 0);
    rill_addr at = rill_server_address(server);
    struct rlimit none = { .rlim_cur = 0, .rlim_max = limit_before.rlim_max };
    setrlimit(RLIMIT_NOFILE, &none);
    EXPECT(connect(client, &at.any, at.length) == 0 || errno == EINPROGRESS);
    rill_time before = rill_now();
    while (told == 0)
        EXPECT_IS(rill_sleep(0), 0);
    EXPECT(strstr(last_told, "cannot accept") != NULL);
    EXPECT_IS(rill_sleep(RILL_MS(150)), 0); /* one more try */
    EXPECT(told <= 2 + (rill_now() - before) / RILL_MS(100));
    setrlimit(RLIMIT_NOFILE, &limit_before);
    while (started < 1)
        EXPECT_IS(rill_sleep(RILL_MS(1)), 0);
    EXPECT(rill_now() - before >= RILL_MS(100));
    return 0;
}

/* --- Unix sockets. --- */

static int serve_at_path(const rill_server_opts *opts)
{
    server = NULL;
    told = started = finished = 0;
    snprintf(path, sizeof path, "/tmp/rill-server-%d", (int)getpid());
    return rill_start_unix_server(path, echo, &started, opts, &server);
}

/* A socket of somebody else at the path. */
static int bind_at_path(void)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    memcpy(at.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    close(fd);
    return -errno;
}

static void remove_path(int *unused)
{
    (void)unused;
    unlink(path);
}

#define OWNED_PATH                                           \
    __attribute__((cleanup(remove_path))) int path_mark = 0; \
    (void)path_mark

static bool path_is_there(void)
{
    struct stat status;
    return stat(path, &status) == 0;
}

static int path_goes_when_the_server_is_closed(void *arg)
{
    (void)arg;
    OWNED_PATH;
    OWNED_ALL;
    EXPECT_IS(serve_at_path(NULL), 0);
    EXPECT(path_is_there());
    rill_server_close(server);
    EXPECT(!path_is_there());
    return 0;
}

static int path_that_is_gone_or_was_replaced_is_left_alone(void *arg)
{
    (void)arg;
    OWNED_PATH;
    OWNED_ALL;
    EXPECT_IS(serve_at_path(NULL), 0);
    unlink(path);
    rill_server_free(server);
    EXPECT_IS(serve_at_path(NULL), 0);
    unlink(path);
    OWNED_FD int other = bind_at_path();
    EXPECT(other >= 0);
    rill_server_close(server);
    EXPECT(path_is_there());
    return 0;
}

static int path_may_be_kept(void *arg)
{
    (void)arg;
    OWNED_PATH;
    OWNED_ALL;
    EXPECT_IS(serve_at_path(&(rill_server_opts){ .keep_path = true }), 0);
    rill_server_close(server);
    EXPECT(path_is_there());
    return 0;
}

static int socket_that_was_left_behind_is_replaced_and_a_file_is_not(void *arg)
{
    (void)arg;
    OWNED_PATH;
    OWNED_ALL;
    EXPECT_IS(serve_at_path(&(rill_server_opts){ .keep_path = true }), 0);
    rill_server_free(server);
    EXPECT_IS(serve_at_path(NULL), 0);
    EXPECT_IS(rill_open_unix_connection(path, NULL, &clients[0]), 0);
    EXPECT_IS(await_started(1), 0);
    drop_all(NULL);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    EXPECT_IS(serve_at_path(NULL), -EADDRINUSE);
    EXPECT(path_is_there());
    return 0;
}

/* Whoever listens there goes on doing so. */
static int server_that_cannot_be_made_takes_no_path_away(void *arg)
{
    (void)arg;
    if (under_valgrind())
        return 0; /* it keeps limits to itself */
    __attribute__((cleanup(restore_limit))) int restore = 0;
    (void)restore;
    OWNED_PATH;
    OWNED_ALL;
    getrlimit(RLIMIT_NOFILE, &limit_before);
    EXPECT_IS(serve_at_path(NULL), 0);
    struct rlimit none = { .rlim_cur = 0, .rlim_max = limit_before.rlim_max };
    rill_server *second = NULL;
    setrlimit(RLIMIT_NOFILE, &none);
    EXPECT_IS(rill_start_unix_server(path, echo, &started, NULL, &second), -EMFILE);
    restore_limit(NULL);
    EXPECT(path_is_there());
    EXPECT_IS(rill_open_unix_connection(path, NULL, &clients[0]), 0);
    return 0;
}

static int server_without_memory_leaves_no_path_behind(void *arg)
{
    int r = -ENOMEM;
    (void)arg;
    OWNED_PATH;
    OWNED_ALL;
    for (unsigned nth = 1; r == -ENOMEM; nth++) {
        rill__mem_fail_nth(nth, false);
        r = serve_at_path(NULL);
        rill__mem_fail_nth(0, false);
        EXPECT(r == 0 || r == -ENOMEM);
        EXPECT(path_is_there() == (r == 0));
    }
    return 0;
}

static const struct scenario scenarios[] = {
    { .name = "server_that_cannot_be_made_takes_no_path_away",
      .main = server_that_cannot_be_made_takes_no_path_away,
      .once = true,
      .real = "the limit of descriptors is the kernel's" },
    SCENARIO_ONCE(server_without_memory_leaves_no_path_behind),
    SCENARIO(each_connection_has_a_task_of_its_own),
    SCENARIO_ONCE(more_connections_than_a_turn_takes_are_all_served),
    SCENARIO(return_of_the_handler_closes_the_stream),
    SCENARIO(stream_that_somebody_refers_to_outlives_the_handler),
    SCENARIO(handler_may_park_its_stream_and_return),
    SCENARIO(parked_connections_are_told_when_clients_are_closed),
    SCENARIO(error_of_a_handler_is_told_once_and_ends_its_connection),
    SCENARIO(cancel_of_a_handler_is_not_told_and_ends_its_connection),
    SCENARIO(wait_closed_waits_for_the_close_and_for_all_connections),
    SCENARIO(wait_closed_ends_when_server_and_client_close_together),
    SCENARIO(cancelled_wait_closed_changes_nothing),
    SCENARIO(close_clients_is_polite),
    SCENARIO_ONCE(abort_clients_is_immediate_even_with_full_buffers),
    SCENARIO_REAL(close_in_the_turn_of_a_connection_loses_no_waiter, "it connects by a plain call"),
    SCENARIO(server_may_be_freed_while_handlers_run),
    SCENARIO(address_in_use_is_an_error_unless_it_is_shared),
    SCENARIO(closed_server_takes_no_connection),
    SCENARIO(serve_forever_ends_by_a_cancel_and_closes_the_server),
    SCENARIO(serve_forever_is_told_of_a_close),
    { .name = "server_without_descriptors_tells_and_goes_on_later",
      .main = server_without_descriptors_tells_and_goes_on_later,
      .once = true,
      .real = "it connects by a plain call" },
    SCENARIO(path_goes_when_the_server_is_closed),
    SCENARIO(path_that_is_gone_or_was_replaced_is_left_alone),
    SCENARIO(path_may_be_kept),
    SCENARIO(socket_that_was_left_behind_is_replaced_and_a_file_is_not),
};

int main(void)
{
    return RUN_SCENARIOS("server", scenarios);
}
