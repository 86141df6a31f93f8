/* test_dns_servers.c - name servers that are slow, silent, dead, cut answers short, fail and lie. */
#include "tests/support/lookup.h"

#include <fcntl.h>
#include <unistd.h>

static int begin_both(void)
{
    char servers[100];
    int r = names_start(&names);
    if (r == 0)
        r = names_start(&names_other);
    if (r < 0)
        return r;
    snprintf(servers, sizeof servers, "%s,%s", names.at, names_other.at);
    return ask_at(servers);
}

/* --- Slow and silent. --- */

static int slow_server_is_waited_for(void *arg)
{
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    rill_time start = rill_now();
    EXPECT_ADDRESSES("slow.test", AF_INET, "127.0.0.1:80");
    EXPECT(rill_now() - start >= RILL_MS(200));
    EXPECT_IS(names.asked, 1);
    return 0;
}

/* Two rounds, each as long as the server may be silent. */
static int silent_server_is_asked_twice_and_that_is_a_timeout(void *arg)
{
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    rill_time start = rill_now();
    OWNED_LIST rill_addrinfo *list = NULL;
    EXPECT_IS(rill_getaddrinfo("silent.test", 80, &(rill_dns_hints){ AF_INET, 0 }, &list),
              -ETIMEDOUT);
    EXPECT(rill_now() - start >= 2 * patience && rill_now() - start < 3 * patience);
    EXPECT_IS(names.asked, 2);
    return 0;
}

/* A is answered and AAAA is not: what is there is used. */
static int half_an_answer_is_one(void *arg)
{
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    EXPECT_ADDRESSES("half.test", 0, "127.0.0.1:80");
    return 0;
}

static int silent_server_is_followed_by_the_next(void *arg)
{
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(names_start(&names), 0);
    char servers[100];
    snprintf(servers, sizeof servers, "192.0.2.1,%s", names.at);
    EXPECT_IS(ask_at(servers), 0);
    rill_time start = rill_now();
    EXPECT_ADDRESSES("four.test", AF_INET, "127.0.0.1:80");
    EXPECT(rill_now() - start >= patience && rill_now() - start < 2 * patience);
    return 0;
}

static int dead_servers_are_refusals(void *arg)
{
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(ask_at("127.0.0.1:9,[::1]:9"), 0);
    EXPECT_NONE("four.test", -ECONNREFUSED);
    EXPECT_IS(names_start(&names), 0);
    char servers[100];
    snprintf(servers, sizeof servers, "127.0.0.1:9,%s", names.at);
    EXPECT_IS(ask_at(servers), 0);
    EXPECT_ADDRESSES("four.test", AF_INET, "127.0.0.1:80");
    return 0;
}

static int failing_server_is_followed_by_the_next_one_once(void *arg)
{
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin_both(), 0);
    OWNED_LIST rill_addrinfo *list = NULL;
    EXPECT_IS(rill_getaddrinfo("fail.test", 80, &(rill_dns_hints){ AF_INET, 0 }, &list),
              -EREMOTEIO);
    EXPECT_IS(names.asked, 1);
    EXPECT_IS(names_other.asked, 1);
    EXPECT_NONE("none.test", -ENOENT); /* that is an answer: nobody else is asked */
    EXPECT_IS(names_other.asked, 1);
    return 0;
}

/* Else a name that exists would be forgotten for a while. */
static int failure_for_one_family_is_no_refusal_for_the_other(void *arg)
{
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    EXPECT_NONE("lame.test", -EREMOTEIO);
    return 0;
}

/* --- Cut answers. --- */

static int cut_answer_is_asked_for_again_over_a_connection(void *arg)
{
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    EXPECT_ADDRESSES("cut.test", AF_INET, "127.0.0.1:80");
    EXPECT_IS(names.connected, 1);
    EXPECT_ADDRESSES("cut.test", AF_INET6, "[::1]:80");
    return 0;
}

static int both_families_may_be_cut(void *arg)
{
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    OWNED_LIST rill_addrinfo *list = NULL;
    EXPECT_IS(rill_getaddrinfo("cut.test", 80, NULL, &list), 0);
    EXPECT_IS(list->count, 2);
    return 0;
}

static int connections_that_break_are_failures(void *arg)
{
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    EXPECT_NONE("cutcut.test", -ECONNREFUSED);
    EXPECT_NONE("cuthalf.test", -ECONNREFUSED);
    return 0;
}

/* --- Lies. --- */

static int wrong_numbers_and_questions_are_passed_over(void *arg)
{
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    EXPECT_NONE("id.test", -ETIMEDOUT);
    EXPECT_NONE("query.test", -ETIMEDOUT);
    EXPECT_NONE("empty.test", -ETIMEDOUT);
    return 0;
}

static int nonsense_is_a_failure_of_the_server(void *arg)
{
    static const char *const bad[] = { "stub.test", "garbage.test" };
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    for (size_t i = 0; i < 2; i++)
        EXPECT_NONE(bad[i], -EREMOTEIO);
    return 0;
}

static int aliases_that_lead_nowhere_give_no_address(void *arg)
{
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    EXPECT_NONE("loop.test", -ENODATA);
    EXPECT_NONE("other.test", -ENODATA);
    return 0;
}

static int addresses_of_one_name_are_bounded(void *arg)
{
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    OWNED_LIST rill_addrinfo *list = NULL;
    EXPECT_IS(rill_getaddrinfo("many.test", 80, NULL, &list), 0);
    EXPECT_IS(list->count, 32);
    return 0;
}

static int answer_that_comes_twice_counts_once(void *arg)
{
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    EXPECT_ADDRESSES("double.test", AF_INET, "127.0.0.1:80");
    EXPECT_ADDRESSES("four.test", AF_INET, "127.0.0.1:80");
    return 0;
}

static const struct scenario scenarios[] = {
    SIMULATED(slow_server_is_waited_for),
    SIMULATED(silent_server_is_asked_twice_and_that_is_a_timeout),
    SIMULATED(half_an_answer_is_one),
    SIMULATED(failure_for_one_family_is_no_refusal_for_the_other),
    SIMULATED(silent_server_is_followed_by_the_next),
    SIMULATED(dead_servers_are_refusals),
    SIMULATED(failing_server_is_followed_by_the_next_one_once),
    SCENARIO_ONCE(cut_answer_is_asked_for_again_over_a_connection),
    SIMULATED(cut_answer_is_asked_for_again_over_a_connection),
    SIMULATED(both_families_may_be_cut),
    SIMULATED(connections_that_break_are_failures),
    SIMULATED(wrong_numbers_and_questions_are_passed_over),
    SIMULATED(nonsense_is_a_failure_of_the_server),
    SIMULATED(aliases_that_lead_nowhere_give_no_address),
    SIMULATED(addresses_of_one_name_are_bounded),
    SIMULATED(answer_that_comes_twice_counts_once),
};

int main(void)
{
    return RUN_SCENARIOS("dns_servers", scenarios);
}
