/* sim_names.c - names looked up in worlds that lose, double and reorder: an answer is right, or there is none.
 *
 * Clients ask a server whose answers depend on the name alone, some with a deadline. Without faults each name has
 * exactly its own result. With them a lookup may fail, but it never gives an address that the server has not
 * given, and it never takes a failure for a refusal. All end in time. */
#include "tests/support/names.h"
#include "tests/support/seeds.h"

#include <sys/socket.h>

enum { clients = 6, questions = 8 };

static const rill_time patience = RILL_SEC(1);

static const struct {
    const char *host;
    int result;
    const char *at[2]; /* what it may be; NULL: nothing more */
} hosts[] = {
    { "one.test", 0, { "127.0.0.1:7", "[::1]:7" } },
    { "four.test", 0, { "127.0.0.1:7", NULL } },
    { "six.test", 0, { "[::1]:7", NULL } },
    { "alias.test", 0, { "127.0.0.1:7", "[::1]:7" } },
    { "short.test", 0, { "127.0.0.1:7", "[::1]:7" } },
    { "slow.test", 0, { "127.0.0.1:7", NULL } },
    { "cut.test", 0, { "127.0.0.1:7", "[::1]:7" } },
    { "half.test", 0, { "127.0.0.1:7", NULL } },
    { "double.test", 0, { "127.0.0.1:7", NULL } },
    { "none.test", -ENOENT, { NULL, NULL } },
    { "soon.test", -ENOENT, { NULL, NULL } },
    { "silent.test", -ETIMEDOUT, { NULL, NULL } },
    { "cutcut.test", -ECONNREFUSED, { NULL, NULL } },
    { "cuthalf.test", -ECONNREFUSED, { NULL, NULL } },
    { "fail.test", -EREMOTEIO, { NULL, NULL } },
    { "id.test", -ETIMEDOUT, { NULL, NULL } },
    { "query.test", -ETIMEDOUT, { NULL, NULL } },
    { "loop.test", -ENODATA, { NULL, NULL } },
    { "stub.test", -EREMOTEIO, { NULL, NULL } },
};

enum { host_count = sizeof hosts / sizeof *hosts };

static unsigned right, failed, late;

static bool may_be(size_t host, const rill_addr *addr)
{
    char text[RILL_ADDR_TEXT_MAX];
    rill_text out = { text, sizeof text, 0, false };
    rill_addr_format(addr, &out);
    const char *is = rill_text_end(&out);
    for (size_t i = 0; i < 2 && hosts[host].at[i] != NULL; i++)
        if (strcmp(hosts[host].at[i], is) == 0)
            return true;
    return false;
}

static int check(size_t host, int r, const rill_addrinfo *list)
{
    bool refusal = r == -ENOENT || r == -ENODATA;
    for (size_t i = 0; r == 0 && i < list->count; i++)
        EXPECT(may_be(host, &list->at[i]));
    if (r == -ETIME) {
        late++;
        return 0;
    }
    if (!seeds_faults || r == 0 || refusal)
        EXPECT_IS(r, hosts[host].result);
    right += r == hosts[host].result;
    failed += r != hosts[host].result;
    return 0;
}

static int ask_once(size_t host)
{
    rill_addrinfo *list = NULL;
    rill_scope scope = { 0 };
    bool hurried = seeds_draw(4) == 0;
    EXPECT_IS(rill_timeout(&scope, hurried ? RILL_MS(seeds_draw(300)) : RILL_SEC(60)), 0);
    int r = rill_scope_leave(&scope, rill_getaddrinfo(hosts[host].host, 7, NULL, &list));
    int checked = check(host, r, list);
    rill_addrinfo_free(list);
    return checked;
}

static int be_client(void *arg)
{
    int r = 0;
    (void)arg;
    for (int i = 0; i < questions && r == 0; i++) {
        r = ask_once(seeds_draw(host_count));
        if (r == 0 && seeds_draw(3) == 0)
            r = rill_sleep(RILL_MS(seeds_draw(3000)));
    }
    return r;
}

static void swallow(rill_loop *loop, const char *message, rill_future *future, void *arg)
{
    (void)loop;
    (void)message;
    (void)future;
    (void)arg;
}

static int start_server(void)
{
    int r, left = 1000;
    do {
        names_end(&names);
        r = names_start(&names);
    } while (r < 0 && seeds_faults && --left > 0);
    return r;
}

static int look_up_all(void *arg)
{
    rill_task *tasks[clients];
    (void)arg;
    OWNED_NAMES;
    if (seeds_faults)
        rill_loop_set_error_handler(rill_get_running_loop(), swallow, NULL);
    EXPECT_IS(start_server(), 0);
    rill_dns_opts opts = { .hosts = "/nonexistent/hosts",
                           .resolv_conf = "/nonexistent/resolv",
                           .servers = names.at,
                           .timeout = patience };
    EXPECT_IS(rill_dns_configure(&opts), 0);
    rill_time began = rill_now();
    for (size_t i = 0; i < seeds_load; i++)
        tasks[i] = rill_create_task(RILL_CORO(be_client, NULL));
    int r = 0;
    for (size_t i = 0; i < seeds_load; i++)
        r = rill_first_error(r, rill_join(tasks[i]));
    EXPECT_IS(r < 0 ? r : 0, 0);
    EXPECT(rill_now() - began <= questions * (2 * 3 * patience + RILL_SEC(3)));
    return 0;
}

static void answer_is_right_or_there_is_none_under_any_seed(void **unused)
{
    (void)unused;
    right = failed = late = 0;
    if (!seeds_try(&(struct seeds_story){ .name = "look_up_all",
                                          .tell = look_up_all,
                                          .seeds = 200,
                                          .load = clients,
                                          .faults = true }))
        return;
    print_message("%u as they must be, %u failed, %u given up\n", right, failed, late);
    assert_true(right > 0 && failed > 0 && late > 0);
}

static const struct scenario scenarios[] = {
    OUTSIDE(answer_is_right_or_there_is_none_under_any_seed),
};

int main(void)
{
    return SEEDS_MAIN("sim_names", scenarios);
}
