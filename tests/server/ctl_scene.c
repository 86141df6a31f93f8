/* ctl_scene.c - a program for rillctl to look at: tasks that wait for all kinds of things.
 *
 *   ctl_scene            everything waits, for ever
 *   ctl_scene spin       the same, and then one task computes without an end
 *   ctl_scene many N     N tasks sleep
 *   ctl_scene work       two tasks go on and on, one after the other
 *   ctl_scene abort      as the first, and then the process dies with a core
 *   ctl_scene fork       a parent without a loop, two children that sleep
 *   ctl_scene later      a parent without a loop, a child whose task table is of a later version
 *   ctl_scene outside    tasks wait for what is outside: names, servers, programs
 *   ctl_scene threads N  N loops in as many threads, a task sleeps in each
 *
 * It says "ready" when all is set. */
#include <rill.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static rill_lock lock;
static rill_event never;
static rill_task *first, *second;
static unsigned port, dead_port;
static volatile bool for_ever = true;

/* What stands behind a call keeps its caller on the stack. */
static int seen(int rc)
{
    if (rc > 0)
        puts("more than was expected");
    return rc;
}

static rill_task *named(rill_fn *fn, void *arg, const char *name)
{
    return rill_create_task_with(RILL_CORO(fn, arg), &(rill_task_opts){ .name = name });
}

static int read_from_silence(void *arg)
{
    rill_scope scope = { 0 };
    rill_stream *stream;
    char octet;
    (void)arg;
    int rc = rill_open_connection("127.0.0.1", port, NULL, &stream);
    if (rc < 0)
        return rc;
    rc = rill_timeout(&scope, RILL_SEC(3600));
    if (rc == 0)
        rc = rill_scope_leave(&scope, rill_stream_read(stream, &octet, 1));
    rill_stream_unref(stream);
    return rc;
}

static int be_silent(rill_stream *stream, void *arg)
{
    (void)stream;
    (void)arg;
    return rill_event_wait(&never);
}

static int hold_the_lock(void *arg)
{
    (void)arg;
    int rc = rill_lock_acquire(&lock);
    return rc < 0 ? rc : rill_event_wait(&never);
}

static int want_the_lock(void *arg)
{
    (void)arg;
    return seen(rill_lock_acquire(&lock));
}

static int await_second(void *arg)
{
    (void)arg;
    return rill_await(second);
}

static int await_first(void *arg)
{
    (void)arg;
    return rill_await(first);
}

static int sleep_long(void *arg)
{
    (void)arg;
    return rill_sleep(RILL_SEC(7200));
}

static int gather_two(void *arg)
{
    (void)arg;
    rill_future *both[] = { named(sleep_long, NULL, "left"), named(sleep_long, NULL, "right") };
    return rill_join(rill_gather(2, both, 0));
}

static int yield_for_ever(void *arg)
{
    (void)arg;
    return seen(rill_event_wait(&never));
}

static int drive_a_generator(void *arg)
{
    rill_gen *gen;
    void *value;
    (void)arg;
    int rc = rill_gen_new(yield_for_ever, NULL, &gen);
    if (rc == 0)
        rc = rill_gen_next(gen, &value);
    rill_gen_free(gen);
    return rc;
}

__attribute__((noinline)) static int spin_without_end(void *arg)
{
    volatile unsigned long count = 0;
    (void)arg;
    while (for_ever)
        count++;
    return 0;
}

static int die(void *arg)
{
    (void)arg;
    abort();
}

static int run_group(void *arg)
{
    rill_group group = { 0 };
    (void)arg;
    int rc = rill_group_enter(&group);
    if (rc < 0)
        return rc;
    rill_unref(rill_group_create_task(&group, RILL_CORO(read_from_silence, NULL)));
    rill_unref(rill_group_create_task(&group, RILL_CORO(drive_a_generator, NULL)));
    rc = rill_group_leave(&group, 0);
    rill_group_fini(&group);
    return rc;
}

/* A listener whose queue is full: who connects to it waits for an answer. Its port; 0: there is none. */
static unsigned make_dead_server(void)
{
    rill_addr addr = { .in4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) },
                       .length = sizeof addr.in4 };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, &addr.any, addr.length) < 0 || listen(fd, 0) < 0 ||
        getsockname(fd, &addr.any, &addr.length) < 0)
        return 0;
    for (int i = 0; i < 4; i++) /* they stay open until the end */
        (void)connect(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), &addr.any,
                      addr.length);
    return rill_addr_port(&addr);
}

static int connect_to_dead_server(void *arg)
{
    rill_scope scope = { 0 };
    rill_stream *stream;
    (void)arg;
    int rc = rill_timeout(&scope, RILL_SEC(1800));
    return rc < 0 ? rc
                  : rill_scope_leave(&scope,
                                     rill_open_connection("127.0.0.1", dead_port, NULL, &stream));
}

static int set_scene(void)
{
    rill_server *server;
    int rc = rill_start_server("127.0.0.1", 0, be_silent, NULL, NULL, &server);
    if (rc < 0)
        return rc;
    rill_addr address = rill_server_address(server);
    port = rill_addr_port(&address);
    rill_unref(named(hold_the_lock, NULL, "holder"));
    rill_unref(named(want_the_lock, NULL, "waiter"));
    first = named(await_second, NULL, "first");
    second = named(await_first, NULL, "second");
    rill_unref(named(gather_two, NULL, "gatherer"));
    rill_unref(named(run_group, NULL, "group"));
    rill_unref(named(sleep_long, NULL, "b\033[31mad\xff\xc3\xa9"));
    for (int i = 0; rc == 0 && i < 20; i++)
        rc = rill_sleep(RILL_MS(1));
    dead_port = make_dead_server();
    rill_unref(named(connect_to_dead_server, NULL, "connecting"));
    return rc < 0 ? rc : rill_sleep(RILL_MS(1));
}

static int say_ready(void)
{
    printf("ready %u %u\n", port, dead_port);
    fflush(stdout);
    return 0;
}

static int begin(void *arg)
{
    const char *what = arg;
    int rc = set_scene();
    if (rc < 0)
        return rc;
    if (strcmp(what, "spin") == 0)
        rill_unref(named(spin_without_end, NULL, "spinner"));
    if (strcmp(what, "abort") == 0)
        rill_unref(named(die, NULL, "dying"));
    say_ready();
    return rill_event_wait(&never);
}

static int begin_many(void *arg)
{
    int count = *(int *)arg, rc = 0;
    for (int i = 0; i < count; i++)
        rill_unref(rill_create_task(RILL_CORO(sleep_long, NULL)));
    rc = rill_sleep(RILL_MS(1));
    say_ready();
    return rc < 0 ? rc : rill_event_wait(&never);
}

/* --- What is outside. --- */

static rill_http_session *session;

static int look_up(void *arg)
{
    rill_addrinfo *list;
    int rc = rill_getaddrinfo(arg, 80, NULL, &list);
    if (rc == 0)
        rill_addrinfo_free(list);
    return rc;
}

static int get(void *arg)
{
    rill_http_response *response;
    int rc = rill_http_get(session, arg, NULL, &response);
    if (rc == 0)
        rill_http_close(response);
    return rc;
}

static int begin_tls(void *arg)
{
    rill_stream *stream;
    int rc = rill_open_connection("127.0.0.1", port, NULL, &stream);
    if (rc < 0)
        return rc;
    rc = rill_stream_start_tls(stream, &(rill_tls_opts){ .server_name = arg });
    rill_stream_unref(stream);
    return rc;
}

static int read_from_pair(void *arg)
{
    rill_stream *one, *other;
    char octet;
    (void)arg;
    int rc = rill_stream_pair(NULL, &one, &other);
    if (rc < 0)
        return rc;
    rc = rill_stream_read(one, &octet, 1);
    rill_stream_unref(one);
    rill_stream_unref(other);
    return rc;
}

static int run_program(void *arg)
{
    const char *argv[] = { "sleep", arg, NULL };
    rill_process *process;
    int rc = rill_process_start(argv, NULL, &process);
    if (rc < 0)
        return rc;
    rc = rill_process_wait(process);
    rill_process_close(process);
    return rc;
}

/* A child of a group in a scope, whose deadline is then its own. */
static int sleep_in_group(void)
{
    rill_group group = { 0 };
    int rc = rill_group_enter(&group);
    if (rc < 0)
        return rc;
    rill_unref(rill_group_create_task(&group, RILL_CORO(sleep_long, NULL)));
    rc = rill_group_leave(&group, 0);
    rill_group_fini(&group);
    return rc;
}

static int sleep_in_time(void *arg)
{
    rill_scope scope = { 0 };
    (void)arg;
    int rc = rill_timeout(&scope, RILL_SEC(900));
    return rc < 0 ? rc : rill_scope_leave(&scope, sleep_in_group());
}

/* A name server that says nothing. */
static int set_names(void)
{
    char text[32];
    rill_addr silent = { .in4 = { .sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) },
                         .length = sizeof silent.in4 };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (bind(fd, &silent.any, silent.length) < 0 ||
        getsockname(fd, &silent.any, &silent.length) < 0)
        return -EIO;
    snprintf(text, sizeof text, "127.0.0.1:%u", rill_addr_port(&silent));
    return rill_dns_configure(&(rill_dns_opts){ .servers = text, .timeout = RILL_SEC(1000) });
}

static int begin_outside(void *arg)
{
    static char url[64];
    rill_server *server;
    (void)arg;
    int rc = rill_start_server("127.0.0.1", 0, be_silent, NULL, NULL, &server);
    if (rc == 0)
        rc = set_names();
    if (rc == 0)
        rc = rill_http_session_new(&(rill_http_session_opts){ .total = RILL_SEC(600) }, &session);
    if (rc < 0)
        return rc;
    rill_addr address = rill_server_address(server);
    port = rill_addr_port(&address);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/secret?password", port);
    rill_unref(named(look_up, (void *)(uintptr_t) "slow.example", "names"));
    rill_unref(named(get, url, "getting"));
    rill_unref(named(begin_tls, (void *)(uintptr_t) "tls.example", "securing"));
    rill_unref(named(read_from_pair, NULL, "pair"));
    rill_unref(named(run_program, (void *)(uintptr_t) "7200", "program"));
    rill_unref(named(sleep_in_time, NULL, "in time"));
    for (int i = 0; rc == 0 && i < 40; i++)
        rc = rill_sleep(RILL_MS(1));
    if (rc == 0)
        rc = say_ready();
    return rc < 0 ? rc : rill_event_wait(&never);
}

/* --- Others. --- */

static int go_on_and_on(void *arg)
{
    int rc = 0;
    (void)arg;
    while (rc == 0)
        rc = rill_sleep(RILL_MS(1));
    return rc;
}

static int begin_work(void *arg)
{
    (void)arg;
    rill_unref(named(go_on_and_on, NULL, "busy"));
    rill_unref(named(go_on_and_on, NULL, "as busy"));
    say_ready();
    return rill_event_wait(&never);
}

static void *run_one(void *arg)
{
    (void)arg;
    (void)!rill_run(RILL_CORO(sleep_long, NULL));
    return NULL;
}

static int begin_threads(int count)
{
    for (pthread_t thread; count > 0; count--)
        if (pthread_create(&thread, NULL, run_one, NULL) != 0)
            return 1;
    say_ready();
    pause();
    return 0;
}

static int fork_two(void)
{
    int none = 1;
    for (int i = 0; i < 2; i++)
        if (fork() == 0)
            return rill_exit_code(rill_run(RILL_CORO(begin_many, &none)));
    while (wait(NULL) > 0)
        continue;
    return 0;
}

static int fork_later(void)
{
    if (fork() != 0)
        return wait(NULL) > 0 ? 0 : 1;
    int fd = memfd_create(RILL_TABLE_NAME, MFD_CLOEXEC);
    if (ftruncate(fd, sizeof(rill_table)) < 0)
        return 1;
    rill_table *table = mmap(NULL, sizeof *table, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    table->version = RILL_TABLE_VERSION + 1;
    memcpy(table->magic, RILL_TABLE_MAGIC, sizeof table->magic);
    say_ready();
    pause();
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "wait";
    uint64_t count = 0;
    if (argc > 2 && rill_parse_u64(rill_span_of(argv[2]), 10000000, &count) < 0)
        return 2;
    int tasks = (int)count;
    if (strcmp(what, "many") == 0)
        return rill_exit_code(rill_run(RILL_CORO(begin_many, &tasks)));
    if (strcmp(what, "work") == 0)
        return rill_exit_code(rill_run(RILL_CORO(begin_work, NULL)));
    if (strcmp(what, "outside") == 0)
        return rill_exit_code(rill_run(RILL_CORO(begin_outside, NULL)));
    if (strcmp(what, "threads") == 0)
        return begin_threads(tasks);
    if (strcmp(what, "later") == 0)
        return fork_later();
    if (strcmp(what, "fork") == 0)
        return fork_two();
    return rill_exit_code(rill_run(RILL_CORO(begin, (void *)(uintptr_t)what)));
}
