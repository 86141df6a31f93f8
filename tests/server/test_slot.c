/* test_slot.c - every cell of the slot's table, and how deaths are counted. */
#include "server/slot.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NOW RILL_SEC(1000)

static char did[64]; /* what the slot did to the world */
static int spawn_result;

static void note(const char *what)
{
    size_t used = strlen(did);
    snprintf(did + used, sizeof did - used, "%s", what);
}

static int spawn(struct slot *slot, void *arg)
{
    (void)arg;
    note("spawn ");
    if (spawn_result == 0)
        slot->pid = 7;
    return spawn_result;
}

static void kill_it(struct slot *slot, int signal_number, void *arg)
{
    (void)slot, (void)arg;
    note(signal_number == SIGABRT ? "ABRT " : signal_number == SIGKILL ? "KILL " : "? ");
}

static void send_it(struct slot *slot, enum channel_type type, void *arg)
{
    (void)slot, (void)arg;
    note(type == CHANNEL_DRAIN ? "drain " : type == CHANNEL_STOP ? "stop " : "? ");
}

static const struct slot_effects effects = {
    .spawn = spawn, .kill = kill_it, .send = send_it, .drain_limit = RILL_SEC(33)
};

/* One cell: in `state`, after `event`. `wait` is the new deadline from now. */
struct cell {
    const char *name;
    enum slot_state state;
    enum slot_event event;
    bool wanted;
    enum slot_state next;
    const char *does;
    rill_time wait;
    bool wanted_then;
};

#define NEVER RILL_FOREVER

static const struct cell cells[] = {
    { "empty_start_forks", SLOT_EMPTY, SLOT_START, false, SLOT_STARTING, "spawn ", RILL_SEC(10),
      true },
    { "empty_ready_is_ignored", SLOT_EMPTY, SLOT_READY, false, SLOT_EMPTY, "", NEVER, false },
    { "empty_leave_is_ignored", SLOT_EMPTY, SLOT_LEAVE, false, SLOT_EMPTY, "", NEVER, false },
    { "empty_drain_is_ignored", SLOT_EMPTY, SLOT_DRAIN, false, SLOT_EMPTY, "", NEVER, false },
    { "empty_stop_is_ignored", SLOT_EMPTY, SLOT_STOP, false, SLOT_EMPTY, "", NEVER, false },
    { "empty_silent_is_ignored", SLOT_EMPTY, SLOT_SILENT, false, SLOT_EMPTY, "", NEVER, false },
    { "empty_timer_is_ignored", SLOT_EMPTY, SLOT_TIMER, false, SLOT_EMPTY, "", NEVER, false },
    { "empty_died_is_ignored", SLOT_EMPTY, SLOT_DIED, false, SLOT_EMPTY, "", NEVER, false },

    { "starting_start_is_ignored", SLOT_STARTING, SLOT_START, true, SLOT_STARTING, "", NEVER,
      true },
    { "starting_ready_serves", SLOT_STARTING, SLOT_READY, true, SLOT_SERVING, "", NEVER, true },
    { "starting_leave_lets_it_finish", SLOT_STARTING, SLOT_LEAVE, true, SLOT_DRAINING, "",
      RILL_SEC(33), true },
    { "starting_drain_drains", SLOT_STARTING, SLOT_DRAIN, true, SLOT_DRAINING, "drain ",
      RILL_SEC(33), false },
    { "starting_stop_stops", SLOT_STARTING, SLOT_STOP, true, SLOT_DRAINING, "stop ", RILL_MS(700),
      false },
    { "starting_silent_is_ignored", SLOT_STARTING, SLOT_SILENT, true, SLOT_STARTING, "", NEVER,
      true },
    { "starting_too_long_is_killed", SLOT_STARTING, SLOT_TIMER, true, SLOT_STUCK, "KILL ", NEVER,
      true },
    { "starting_died_tries_again_at_once", SLOT_STARTING, SLOT_DIED, true, SLOT_BACKOFF, "", 0,
      true },

    { "serving_start_is_ignored", SLOT_SERVING, SLOT_START, true, SLOT_SERVING, "", NEVER, true },
    { "serving_ready_is_ignored", SLOT_SERVING, SLOT_READY, true, SLOT_SERVING, "", NEVER, true },
    { "serving_leave_lets_it_finish", SLOT_SERVING, SLOT_LEAVE, true, SLOT_DRAINING, "",
      RILL_SEC(33), true },
    { "serving_drain_drains", SLOT_SERVING, SLOT_DRAIN, true, SLOT_DRAINING, "drain ", RILL_SEC(33),
      false },
    { "serving_stop_stops", SLOT_SERVING, SLOT_STOP, true, SLOT_DRAINING, "stop ", RILL_MS(700),
      false },
    { "serving_silent_is_aborted", SLOT_SERVING, SLOT_SILENT, true, SLOT_STUCK, "ABRT ",
      RILL_SEC(1), true },
    { "serving_timer_is_ignored", SLOT_SERVING, SLOT_TIMER, true, SLOT_SERVING, "", NEVER, true },
    { "serving_died_is_replaced_at_once", SLOT_SERVING, SLOT_DIED, true, SLOT_BACKOFF, "", 0,
      true },

    { "draining_start_wants_one_afterwards", SLOT_DRAINING, SLOT_START, false, SLOT_DRAINING, "",
      NEVER, true },
    { "draining_ready_is_ignored", SLOT_DRAINING, SLOT_READY, false, SLOT_DRAINING, "", NEVER,
      false },
    { "draining_leave_is_ignored", SLOT_DRAINING, SLOT_LEAVE, false, SLOT_DRAINING, "", NEVER,
      false },
    { "draining_drain_wants_none_afterwards", SLOT_DRAINING, SLOT_DRAIN, true, SLOT_DRAINING, "",
      NEVER, false },
    { "draining_stop_stops", SLOT_DRAINING, SLOT_STOP, false, SLOT_DRAINING, "stop ", RILL_MS(700),
      false },
    { "draining_silent_is_ignored", SLOT_DRAINING, SLOT_SILENT, false, SLOT_DRAINING, "", NEVER,
      false },
    { "draining_too_long_is_killed", SLOT_DRAINING, SLOT_TIMER, false, SLOT_DRAINING, "KILL ",
      NEVER, false },
    { "draining_died_leaves_it_empty", SLOT_DRAINING, SLOT_DIED, false, SLOT_EMPTY, "", NEVER,
      false },
    { "draining_died_wanted_starts_at_once", SLOT_DRAINING, SLOT_DIED, true, SLOT_BACKOFF, "", 0,
      true },

    { "stuck_start_wants_one_afterwards", SLOT_STUCK, SLOT_START, false, SLOT_STUCK, "", NEVER,
      true },
    { "stuck_ready_is_ignored", SLOT_STUCK, SLOT_READY, true, SLOT_STUCK, "", NEVER, true },
    { "stuck_leave_is_ignored", SLOT_STUCK, SLOT_LEAVE, true, SLOT_STUCK, "", NEVER, true },
    { "stuck_drain_is_killed", SLOT_STUCK, SLOT_DRAIN, true, SLOT_STUCK, "KILL ", NEVER, false },
    { "stuck_stop_is_killed", SLOT_STUCK, SLOT_STOP, true, SLOT_STUCK, "KILL ", NEVER, false },
    { "stuck_silent_is_ignored", SLOT_STUCK, SLOT_SILENT, true, SLOT_STUCK, "", NEVER, true },
    { "stuck_a_second_later_is_killed", SLOT_STUCK, SLOT_TIMER, true, SLOT_STUCK, "KILL ", NEVER,
      true },
    { "stuck_died_is_replaced", SLOT_STUCK, SLOT_DIED, true, SLOT_BACKOFF, "", 0, true },
    { "stuck_died_unwanted_leaves_it_empty", SLOT_STUCK, SLOT_DIED, false, SLOT_EMPTY, "", NEVER,
      false },

    { "backoff_start_is_wanted", SLOT_BACKOFF, SLOT_START, true, SLOT_BACKOFF, "", NEVER, true },
    { "backoff_ready_is_ignored", SLOT_BACKOFF, SLOT_READY, true, SLOT_BACKOFF, "", NEVER, true },
    { "backoff_leave_is_ignored", SLOT_BACKOFF, SLOT_LEAVE, true, SLOT_BACKOFF, "", NEVER, true },
    { "backoff_drain_leaves_it_empty", SLOT_BACKOFF, SLOT_DRAIN, true, SLOT_EMPTY, "", NEVER,
      false },
    { "backoff_stop_leaves_it_empty", SLOT_BACKOFF, SLOT_STOP, true, SLOT_EMPTY, "", NEVER, false },
    { "backoff_silent_is_ignored", SLOT_BACKOFF, SLOT_SILENT, true, SLOT_BACKOFF, "", NEVER, true },
    { "backoff_over_forks", SLOT_BACKOFF, SLOT_TIMER, true, SLOT_STARTING, "spawn ", RILL_SEC(10),
      true },
    { "backoff_died_is_ignored", SLOT_BACKOFF, SLOT_DIED, true, SLOT_BACKOFF, "", NEVER, true },

    { "degraded_start_forks", SLOT_DEGRADED, SLOT_START, true, SLOT_STARTING, "spawn ",
      RILL_SEC(10), true },
    { "degraded_ready_is_ignored", SLOT_DEGRADED, SLOT_READY, true, SLOT_DEGRADED, "", NEVER,
      true },
    { "degraded_leave_is_ignored", SLOT_DEGRADED, SLOT_LEAVE, true, SLOT_DEGRADED, "", NEVER,
      true },
    { "degraded_drain_leaves_it_empty", SLOT_DEGRADED, SLOT_DRAIN, true, SLOT_EMPTY, "", NEVER,
      false },
    { "degraded_stop_leaves_it_empty", SLOT_DEGRADED, SLOT_STOP, true, SLOT_EMPTY, "", NEVER,
      false },
    { "degraded_silent_is_ignored", SLOT_DEGRADED, SLOT_SILENT, true, SLOT_DEGRADED, "", NEVER,
      true },
    { "degraded_a_minute_later_forks", SLOT_DEGRADED, SLOT_TIMER, true, SLOT_STARTING, "spawn ",
      RILL_SEC(10), true },
    { "degraded_died_is_ignored", SLOT_DEGRADED, SLOT_DIED, true, SLOT_DEGRADED, "", NEVER, true },
};

static void cell_does_what_the_table_of_operations_says(void **state)
{
    const struct cell *cell = *state;
    struct slot slot;
    slot_init(&slot, 3);
    slot.state = cell->state;
    slot.wanted = cell->wanted;
    did[0] = '\0';
    spawn_result = 0;
    slot_handle(&slot, cell->event, NOW, &effects);
    assert_string_equal(slot_state_name(slot.state), slot_state_name(cell->next));
    assert_string_equal(did, cell->does);
    assert_true(slot.deadline == (cell->wait == NEVER ? RILL_FOREVER : NOW + cell->wait));
    assert_int_equal(slot.wanted, cell->wanted_then);
}

/* Every state meets every event in the rows above; two cells depend on `wanted`. */
static void every_cell_has_its_test(void **state)
{
    (void)state;
    bool seen[SLOT_STATES][SLOT_EVENTS] = { 0 };
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
        seen[cells[i].state][cells[i].event] = true;
    for (unsigned s = 0; s < SLOT_STATES; s++)
        for (unsigned e = 0; e < SLOT_EVENTS; e++)
            assert_true(seen[s][e]);
}

/* Start a worker at `now` and let it die after `life`.   Returns: the pause before the next try. */
static rill_time die(struct slot *slot, rill_time now, rill_time ready_after, rill_time life)
{
    slot_handle(slot, slot->state == SLOT_EMPTY ? SLOT_START : SLOT_TIMER, now, &effects);
    assert_int_equal(slot->state, SLOT_STARTING);
    slot_handle(slot, SLOT_READY, now + ready_after, &effects);
    slot_handle(slot, SLOT_DIED, now + life, &effects);
    return slot->deadline - (now + life);
}

static void deaths_in_a_row_wait_longer_up_to_five_seconds(void **state)
{
    (void)state;
    static const int64_t pauses_ms[] = { 0, 100, 200, 400, 800, 1600, 3200, 5000, 5000 };
    struct slot slot;
    slot_init(&slot, 0);
    rill_time now = NOW;
    for (size_t i = 0; i < sizeof pauses_ms / sizeof *pauses_ms; i++) {
        assert_true(die(&slot, now, RILL_MS(1), RILL_SEC(16)) == RILL_MS(pauses_ms[i]));
        assert_int_equal(slot.state, SLOT_BACKOFF); /* never five within a minute */
        now = slot.deadline;
    }
}

static void five_deaths_within_a_minute_degrade_and_a_minute_later_it_tries(void **state)
{
    (void)state;
    struct slot slot;
    slot_init(&slot, 0);
    rill_time now = NOW;
    for (int i = 0; i < 4; i++) {
        die(&slot, now, RILL_MS(1), RILL_SEC(2));
        assert_int_equal(slot.state, SLOT_BACKOFF);
        now = slot.deadline;
    }
    assert_true(die(&slot, now, RILL_MS(1), RILL_SEC(2)) == RILL_SEC(60));
    assert_int_equal(slot.state, SLOT_DEGRADED);
    assert_true(die(&slot, slot.deadline, RILL_MS(1), RILL_SEC(20)) == RILL_MS(1600));
    assert_int_equal(slot.state, SLOT_BACKOFF); /* one try a minute is not five in one */
}

static void minute_of_service_forgives_former_deaths(void **state)
{
    (void)state;
    struct slot slot;
    slot_init(&slot, 0);
    die(&slot, NOW, RILL_MS(1), RILL_SEC(20));
    assert_true(die(&slot, slot.deadline, RILL_MS(1), RILL_SEC(20)) == RILL_MS(100));
    assert_true(die(&slot, slot.deadline, RILL_MS(1), RILL_SEC(61)) == 0);
}

static void fork_that_fails_counts_as_a_death(void **state)
{
    (void)state;
    struct slot slot;
    slot_init(&slot, 0);
    spawn_result = -1;
    slot_handle(&slot, SLOT_START, NOW, &effects);
    assert_int_equal(slot.state, SLOT_BACKOFF);
    slot_handle(&slot, SLOT_TIMER, NOW, &effects);
    assert_true(slot.deadline == NOW + RILL_MS(100));
    spawn_result = 0;
    assert_false(slot_lives(&slot));
}

static void killed_while_draining_is_remembered_until_the_next_start(void **state)
{
    (void)state;
    struct slot slot;
    slot_init(&slot, 0);
    slot_handle(&slot, SLOT_START, NOW, &effects);
    slot_handle(&slot, SLOT_READY, NOW, &effects);
    slot_handle(&slot, SLOT_LEAVE, NOW, &effects);
    slot_handle(&slot, SLOT_TIMER, slot.deadline, &effects);
    assert_true(slot.killed);
    slot_handle(&slot, SLOT_DIED, NOW, &effects);
    slot_handle(&slot, SLOT_TIMER, NOW, &effects);
    assert_int_equal(slot.state, SLOT_STARTING);
    assert_false(slot.killed);
}

int main(void)
{
    enum { CELLS = sizeof cells / sizeof *cells };
    struct CMUnitTest tests[CELLS];
    for (size_t i = 0; i < CELLS; i++)
        tests[i] = (struct CMUnitTest){ .name = cells[i].name,
                                        .test_func = cell_does_what_the_table_of_operations_says,
                                        .initial_state = (void *)(uintptr_t)&cells[i] };
    const struct CMUnitTest more[] = {
        cmocka_unit_test(every_cell_has_its_test),
        cmocka_unit_test(deaths_in_a_row_wait_longer_up_to_five_seconds),
        cmocka_unit_test(five_deaths_within_a_minute_degrade_and_a_minute_later_it_tries),
        cmocka_unit_test(minute_of_service_forgives_former_deaths),
        cmocka_unit_test(fork_that_fails_counts_as_a_death),
        cmocka_unit_test(killed_while_draining_is_remembered_until_the_next_start),
    };
    int failed = cmocka_run_group_tests_name("slot cells", tests, NULL, NULL);
    return failed + cmocka_run_group_tests_name("slot", more, NULL, NULL);
}
