/* test_phase.c - every cell of the master's table. */
#include "server/phase.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct cell {
    const char *name;
    enum phase phase;
    enum phase_event event;
    enum phase_action action;
    enum phase next;
};

#define STAYS(phase) ACTION_NONE, phase

static const struct cell cells[] = {
    { "starting_ready_announces", PHASE_STARTING, EVENT_READY, ACTION_ANNOUNCE, PHASE_SERVING },
    { "starting_failed_ends_with_its_status", PHASE_STARTING, EVENT_FAILED, ACTION_FAIL,
      PHASE_STOPPING },
    { "starting_hup_is_remembered", PHASE_STARTING, EVENT_HUP, ACTION_REMEMBER, PHASE_STARTING },
    { "starting_usr1_reopens", PHASE_STARTING, EVENT_USR1, ACTION_REOPEN, PHASE_STARTING },
    { "starting_term_stops", PHASE_STARTING, EVENT_TERM, ACTION_STOP, PHASE_STOPPING },
    { "starting_quit_stops", PHASE_STARTING, EVENT_QUIT, ACTION_STOP, PHASE_STOPPING },
    { "starting_prepared_is_ignored", PHASE_STARTING, EVENT_PREPARED, STAYS(PHASE_STARTING) },
    { "starting_refused_is_ignored", PHASE_STARTING, EVENT_REFUSED, STAYS(PHASE_STARTING) },
    { "starting_committed_is_ignored", PHASE_STARTING, EVENT_COMMITTED, STAYS(PHASE_STARTING) },
    { "starting_empty_is_ignored", PHASE_STARTING, EVENT_EMPTY, STAYS(PHASE_STARTING) },

    { "serving_ready_is_ignored", PHASE_SERVING, EVENT_READY, STAYS(PHASE_SERVING) },
    { "serving_failed_ends", PHASE_SERVING, EVENT_FAILED, ACTION_FAIL, PHASE_STOPPING },
    { "serving_hup_reloads", PHASE_SERVING, EVENT_HUP, ACTION_RELOAD, PHASE_RELOADING },
    { "serving_usr1_reopens", PHASE_SERVING, EVENT_USR1, ACTION_REOPEN, PHASE_SERVING },
    { "serving_term_drains", PHASE_SERVING, EVENT_TERM, ACTION_DRAIN, PHASE_DRAINING },
    { "serving_quit_stops", PHASE_SERVING, EVENT_QUIT, ACTION_STOP, PHASE_STOPPING },
    { "serving_prepared_is_ignored", PHASE_SERVING, EVENT_PREPARED, STAYS(PHASE_SERVING) },
    { "serving_refused_is_ignored", PHASE_SERVING, EVENT_REFUSED, STAYS(PHASE_SERVING) },
    { "serving_committed_is_ignored", PHASE_SERVING, EVENT_COMMITTED, STAYS(PHASE_SERVING) },
    { "serving_empty_is_ignored", PHASE_SERVING, EVENT_EMPTY, STAYS(PHASE_SERVING) },

    { "reloading_ready_is_ignored", PHASE_RELOADING, EVENT_READY, STAYS(PHASE_RELOADING) },
    { "reloading_failed_ends", PHASE_RELOADING, EVENT_FAILED, ACTION_FAIL, PHASE_STOPPING },
    { "reloading_hup_is_remembered", PHASE_RELOADING, EVENT_HUP, ACTION_REMEMBER, PHASE_RELOADING },
    { "reloading_usr1_reopens", PHASE_RELOADING, EVENT_USR1, ACTION_REOPEN, PHASE_RELOADING },
    { "reloading_term_abandons_and_drains", PHASE_RELOADING, EVENT_TERM, ACTION_ABANDON_DRAIN,
      PHASE_DRAINING },
    { "reloading_quit_abandons_and_stops", PHASE_RELOADING, EVENT_QUIT, ACTION_ABANDON_STOP,
      PHASE_STOPPING },
    { "reloading_prepared_commits", PHASE_RELOADING, EVENT_PREPARED, ACTION_COMMIT,
      PHASE_COMMITTING },
    { "reloading_refused_abandons", PHASE_RELOADING, EVENT_REFUSED, ACTION_ABANDON, PHASE_SERVING },
    { "reloading_committed_is_ignored", PHASE_RELOADING, EVENT_COMMITTED, STAYS(PHASE_RELOADING) },
    { "reloading_empty_is_ignored", PHASE_RELOADING, EVENT_EMPTY, STAYS(PHASE_RELOADING) },

    { "committing_ready_is_ignored", PHASE_COMMITTING, EVENT_READY, STAYS(PHASE_COMMITTING) },
    { "committing_failed_ends", PHASE_COMMITTING, EVENT_FAILED, ACTION_FAIL, PHASE_STOPPING },
    { "committing_hup_is_remembered", PHASE_COMMITTING, EVENT_HUP, ACTION_REMEMBER,
      PHASE_COMMITTING },
    { "committing_usr1_reopens", PHASE_COMMITTING, EVENT_USR1, ACTION_REOPEN, PHASE_COMMITTING },
    { "committing_term_drains", PHASE_COMMITTING, EVENT_TERM, ACTION_DRAIN, PHASE_DRAINING },
    { "committing_quit_stops", PHASE_COMMITTING, EVENT_QUIT, ACTION_STOP, PHASE_STOPPING },
    { "committing_prepared_is_ignored", PHASE_COMMITTING, EVENT_PREPARED, STAYS(PHASE_COMMITTING) },
    { "committing_refused_is_ignored", PHASE_COMMITTING, EVENT_REFUSED, STAYS(PHASE_COMMITTING) },
    { "committing_committed_is_over", PHASE_COMMITTING, EVENT_COMMITTED, ACTION_SETTLE,
      PHASE_SERVING },
    { "committing_empty_is_ignored", PHASE_COMMITTING, EVENT_EMPTY, STAYS(PHASE_COMMITTING) },

    { "draining_ready_is_ignored", PHASE_DRAINING, EVENT_READY, STAYS(PHASE_DRAINING) },
    { "draining_failed_is_ignored", PHASE_DRAINING, EVENT_FAILED, STAYS(PHASE_DRAINING) },
    { "draining_hup_is_ignored", PHASE_DRAINING, EVENT_HUP, STAYS(PHASE_DRAINING) },
    { "draining_usr1_reopens", PHASE_DRAINING, EVENT_USR1, ACTION_REOPEN, PHASE_DRAINING },
    { "draining_second_term_stops", PHASE_DRAINING, EVENT_TERM, ACTION_STOP, PHASE_STOPPING },
    { "draining_quit_stops", PHASE_DRAINING, EVENT_QUIT, ACTION_STOP, PHASE_STOPPING },
    { "draining_prepared_is_ignored", PHASE_DRAINING, EVENT_PREPARED, STAYS(PHASE_DRAINING) },
    { "draining_refused_is_ignored", PHASE_DRAINING, EVENT_REFUSED, STAYS(PHASE_DRAINING) },
    { "draining_committed_is_ignored", PHASE_DRAINING, EVENT_COMMITTED, STAYS(PHASE_DRAINING) },
    { "draining_empty_ends", PHASE_DRAINING, EVENT_EMPTY, ACTION_END, PHASE_OVER },

    { "stopping_ready_is_ignored", PHASE_STOPPING, EVENT_READY, STAYS(PHASE_STOPPING) },
    { "stopping_failed_is_ignored", PHASE_STOPPING, EVENT_FAILED, STAYS(PHASE_STOPPING) },
    { "stopping_hup_is_ignored", PHASE_STOPPING, EVENT_HUP, STAYS(PHASE_STOPPING) },
    { "stopping_usr1_is_ignored", PHASE_STOPPING, EVENT_USR1, STAYS(PHASE_STOPPING) },
    { "stopping_term_is_ignored", PHASE_STOPPING, EVENT_TERM, STAYS(PHASE_STOPPING) },
    { "stopping_quit_is_ignored", PHASE_STOPPING, EVENT_QUIT, STAYS(PHASE_STOPPING) },
    { "stopping_prepared_is_ignored", PHASE_STOPPING, EVENT_PREPARED, STAYS(PHASE_STOPPING) },
    { "stopping_refused_is_ignored", PHASE_STOPPING, EVENT_REFUSED, STAYS(PHASE_STOPPING) },
    { "stopping_committed_is_ignored", PHASE_STOPPING, EVENT_COMMITTED, STAYS(PHASE_STOPPING) },
    { "stopping_empty_ends", PHASE_STOPPING, EVENT_EMPTY, ACTION_END, PHASE_OVER },
};

static void cell_does_what_the_table_of_operations_says(void **state)
{
    const struct cell *cell = *state;
    enum phase next = PHASES;
    assert_int_equal(phase_step(cell->phase, cell->event, &next), cell->action);
    assert_int_equal(next, cell->next);
}

static void every_cell_has_its_test_and_the_end_is_final(void **state)
{
    (void)state;
    bool seen[PHASES][EVENTS] = { 0 };
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
        seen[cells[i].phase][cells[i].event] = true;
    for (unsigned p = 0; p < PHASE_OVER; p++)
        for (unsigned e = 0; e < EVENTS; e++)
            assert_true(seen[p][e]);
    for (unsigned e = 0; e < EVENTS; e++) {
        enum phase next;
        assert_int_equal(phase_step(PHASE_OVER, (enum phase_event)e, &next), ACTION_NONE);
        assert_int_equal(next, PHASE_OVER);
    }
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
        cmocka_unit_test(every_cell_has_its_test_and_the_end_is_final),
    };
    int failed = cmocka_run_group_tests_name("phase cells", tests, NULL, NULL);
    return failed + cmocka_run_group_tests_name("phase", more, NULL, NULL);
}
