/* test_slab.c - records in slabs: used again, found by a reader, valid after their slabs have gone. */
#include "core/base/mem.h"
#include "core/base/slab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE = 224, MANY = 2000 };

static struct rill__slabs slabs;
static void *records[MANY];
static uint16_t places[MANY];

static void take(int i)
{
    records[i] = rill__slabs_take(&slabs, SIZE, &places[i]);
    assert_non_null(records[i]);
    memset(records[i], 0x5a, SIZE);
}

static void give(int i)
{
    rill__slabs_give(records[i], SIZE, places[i]);
}

static struct rill__slab *slab_of(int i)
{
    return (void *)((char *)records[i] - RILL__SLAB_HEADER - places[i] * (size_t)SIZE);
}

/* All of them, through the array that another process reads. */
static size_t count_used(void)
{
    size_t used = 0;
    for (uint32_t i = 0; i < slabs.count; i++) {
        const char *record = (const char *)slabs.all[i] + RILL__SLAB_HEADER;
        assert_ptr_equal(slabs.all[i]->owner, &slabs);
        for (uint32_t k = 0; k < slabs.all[i]->fresh; k++, record += SIZE) {
            uint64_t first;
            memcpy(&first, record, sizeof first);
            used += first != 0;
        }
    }
    return used;
}

static void records_are_found_by_walking_the_slabs(void **state)
{
    (void)state;
    for (int i = 0; i < MANY; i++)
        take(i);
    assert_int_equal(count_used(), MANY);
    for (int i = 0; i < MANY; i++)
        assert_ptr_equal(slab_of(i), slabs.all[slab_of(i)->at]);
    for (int i = 0; i < MANY; i += 2)
        give(i);
    assert_int_equal(count_used(), MANY / 2);
    for (int i = 1; i < MANY; i += 2)
        give(i);
    assert_int_equal(count_used(), 0);
    rill__slabs_fini(&slabs);
}

static void record_given_back_is_the_next_one_taken(void **state)
{
    (void)state;
    take(0);
    take(1);
    bool lone = slab_of(0) != slab_of(1); /* for the sanitizers each record is a block of its own */
    void *first = records[0];
    give(0);
    take(2);
    bool again = records[2] == first;
    give(1);
    give(2);
    rill__slabs_fini(&slabs);
    if (lone)
        skip();
    assert_true(again);
}

static void empty_slabs_go_back_but_for_one(void **state)
{
    (void)state;
    for (int i = 0; i < MANY; i++)
        take(i);
    assert_true(slabs.count > 2);
    for (int i = 0; i < MANY; i++)
        give(i);
    assert_true(slabs.count <= 1);
    rill__slabs_fini(&slabs);
}

static void record_outlives_its_slabs(void **state)
{
    int64_t live = rill__mem_live();
    (void)state;
    take(0);
    take(1);
    rill__slabs_fini(&slabs);
    memset(records[0], 1, SIZE);
    give(0);
    memset(records[1], 1, SIZE);
    give(1);
    assert_int_equal(rill__mem_live(), live);
}

static void each_record_can_fail_and_nothing_is_lost(void **state)
{
    int64_t live = rill__mem_live();
    uint64_t nth = 1;
    void *record;
    (void)state;
    do {
        rill__mem_fail_nth(nth++, false);
        record = rill__slabs_take(&slabs, SIZE, &places[0]);
    } while (record == NULL && nth < 10);
    rill__mem_fail_nth(0, false);
    assert_non_null(record);
    assert_int_equal(nth, 5); /* the record, the array, the slab; then it worked */
    rill__slabs_give(record, SIZE, places[0]);
    rill__slabs_fini(&slabs);
    assert_int_equal(rill__mem_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_found_by_walking_the_slabs),
        cmocka_unit_test(record_given_back_is_the_next_one_taken),
        cmocka_unit_test(empty_slabs_go_back_but_for_one),
        cmocka_unit_test(record_outlives_its_slabs),
        cmocka_unit_test(each_record_can_fail_and_nothing_is_lost),
    };
    return cmocka_run_group_tests_name("slab", tests, NULL, NULL);
}
