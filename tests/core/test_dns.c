/* test_dns.c - looking names up: numbers, files, servers, what is kept, shared and bounded. */
#include "tests/support/expect.h"
#include "tests/support/names.h"

#include "core/base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Names are looked up in a world without time, so that silence costs none. */
static const rill_sim_opts world = { .seed = 1 };
static const rill_loop_opts simulated = { .sim = &world };

static const rill_time patience = RILL_MS(500); /* with a silent server */

#define SIMULATED(function) SCENARIO_WITH(function, &simulated)

#define OWNED_LIST __attribute__((cleanup(drop_list)))

static void drop_list(rill_addrinfo **list)
{
    rill_addrinfo_free(*list);
}

static int ask_at(const char *servers)
{
    rill_dns_opts opts = { .hosts = "/nonexistent/hosts",
                           .resolv_conf = "/nonexistent/resolv",
                           .servers = servers,
                           .timeout = patience };
    return rill_dns_configure(&opts);
}

static int begin(void)
{
    int r = names_start(&names);
    return r < 0 ? r : ask_at(names.at);
}

/* Whether `list` is `wanted`: texts with a blank between. */
static bool is_list(const rill_addrinfo *list, const char *wanted)
{
    char memory[4096];
    rill_text text = { memory, sizeof memory, 0, false };
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0)
            rill_text_char(&text, ' ');
        rill_addr_format(&list->at[i], &text);
    }
    if (strcmp(rill_text_end(&text), wanted) == 0)
        return true;
    fprintf(stderr, "the list is %s\n", memory);
    return false;
}

#define EXPECT_ADDRESSES(host, family_, wanted)                                                \
    do {                                                                                       \
        OWNED_LIST rill_addrinfo *list_ = NULL;                                                \
        EXPECT_IS(rill_getaddrinfo((host), 80, &(rill_dns_hints){ (family_), 0 }, &list_), 0); \
        EXPECT(is_list(list_, (wanted)));                                                      \
    } while (0)

#define EXPECT_NONE(host, wanted)                                        \
    do {                                                                 \
        rill_addrinfo *list_ = NULL;                                     \
        EXPECT_IS(rill_getaddrinfo((host), 80, NULL, &list_), (wanted)); \
        EXPECT(list_ == NULL);                                           \
    } while (0)

/* --- What nobody is asked about. --- */

static int numbers_and_localhost_ask_nobody(void *arg)
{
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    EXPECT_ADDRESSES("192.0.2.7", 0, "192.0.2.7:80");
    EXPECT_ADDRESSES("2001:db8::7", 0, "[2001:db8::7]:80");
    EXPECT_ADDRESSES("localhost", 0, "127.0.0.1:80 [::1]:80");
    EXPECT_ADDRESSES("LocalHost.", AF_INET6, "[::1]:80");
    EXPECT_ADDRESSES("www.localhost", AF_INET, "127.0.0.1:80");
    EXPECT_ADDRESSES(NULL, 0, "127.0.0.1:80 [::1]:80");
    EXPECT_IS(names.asked, 0);
    return 0;
}

static int what_is_no_name_is_refused(void *arg)
{
    static const char *const bad[] = { "a..b",
                                       ".a",
                                       "a b",
                                       "1.2.3",
                                       "0x7f.1",
                                       "b\xc3\xbc"
                                       "cher.test",
                                       "x/y",
                                       ".",
                                       "[::1]",
                                       "fe80::1%eth0",
                                       "a.b..",
                                       "127.1" };
    char label[70], whole[300];
    (void)arg;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        EXPECT_NONE(bad[i], -EINVAL);
    memset(label, 'x', sizeof label);
    label[64] = 0;
    EXPECT_NONE(label, -EINVAL);
    for (size_t i = 0; i < sizeof whole - 1; i++)
        whole[i] = i % 8 == 7 ? '.' : 'x';
    whole[254] = 0;
    EXPECT_NONE(whole, -EINVAL);
    rill_addrinfo *list;
    EXPECT_IS(rill_getaddrinfo("::1", 80, &(rill_dns_hints){ AF_INET, 0 }, &list), -EINVAL);
    EXPECT_IS(rill_getaddrinfo("a.test", 65536, NULL, &list), -EINVAL);
    EXPECT_IS(rill_getaddrinfo("a.test", 80, &(rill_dns_hints){ 0, RILL_DNS_NUMERIC }, &list),
              -EINVAL);
    return 0;
}

/* --- Servers. --- */

static int both_families_are_asked_for_at_once(void *arg)
{
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    OWNED_LIST rill_addrinfo *list = NULL;
    EXPECT_IS(rill_getaddrinfo("one.test", 443, NULL, &list), 0);
    EXPECT_IS(list->count, 2);
    EXPECT_IS(names.asked, 2);
    EXPECT_IS(rill_addr_port(&list->at[0]), 443);
    EXPECT_ADDRESSES("four.test", 0, "127.0.0.1:80");
    EXPECT_ADDRESSES("six.test", 0, "[::1]:80");
    EXPECT_ADDRESSES("six.test", AF_INET6, "[::1]:80");
    EXPECT_ADDRESSES("alias.test", AF_INET, "127.0.0.1:80");
    return 0;
}

static int refusals_say_what_was_asked_and_whom(void *arg)
{
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    EXPECT_NONE("none.test", -ENOENT);
    const rill_err *last = rill_last_error();
    EXPECT(last != NULL && last->msg != NULL && strstr(last->msg, "none.test") != NULL);
    EXPECT(strstr(last->msg, names.at) != NULL);
    OWNED_LIST rill_addrinfo *list = NULL;
    EXPECT_IS(rill_getaddrinfo("four.test", 80, &(rill_dns_hints){ AF_INET6, 0 }, &list), -ENODATA);
    EXPECT_NONE("fail.test", -EREMOTEIO);
    EXPECT_NONE("refuse.test", -EREMOTEIO);
    return 0;
}

static const struct scenario scenarios[] = {
    SCENARIO(numbers_and_localhost_ask_nobody),
    SCENARIO(what_is_no_name_is_refused),
    SCENARIO_ONCE(both_families_are_asked_for_at_once),
    SIMULATED(both_families_are_asked_for_at_once),
    SIMULATED(refusals_say_what_was_asked_and_whom),
};

int main(void)
{
    return RUN_SCENARIOS("dns", scenarios);
}
