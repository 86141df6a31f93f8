/* test_dns_cache.c - what a loop knows of names: for how long, for how many, and who shares a question. */
#include "tests/support/lookup.h"

#include "core/dns/dns.h"

/* --- For how long. --- */

static int answer_is_kept_for_its_time_to_live(void *arg)
{
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    for (int i = 0; i < 3; i++) {
        EXPECT_ADDRESSES("four.test", AF_INET, "127.0.0.1:80");
        EXPECT_ADDRESSES("FOUR.Test", AF_INET, "127.0.0.1:80");
        EXPECT_IS(names.asked, 1);
        EXPECT_IS(rill_sleep(RILL_SEC(3)), 0);
    }
    EXPECT_IS(rill_sleep(RILL_SEC(1)), 0);
    EXPECT_ADDRESSES("four.test", AF_INET, "127.0.0.1:80");
    EXPECT_IS(names.asked, 2);
    return 0;
}

/* Who wants no more of an old answer has it asked for anew, and all share the new one. */
static int answer_older_than_wanted_is_forgotten(void *arg)
{
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    EXPECT_ADDRESSES("four.test", 0, "127.0.0.1:80");
    unsigned asked = names.asked;
    EXPECT_IS(rill_sleep(RILL_SEC(2)), 0);
    rill__dns_forget_older("four.test", RILL_SEC(3));
    rill__dns_forget_older("other.test", 0);
    rill__dns_forget_older("no name", 0);
    EXPECT_ADDRESSES("four.test", 0, "127.0.0.1:80");
    EXPECT_IS(names.asked, asked);
    rill__dns_forget_older("Four.test", RILL_SEC(2));
    EXPECT_ADDRESSES("four.test", 0, "127.0.0.1:80");
    EXPECT_IS(names.asked, 2 * asked);
    return 0;
}

static int least_time_of_an_alias_and_its_address_counts(void *arg)
{
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    EXPECT_ADDRESSES("alias.test", AF_INET, "127.0.0.1:80");
    EXPECT_IS(rill_sleep(RILL_SEC(4)), 0);
    EXPECT_ADDRESSES("alias.test", AF_INET, "127.0.0.1:80");
    EXPECT_IS(names.asked, 1);
    EXPECT_IS(rill_sleep(RILL_SEC(2)), 0);
    EXPECT_ADDRESSES("alias.test", AF_INET, "127.0.0.1:80");
    EXPECT_IS(names.asked, 2);
    return 0;
}

static int time_to_live_of_none_is_a_second(void *arg)
{
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    EXPECT_ADDRESSES("short.test", AF_INET, "127.0.0.1:80");
    EXPECT_ADDRESSES("short.test", AF_INET, "127.0.0.1:80");
    EXPECT_IS(names.asked, 1);
    EXPECT_IS(rill_sleep(RILL_SEC(1)), 0);
    EXPECT_ADDRESSES("short.test", AF_INET, "127.0.0.1:80");
    EXPECT_IS(names.asked, 2);
    return 0;
}

static int ask4(const char *host)
{
    OWNED_LIST rill_addrinfo *list = NULL;
    return rill_getaddrinfo(host, 80, &(rill_dns_hints){ AF_INET, 0 }, &list);
}

/* Those with the zone's record for its minimum, others for 5 s. */
static int refusals_are_kept_for_a_while(void *arg)
{
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    for (int i = 0; i < 2; i++) {
        EXPECT_IS(ask4("none.test"), -ENOENT);
        EXPECT_IS(ask4("six.test"), -ENODATA);
        EXPECT_IS(ask4("soon.test"), -ENOENT);
        EXPECT_IS(rill_sleep(RILL_SEC(4)), 0);
    }
    EXPECT_IS(names.asked, 3);
    EXPECT_IS(ask4("soon.test"), -ENOENT);
    EXPECT_IS(names.asked, 4);
    EXPECT_IS(rill_sleep(RILL_SEC(20)), 0);
    EXPECT_IS(ask4("none.test"), -ENOENT);
    EXPECT_IS(names.asked, 4);
    EXPECT_IS(rill_sleep(RILL_SEC(3)), 0);
    EXPECT_IS(ask4("none.test"), -ENOENT);
    EXPECT_IS(ask4("six.test"), -ENODATA);
    EXPECT_IS(names.asked, 6);
    return 0;
}

static int failures_are_not_kept(void *arg)
{
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    EXPECT_IS(ask4("fail.test"), -EREMOTEIO);
    EXPECT_IS(ask4("fail.test"), -EREMOTEIO);
    EXPECT_IS(names.asked, 2);
    EXPECT_IS(ask4("silent.test"), -ETIMEDOUT);
    EXPECT_IS(ask4("silent.test"), -ETIMEDOUT);
    EXPECT_IS(names.asked, 6);
    return 0;
}

static int families_are_kept_apart(void *arg)
{
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    EXPECT_ADDRESSES("one.test", AF_INET, "127.0.0.1:80");
    EXPECT_ADDRESSES("one.test", AF_INET6, "[::1]:80");
    EXPECT_ADDRESSES("one.test", AF_INET, "127.0.0.1:80");
    EXPECT_IS(names.asked, 2);
    return 0;
}

static int new_options_forget_what_was_known(void *arg)
{
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    EXPECT_IS(ask4("four.test"), 0);
    EXPECT_IS(names_start(&names_other), 0);
    EXPECT_IS(ask_at(names_other.at), 0);
    EXPECT_IS(ask4("four.test"), 0);
    EXPECT_IS(names.asked, 1);
    EXPECT_IS(names_other.asked, 1);
    return 0;
}

/* --- How many. --- */

static void restore_limits(int *mark)
{
    (void)mark;
    rill__dns_known_most = 1024;
    rill__dns_asking_most = 64;
}

#define OWNED_LIMITS                                               \
    __attribute__((cleanup(restore_limits))) int limits_mark_ = 0; \
    (void)limits_mark_

static int names_used_longest_ago_go_first(void *arg)
{
    static const char *const hosts[] = { "four.a", "four.b", "four.a", "four.c", "four.a" };
    (void)arg;
    OWNED_NAMES;
    OWNED_LIMITS;
    rill__dns_known_most = 2;
    EXPECT_IS(begin(), 0);
    for (size_t i = 0; i < 5; i++)
        EXPECT_IS(ask4(hosts[i]), 0);
    EXPECT_IS(names.asked, 3); /* b has gone, a was used since */
    EXPECT_IS(ask4("four.b"), 0);
    EXPECT_IS(names.asked, 4);
    return 0;
}

static int ask_as_task(void *arg)
{
    return ask4(arg);
}

static rill_task *asking(char *host)
{
    return rill_create_task(RILL_CORO(ask_as_task, host));
}

static void drop_all(rill_future *(*tasks)[9])
{
    for (size_t i = 0; i < 9; i++)
        rill_unref((*tasks)[i]);
}

#define OWNED_TASKS __attribute__((cleanup(drop_all)))

/* All but two wait for their turn: each pair takes 200 ms. */
static int questions_at_a_time_are_bounded(void *arg)
{
    static char hosts[8][16];
    OWNED_TASKS rill_future *tasks[9] = { NULL };
    (void)arg;
    OWNED_NAMES;
    OWNED_LIMITS;
    rill__dns_asking_most = 2;
    EXPECT_IS(begin(), 0);
    rill_time start = rill_now();
    for (int i = 0; i < 8; i++) {
        snprintf(hosts[i], sizeof hosts[i], "slow.%c", 'a' + i);
        tasks[i] = asking(hosts[i]);
    }
    EXPECT_IS(join_all(8, tasks), 0);
    EXPECT(rill_now() - start >= 4 * RILL_MS(200));
    EXPECT_IS(names.asked, 8);
    return 0;
}

/* Who leaves the queue takes nobody's place with him. */
static int cancel_of_one_that_waits_for_its_turn_lets_the_others_go_on(void *arg)
{
    static char hosts[3][16] = { "slow.a", "slow.b", "slow.c" };
    OWNED_TASKS rill_future *tasks[9] = { NULL };
    (void)arg;
    OWNED_NAMES;
    OWNED_LIMITS;
    rill__dns_asking_most = 1;
    EXPECT_IS(begin(), 0);
    for (int i = 0; i < 3; i++)
        tasks[i] = asking(hosts[i]);
    EXPECT_IS(rill_sleep(RILL_MS(1)), 0);
    rill_cancel(tasks[1], NULL);
    EXPECT_IS(rill_await(tasks[1]), -ECANCELED);
    rill_cancel(tasks[0], NULL);
    EXPECT_IS(rill_await(tasks[0]), -ECANCELED);
    EXPECT_IS(rill_await(tasks[2]), 0);
    return 0;
}

/* --- Together. --- */

static char slow_name[] = "slow.test", silent_name[] = "silent.test";

static int those_who_ask_the_same_share_one_question(void *arg)
{
    OWNED_TASKS rill_future *tasks[9] = { NULL };
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    for (int i = 0; i < 9; i++)
        tasks[i] = asking(slow_name);
    EXPECT_IS(join_all(9, tasks), 0);
    EXPECT_IS(names.asked, 1);
    return 0;
}

static int cancel_of_one_leaves_the_question_to_the_others(void *arg)
{
    OWNED_TASKS rill_future *tasks[9] = { NULL };
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    for (int i = 0; i < 9; i++)
        tasks[i] = asking(slow_name);
    EXPECT_IS(rill_sleep(RILL_MS(100)), 0);
    for (int i = 0; i < 8; i++)
        rill_cancel(tasks[i], NULL);
    for (int i = 0; i < 8; i++)
        EXPECT_IS(rill_await(tasks[i]), -ECANCELED);
    EXPECT_IS(rill_await(tasks[8]), 0);
    EXPECT_IS(names.asked, 1);
    return 0;
}

/* And the next one asks anew. */
static int cancel_of_the_last_drops_the_question(void *arg)
{
    OWNED_TASKS rill_future *tasks[9] = { NULL };
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    tasks[0] = asking(silent_name);
    tasks[1] = asking(silent_name);
    EXPECT_IS(rill_sleep(RILL_MS(100)), 0);
    rill_cancel(tasks[0], NULL);
    rill_cancel(tasks[1], NULL);
    EXPECT_IS(rill_await(tasks[0]), -ECANCELED);
    EXPECT_IS(rill_await(tasks[1]), -ECANCELED);
    EXPECT_IS(rill_sleep(RILL_SEC(3)), 0);
    EXPECT_IS(names.asked, 1); /* no second round */
    EXPECT_IS(ask4(silent_name), -ETIMEDOUT);
    EXPECT_IS(names.asked, 3);
    return 0;
}

/* Those under way end as they began; who asks after it asks the new servers. */
static int new_options_leave_questions_under_way_alone(void *arg)
{
    OWNED_TASKS rill_future *tasks[9] = { NULL };
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    tasks[0] = asking(slow_name);
    EXPECT_IS(rill_sleep(RILL_MS(100)), 0);
    EXPECT_IS(names_start(&names_other), 0);
    EXPECT_IS(ask_at(names_other.at), 0);
    tasks[1] = asking(slow_name);
    EXPECT_IS(join_all(2, tasks), 0);
    EXPECT_IS(names.asked, 1);
    EXPECT_IS(names_other.asked, 1);
    return 0;
}

static const struct scenario scenarios[] = {
    SIMULATED(answer_is_kept_for_its_time_to_live),
    SIMULATED(answer_older_than_wanted_is_forgotten),
    SIMULATED(least_time_of_an_alias_and_its_address_counts),
    SIMULATED(time_to_live_of_none_is_a_second),
    SIMULATED_ONCE(refusals_are_kept_for_a_while),
    SIMULATED(failures_are_not_kept),
    SIMULATED(families_are_kept_apart),
    SIMULATED(new_options_forget_what_was_known),
    SIMULATED(names_used_longest_ago_go_first),
    SIMULATED(questions_at_a_time_are_bounded),
    SIMULATED(cancel_of_one_that_waits_for_its_turn_lets_the_others_go_on),
    SIMULATED(cancel_of_one_leaves_the_question_to_the_others),
    SIMULATED(cancel_of_the_last_drops_the_question),
    SIMULATED(new_options_leave_questions_under_way_alone),
    SIMULATED(those_who_ask_the_same_share_one_question),
};

int main(void)
{
    return RUN_SCENARIOS("dns_cache", scenarios);
}
