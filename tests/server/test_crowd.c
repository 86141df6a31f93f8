/* test_crowd.c - silent connections: parked without a task, and everything that may happen to them.
 *
 * Parking is asked for by the test, as the tick would do; what the tick itself does is shown by
 * waiting for it. A drain is for good, so it has a process of its own. */
#include "server/conn/crowd.h"

#include "server/serve.h"
#include "tests/support/site.h"
#include "tests/support/story.h"

enum { clients = 48 };

static const char conf[] = "listen: [\"127.0.0.1:1\"]\n"
                           "log: {access: stdout}\n"
                           "limits: {connections: 48}\n"
                           "routes:\n"
                           "  /hello: {respond: {body: \"hello\\n\"}}\n";
static const char other_conf[] = "listen: [\"127.0.0.1:1\"]\n"
                                 "log: {access: stdout}\n"
                                 "routes:\n"
                                 "  /hello: {respond: {body: \"other\\n\"}}\n";
static struct answer answer;

struct guests {
    rill_stream *streams[clients];
};

static void drop_guests(struct guests *guests)
{
    for (int i = 0; i < clients; i++)
        expect_drop_stream(&guests->streams[i]);
}

#define OWNED_GUESTS __attribute__((cleanup(drop_guests))) struct guests

/* `count` connections that had an answer each. */
static int invite(struct guests *guests, int count)
{
    for (int i = 0; i < count; i++) {
        EXPECT_IS(client_open(&guests->streams[i]), 0);
        EXPECT_IS(client_ask(guests->streams[i], ASK("/hello"), &answer), 200);
    }
    EXPECT_IS(crowd_count(), count);
    return 0;
}

static int invite_and_park(struct guests *guests, int count)
{
    int r = invite(guests, count);
    if (r < 0)
        return r;
    serving_park();
    EXPECT_IS(settle(), 0);
    EXPECT_IS(crowd_busy(), 0);
    EXPECT_IS(crowd_count(), count);
    return 0;
}

static void short_idle(struct conf *to)
{
    to->limits.idle_timeout = RILL_MS(60);
}

static int run(rill_fn *body, void (*tune)(struct conf *conf))
{
    return story_run(&(struct story){ .body = body, .conf = conf, .tune = tune });
}

/* --- Parked and back --- */

static int ask_in_between(void *arg)
{
    OWNED_GUESTS guests = { { NULL } };
    (void)arg;
    EXPECT_IS(invite_and_park(&guests, 3), 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3; i++) {
            EXPECT_IS(client_ask(guests.streams[i], ASK("/hello"), &answer), 200);
            EXPECT(answer_field(&answer, "Connection").at == NULL);
        }
        EXPECT_IS(crowd_busy(), 3);
        serving_park();
        EXPECT_IS(settle(), 0);
        EXPECT_IS(crowd_busy(), 0);
    }
    EXPECT_IS(crowd_count(), 3);
    return 0;
}

static void parked_connections_answer_as_before(void **state)
{
    (void)state;
    assert_int_equal(run(ask_in_between, NULL), 0);
}

/* The request comes in the turn of the parking, and is answered all the same. */
static int ask_while_it_parks(void *arg)
{
    OWNED_GUESTS guests = { { NULL } };
    (void)arg;
    EXPECT_IS(invite(&guests, 1), 0);
    EXPECT_IS(client_say(guests.streams[0], ASK("/hello")), 0);
    serving_park();
    EXPECT_IS(client_answer(guests.streams[0], false, &answer), 0);
    EXPECT_IS(answer.status, 200);
    return 0;
}

static void request_that_comes_while_it_parks_is_answered(void **state)
{
    (void)state;
    assert_int_equal(run(ask_while_it_parks, NULL), 0);
}

static int park_before_the_first_request(void *arg)
{
    OWNED_GUESTS guests = { { NULL } };
    (void)arg;
    EXPECT_IS(client_open(&guests.streams[0]), 0);
    EXPECT_IS(settle(), 0);
    serving_park();
    EXPECT_IS(settle(), 0);
    EXPECT_IS(crowd_busy(), 0);
    EXPECT_IS(client_say(guests.streams[0], "GET /hello HTTP/1.1\r\n"), 0); /* a part of it */
    EXPECT_IS(settle(), 0);
    serving_park(); /* it does not idle: it stays */
    EXPECT_IS(settle(), 0);
    EXPECT_IS(crowd_busy(), 1);
    EXPECT_IS(client_ask(guests.streams[0], "Host: a\r\n\r\n", &answer), 200);
    return 0;
}

static void connection_that_has_not_asked_yet_is_parked_and_one_that_began_is_not(void **state)
{
    (void)state;
    assert_int_equal(run(park_before_the_first_request, NULL), 0);
}

static int change_tables_meanwhile(void *arg)
{
    OWNED_GUESTS guests = { { NULL } };
    (void)arg;
    EXPECT_IS(invite_and_park(&guests, 1), 0);
    EXPECT_IS(serving_change(other_conf, NULL), 0);
    EXPECT_IS(serving.freed, 1); /* nobody holds the former tables */
    EXPECT_IS(client_ask(guests.streams[0], ASK("/hello"), &answer), 200);
    EXPECT(strcmp(answer.body, "other\n") == 0);
    return 0;
}

static void parked_connection_is_served_by_the_new_tables(void **state)
{
    (void)state;
    assert_int_equal(run(change_tables_meanwhile, NULL), 0);
}

/* --- The end of a parked one --- */

static int leave_parked(void *arg)
{
    OWNED_GUESTS guests = { { NULL } };
    (void)arg;
    EXPECT_IS(invite_and_park(&guests, 2), 0);
    rill_stream_close(guests.streams[0]);
    rill_stream_abort(guests.streams[1]);
    EXPECT_IS(settle(), 0);
    EXPECT_IS(crowd_count(), 0);
    return 0;
}

static void client_that_leaves_is_let_go(void **state)
{
    (void)state;
    assert_int_equal(run(leave_parked, NULL), 0);
}

static int idle_too_long(void *arg)
{
    OWNED_GUESTS guests = { { NULL } };
    (void)arg;
    rill_time begun = rill_now();
    EXPECT_IS(invite_and_park(&guests, 2), 0);
    EXPECT_IS(client_ended(guests.streams[0]), 0); /* in order, and without a word */
    EXPECT_IS(client_ended(guests.streams[1]), 0);
    EXPECT(rill_now() - begun >= RILL_MS(60));
    EXPECT_IS(settle(), 0);
    EXPECT_IS(crowd_count(), 0);
    return 0;
}

static void parked_connection_is_closed_at_its_idle_limit(void **state)
{
    (void)state;
    assert_int_equal(run(idle_too_long, short_idle), 0);
}

/* At the limit of connections the oldest goes for a new one, and one only. */
static int come_when_all_are_parked(void *arg)
{
    OWNED_GUESTS guests = { { NULL } };
    OWNED_STREAM rill_stream *late = NULL;
    (void)arg;
    EXPECT_IS(invite_and_park(&guests, clients), 0);
    EXPECT_IS(client_open(&late), 0);
    EXPECT_IS(client_ask(late, ASK("/hello"), &answer), 200);
    EXPECT_IS(client_ended(guests.streams[0]), 0);
    for (int i = 1; i < clients; i++)
        EXPECT_IS(client_ask(guests.streams[i], ASK("/hello"), &answer), 200);
    EXPECT_IS(crowd_count(), clients);
    return 0;
}

static void oldest_parked_connection_goes_for_a_new_one(void **state)
{
    (void)state;
    assert_int_equal(run(come_when_all_are_parked, NULL), 0);
}

/* Who is told to leave and asks in the same turn gets an answer, which says that it is the last. */
static int ask_when_told_to_leave(void *arg)
{
    OWNED_GUESTS guests = { { NULL } };
    (void)arg;
    EXPECT_IS(invite_and_park(&guests, 1), 0);
    EXPECT_IS(client_say(guests.streams[0], ASK("/hello")), 0);
    for (int turns = 0; rill_stream_buffered(crowd_oldest()->stream) == 0; turns++) {
        EXPECT(turns < 100 && crowd_busy() == 0);
        EXPECT_IS(crowd_shed(1), turns == 0); /* once told, it does not count again */
        EXPECT_IS(rill_sleep(0), 0);
        if (crowd_count() == 0)
            return 0; /* it had left before the request came */
        if (crowd_busy() > 0)
            break;
    }
    EXPECT_IS(client_answer(guests.streams[0], false, &answer), 0);
    EXPECT_IS(answer.status, 200);
    EXPECT(answer_has(&answer, "Connection", "close"));
    return 0;
}

static void parked_connection_that_asks_when_it_is_shed_gets_a_last_answer(void **state)
{
    (void)state;
    assert_int_equal(run(ask_when_told_to_leave, NULL), 0);
}

static int drain_parked(void *arg)
{
    OWNED_GUESTS guests = { { NULL } };
    unsigned cut = 7;
    (void)arg;
    EXPECT_IS(invite_and_park(&guests, 3), 0);
    rill_time begun = rill_now();
    serve_drain(RILL_MS(120));
    serving.fd = -1;
    EXPECT_IS(settle(), 0);
    EXPECT_IS(crowd_count(), 3);
    EXPECT_IS(client_ask(guests.streams[1], ASK("/hello"), &answer), 200); /* within the grace */
    EXPECT(answer_has(&answer, "Connection", "close"));
    EXPECT_IS(client_ended(guests.streams[1]), 0);
    EXPECT_IS(client_ended(guests.streams[0]), 0);
    EXPECT_IS(client_ended(guests.streams[2]), 0);
    EXPECT(rill_now() - begun >= RILL_MS(110));
    expect_drop_stream(&guests.streams[1]);
    guests.streams[1] = NULL;
    EXPECT_IS(serve_drained(RILL_SEC(5), &cut), 0);
    EXPECT_IS(cut, 0);
    EXPECT_IS(crowd_count(), 0);
    return 0;
}

static int stop_parked(void *arg)
{
    OWNED_GUESTS guests = { { NULL } };
    unsigned cut = 7;
    (void)arg;
    EXPECT_IS(invite_and_park(&guests, 3), 0);
    serve_drain(RILL_SEC(60));
    serving.fd = -1;
    EXPECT_IS(serve_drained(RILL_MS(20), &cut), 0);
    EXPECT_IS(cut, 0);
    EXPECT_IS(crowd_count(), 0);
    EXPECT_IS(client_ended(guests.streams[0]), 0);
    return 0;
}

static int run_apart(rill_fn *body)
{
    return story_run_apart(&(struct story){ .body = body, .conf = conf });
}

static void drain_gives_parked_connections_their_grace(void **state)
{
    (void)state;
    assert_int_equal(run_apart(drain_parked), 0);
}

static void drain_at_its_limit_ends_parked_connections(void **state)
{
    (void)state;
    assert_int_equal(run_apart(stop_parked), 0);
}

/* --- Who is parked --- */

static int await_busy(unsigned most, rill_time patience)
{
    rill_time begun = rill_now();
    while (crowd_busy() > most) {
        int r = rill_now() - begun > patience ? -ETIME : rill_sleep(RILL_MS(1));
        if (r < 0)
            return r;
    }
    return 0;
}

/* Newcomers see to it that those before them do not keep their tasks; the last ones go with the tick. */
static int fall_silent(void *arg)
{
    OWNED_GUESTS guests = { { NULL } };
    (void)arg;
    for (int i = 0; i < clients; i++) {
        EXPECT_IS(client_open(&guests.streams[i]), 0);
        EXPECT_IS(client_ask(guests.streams[i], ASK("/hello"), &answer), 200);
        EXPECT_IS(rill_sleep(RILL_MS(3)), 0);
    }
    EXPECT(crowd_busy() < clients);
    EXPECT_IS(await_busy(0, RILL_SEC(30)), 0);
    EXPECT_IS(crowd_count(), clients);
    EXPECT_IS(client_ask(guests.streams[7], ASK("/hello"), &answer), 200);
    EXPECT_IS(crowd_busy(), 1);
    return 0;
}

static void connections_that_fall_silent_lose_their_tasks(void **state)
{
    (void)state;
    assert_int_equal(run(fall_silent, NULL), 0);
}

/* One that asks again and again keeps its task while the others lose theirs. On a machine that does
 * not let us run it may look silent for once. */
static int keep_asking(void *arg)
{
    OWNED_GUESTS guests = { { NULL } };
    const struct conn *before = NULL;
    int asked = 0, tasks = 0;
    (void)arg;
    EXPECT_IS(invite(&guests, clients), 0);
    for (rill_time begun = rill_now(); crowd_busy() > 1; asked++) {
        EXPECT(rill_now() - begun < RILL_SEC(30));
        EXPECT_IS(rill_sleep(RILL_MS(1)), 0);
        EXPECT_IS(client_ask(guests.streams[0], ASK("/hello"), &answer), 200);
        tasks += crowd_oldest()->conn != before;
        before = crowd_oldest()->conn;
    }
    EXPECT(tasks <= 1 + asked / 10);
    return 0;
}

static void busy_connection_keeps_its_task(void **state)
{
    (void)state;
    assert_int_equal(run(keep_asking, NULL), 0);
}

/* --- Under failures --- */

static int park_twice(void)
{
    OWNED_GUESTS guests = { { NULL } };
    EXPECT_IS(invite_and_park(&guests, 1), 0);
    EXPECT_IS(client_ask(guests.streams[0], ASK("/hello"), &answer), 200);
    serving_park();
    EXPECT_IS(settle(), 0);
    EXPECT_IS(client_ask(guests.streams[0], LAST("/hello"), &answer), 200);
    EXPECT_IS(client_ended(guests.streams[0]), 0);
    return 0;
}

/* Run again with each allocation failing and with a cancel at each await of every task. Without memory
 * for a task a parked connection waits until there is some, which may be never: its client is not as
 * patient. */
static int park_under_a_deadline(void *arg)
{
    rill_scope scope = { 0 };
    (void)arg;
    EXPECT_IS(rill_timeout(&scope, RILL_SEC(1)), 0);
    return rill_scope_leave(&scope, park_twice());
}

static int serve_parked(void *arg)
{
    struct story story = { .body = park_under_a_deadline, .conf = conf };
    (void)arg;
    return story_tell(&story);
}

static int setup(void **state)
{
    (void)state;
    return story_prepare(conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parked_connections_answer_as_before),
        cmocka_unit_test(request_that_comes_while_it_parks_is_answered),
        cmocka_unit_test(connection_that_has_not_asked_yet_is_parked_and_one_that_began_is_not),
        cmocka_unit_test(parked_connection_is_served_by_the_new_tables),
        cmocka_unit_test(client_that_leaves_is_let_go),
        cmocka_unit_test(parked_connection_is_closed_at_its_idle_limit),
        cmocka_unit_test(oldest_parked_connection_goes_for_a_new_one),
        cmocka_unit_test(parked_connection_that_asks_when_it_is_shed_gets_a_last_answer),
        cmocka_unit_test(drain_gives_parked_connections_their_grace),
        cmocka_unit_test(drain_at_its_limit_ends_parked_connections),
        cmocka_unit_test(connections_that_fall_silent_lose_their_tasks),
        cmocka_unit_test(busy_connection_keeps_its_task),
    };
    const struct scenario scenarios[] = { SCENARIO(serve_parked) };
    int r = cmocka_run_group_tests_name("crowd", tests, setup, NULL);
    r |= RUN_SCENARIOS("crowd under failures", scenarios);
    return r;
}
